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
    """Return the values of a type that a function names, itself or through those it names.

    Functions of our own packages and of the distribution of the first one are followed, and so
    is everything that a class and those below it define: which of it is used, its name in the
    code does not tell.
    """
    todo = [*_functions(function)]
    seen = set(todo)
    found: set[T] = set()
    while todo:
        for value in named(todo.pop()):
            if isinstance(value, wanted):
                found.add(value)
            elif _is_followed(value, function.__module__):
                new = [each for each in _functions(value) if each not in seen]
                seen.update(new)
                todo += new
    return frozenset(found)


def _functions(value: Any) -> tuple[FunctionType, ...]:
    """Return the functions that a value stands for: itself, what it wraps, a class's own."""
    if isinstance(value, FunctionType):
        return (value,)
    if isinstance(value, type):
        bases = (each for each in value.__mro__ if _is_followed(each, value.__module__))
        return tuple(each for base in bases for each in _defined_by(base))
    wrapped = getattr(value, "__wrapped__", None)
    return (wrapped,) if isinstance(wrapped, FunctionType) else ()


@cache
def _defined_by(of: type) -> tuple[FunctionType, ...]:
    return tuple(each for member in vars(of).values() for each in _methods(member))


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
    if own in OURS or root in sys.stdlib_module_names:
        return False
    installed = _distributions()
    return not {*installed.get(root, ())}.isdisjoint(installed.get(own, ()))


@cache
def _distributions() -> Mapping[str, list[str]]:
    """Return the distributions of each package that is installed."""
    return packages_distributions()
