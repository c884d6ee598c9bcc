"""What a function names through the plain functions that it names, and they in turn."""

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from types import FunctionType
from typing import Any, TypeVar

from istiodoctor.mesh.bytecode import named

T = TypeVar("T")

OURS = frozenset({"istiodoctor", "istiodoctor_checks"})


@cache
def named_through(function: Callable[..., Any], wanted: type[T]) -> frozenset[T]:
    """Return the values of a type that a function names, itself or through those it names."""
    asking = function.__module__
    todo = [*_functions(function)]
    seen = set(todo)
    found: set[T] = set()
    while todo:
        for value in named(todo.pop()):
            if isinstance(value, wanted):
                found.add(value)
                continue
            if not _is_followed(value, asking):
                continue
            new = [each for each in _functions(value) if each not in seen]
            seen.update(new)
            todo += new
    return frozenset(found)


def _functions(value: Any) -> Iterator[FunctionType]:
    """Yield the functions that a value stands for: of a class, all that it defines."""
    if isinstance(value, FunctionType):
        yield value
    elif isinstance(value, type):
        for each in vars(value).values():
            yield from _methods(each)
    elif isinstance(wrapped := getattr(value, "__wrapped__", None), FunctionType):
        yield wrapped


def _methods(member: Any) -> Iterator[FunctionType]:
    if isinstance(member, property):
        yield from (each for each in (member.fget, member.fset) if isinstance(each, FunctionType))
    elif isinstance(member, staticmethod | classmethod):
        yield from _functions(member.__func__)
    elif not isinstance(member, type):
        yield from _functions(member)


def _is_followed(value: Any, asking: str) -> bool:
    """Whether a value is of our own packages, or of the distribution of the one that names it."""
    module = getattr(value, "__module__", None)
    if not isinstance(module, str):
        return False
    root, own = module.partition(".")[0], asking.partition(".")[0]
    if root in OURS or root == own:
        return True
    if root in sys.stdlib_module_names:
        return False
    installed = _distributions()
    return not {*installed.get(root, ())}.isdisjoint(installed.get(own, ()))


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()
