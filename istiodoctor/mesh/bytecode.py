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
_CACHE = 0
"""The units between instructions where the interpreter keeps what it learned."""


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
    for path in names(code):
        if path[0] in globals_:
            yield _reached(globals_[path[0]], path[1:])
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


def names(code: CodeType) -> tuple[tuple[str, ...], ...]:
    """Return the globals that code loads, each with the attributes that are taken of it at once.

    Reads the instructions themselves: `dis` makes an object of each and takes forty times as long.
    """
    operations, arguments = code.co_code[::2], code.co_code[1::2]
    found: dict[tuple[str, ...], None] = {}
    for operation in _GLOBALS:
        at = operations.find(operation)
        while at >= 0:
            path = [_name(code, operations, arguments, at)]
            following = _next(operations, at)
            while following < len(operations) and operations[following] in _ATTRIBUTES:
                path.append(_name(code, operations, arguments, following))
                following = _next(operations, following)
            found[tuple(path)] = None
            at = operations.find(operation, at + 1)
    return tuple(found)


def _name(code: CodeType, operations: bytes, arguments: bytes, at: int) -> str:
    is_flagged = operations[at] in _FLAGGED
    index, shift = arguments[at], 8
    while at and operations[at - 1] == _EXTENDED:
        at -= 1
        index |= arguments[at] << shift
        shift += 8
    return code.co_names[index >> 1 if is_flagged else index]


def _next(operations: bytes, at: int) -> int:
    """Return where the next instruction is, after caches and what only extends its argument."""
    at += 1
    while at < len(operations) and operations[at] in (_CACHE, _EXTENDED):
        at += 1
    return at
