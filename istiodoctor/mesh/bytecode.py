"""What a function's code names: the values of its globals and closures, read from its bytecode.

Attributes and strings do not count, but for the attributes of a module (`module.question`).
Nested code (inner functions, lambdas, comprehensions) does.
"""

import dis
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

_GLOBALS = frozenset(
    dis.opmap[name]
    for name in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
    if name in dis.opmap
)
_ATTRIBUTES = frozenset(
    dis.opmap[name] for name in ("LOAD_ATTR", "LOAD_METHOD") if name in dis.opmap
)
_FLAGGED = frozenset(
    dis.opmap[name]
    for name, since in (("LOAD_GLOBAL", (3, 11)), ("LOAD_ATTR", (3, 12)))
    if sys.version_info >= since
)
"""Instructions whose lowest bit is a flag: the index of the name begins after it."""
_EXTENDED = dis.opmap["EXTENDED_ARG"]
_BETWEEN = frozenset({0, _EXTENDED})
"""What stands between instructions: caches of the interpreter, and the rest of long arguments."""


@cache
def named(function: FunctionType) -> tuple[object, ...]:
    """Return the values that a function's code and its parameters' defaults name, each once."""
    cells = {
        name: cell.cell_contents
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        )
        if not _is_empty(cell)
    }
    defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    found = (*defaults, *_values(function.__code__, function.__globals__, cells))
    return tuple({id(each): each for each in found}.values())


def _is_empty(cell: Any) -> bool:
    """Whether a variable of a closure has no value yet."""
    try:
        cell.cell_contents  # noqa: B018  # an empty cell tells by raising
    except ValueError:
        return True
    return False


def _values(
    code: CodeType, globals_: Mapping[str, object], cells: Mapping[str, object]
) -> Iterator[object]:
    """Yield what code and the code within it name: of variables, those that have a value now."""
    yield from (cells[name] for name in code.co_freevars if name in cells)
    for path in loads(code):
        yield _reached(globals_.get(path[0]), path[1:])
    visible = {name: value for name, value in cells.items() if name not in code.co_cellvars}
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _values(each, globals_, visible)


def _reached(value: object, attributes: tuple[str, ...]) -> object:
    """Follow attributes as long as they are those of modules."""
    for name in attributes:
        if not isinstance(value, ModuleType):
            break
        value = getattr(value, name, None)
    return value


def loads(code: CodeType) -> Iterator[tuple[str, ...]]:
    """Yield the globals that code loads, each with the attributes that are taken of it at once.

    Reads the instructions themselves: `dis` makes an object of each and takes forty times as long.
    """
    content = code.co_code
    operations = content[::2]
    for operation in _GLOBALS:
        at = operations.find(operation)
        while at >= 0:
            path = [_name(code, content, at)]
            following = _next(operations, at)
            while operations[following] in _ATTRIBUTES:
                path.append(_name(code, content, following))
                following = _next(operations, following)
            yield tuple(path)
            at = operations.find(operation, at + 1)


def _name(code: CodeType, content: bytes, at: int) -> str:
    """Return the name that an instruction is about."""
    index, shift, before = content[2 * at + 1], 8, at - 1
    while before >= 0 and content[2 * before] == _EXTENDED:
        index |= content[2 * before + 1] << shift
        shift, before = shift + 8, before - 1
    return code.co_names[index >> 1 if content[2 * at] in _FLAGGED else index]


def _next(operations: bytes, at: int) -> int:
    """Return where the next instruction is: code never ends by loading something."""
    at += 1
    while operations[at] in _BETWEEN:
        at += 1
    return at
