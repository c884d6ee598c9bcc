"""Which routes take every request that a later one asks for, so that it is never reached.

Envoy takes the first route that matches (source/common/router/config_impl.cc,
`VirtualHostImpl::getRouteFromEntries`). Whether one match takes all that another one takes is
told of equal conditions, of prefixes, and of regular expressions as far as they are a prefix or a
text; where it is not known the answer is no.
"""

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Generic, TypeVar

from istiodoctor.mesh.configuration.route import (
    HeaderMatcher,
    PathComparison,
    QueryParameterMatcher,
    RouteMatch,
)
from istiodoctor.mesh.configuration.texts import ascii_lower
from istiodoctor.mesh.regular_expressions import full_match, refused_pattern

T = TypeVar("T")
Conditions = frozenset[Hashable]
MOST_PATTERNS = 16
"""How many regular expressions are held against each exact path."""
MOST_COMPARED = 16
"""Up to so many conditions on one path are compared one by one."""
MOST_COMBINED = 5
"""Of up to so many conditions every subset is looked up."""
_OPERATORS = re.compile(r"[\\.+*?()|\[\]{}^$]")
_OPTIONAL = frozenset("*?{")
"""What may make away with the letter before it."""
_ALL = ".*"


@dataclass(kw_only=True)
class _Bucket(Generic[T]):
    """The routes with one condition on the path, by their other conditions."""

    found: dict[Conditions, tuple[int, T]] = field(default_factory=dict)

    def add(self, conditions: Conditions, number: int, value: T) -> None:
        self.found.setdefault(conditions, (number, value))

    def first(self, conditions: Conditions) -> tuple[int, T] | None:
        """Return the first route that asks for no more than these conditions."""
        if len(self.found) <= MOST_COMPARED:
            met = (each for asked, each in self.found.items() if asked <= conditions)
        else:
            met = (self.found[each] for each in _subsets(conditions) if each in self.found)
        return min(met, key=lambda each: each[0], default=None)


def _subsets(conditions: Conditions) -> Iterator[Conditions]:
    most = len(conditions) if len(conditions) <= MOST_COMBINED else 1
    for size in range(most + 1):
        yield from map(frozenset, combinations(conditions, size))
    yield conditions


@dataclass(frozen=True, slots=True, kw_only=True)
class _Path:
    """The condition on the path: a regular expression that is a prefix or a text is that."""

    comparison: PathComparison
    text: str
    is_case_sensitive: bool = True


class Coverage(Generic[T]):
    """Routes in Envoy's order; asked which earlier one leaves nothing to a later one."""

    def __init__(self) -> None:
        """Begin without routes."""
        self._buckets: dict[_Path, _Bucket[T]] = {}
        self._lengths: dict[PathComparison, set[int]] = {
            PathComparison.PREFIX: set(),
            PathComparison.SEPARATED_PREFIX: set(),
        }
        self._patterns: list[_Path] = []
        self._count = 0

    def add(self, match: RouteMatch, value: T, *scope: Hashable) -> None:
        """Add the next route; `scope` is what it asks for beside its match."""
        self._count += 1
        if match.metadata or any(each.is_redacted for each in match.headers):
            return
        path = _path(match)
        if path.comparison is PathComparison.REGEX and refused_pattern(path.text):
            return
        if path not in self._buckets:
            self._buckets[path] = _Bucket()
            if path.comparison in self._lengths:
                self._lengths[path.comparison].add(len(path.text))
            elif path.comparison is PathComparison.REGEX:
                self._patterns.append(path)
        self._buckets[path].add(_conditions(match, scope), self._count, value)

    def first(self, match: RouteMatch, *scope: Hashable) -> T | None:
        """Return the first route that takes every request which a match asks for."""
        if not self._count:
            return None
        conditions = _conditions(match, scope) | frozenset(_implied(match))
        found = (
            bucket.first(conditions)
            for path in self._wider(_path(match))
            if (bucket := self._buckets.get(path))
        )
        met = min(filter(None, found), key=lambda each: each[0], default=None)
        return met[1] if met else None

    def _wider(self, path: _Path) -> Iterator[_Path]:
        """Yield the conditions that take every path which one takes."""
        yield path
        start = path.text
        if path.comparison is PathComparison.REGEX:
            start = _literal_start(path.text) or "/"  # every path begins with one
        elif not path.is_case_sensitive:
            start = ascii_lower(start)
        for length in self._lengths[PathComparison.PREFIX]:
            if length <= len(start):
                yield from _spellings(PathComparison.PREFIX, start[:length], path)
        is_whole = path.comparison in (PathComparison.EXACT, PathComparison.SEPARATED_PREFIX)
        for length in self._lengths[PathComparison.SEPARATED_PREFIX]:
            if start[length : length + 1] == "/" or (is_whole and length == len(start)):
                yield from _spellings(PathComparison.SEPARATED_PREFIX, start[:length], path)
        if path.comparison is PathComparison.EXACT:
            yield from _spellings(PathComparison.EXACT, start, path)
            if path.is_case_sensitive:
                for each in self._patterns[:MOST_PATTERNS]:
                    if full_match(each.text, path.text):
                        yield each


def _spellings(comparison: PathComparison, text: str, path: _Path) -> Iterator[_Path]:
    """Yield a text as those may have it that look at case, and those that do not."""
    lower = ascii_lower(text)
    if path.is_case_sensitive or lower == text.upper():
        yield _Path(comparison=comparison, text=text)
    yield _Path(comparison=comparison, text=lower, is_case_sensitive=False)


def _path(match: RouteMatch) -> _Path:
    comparison, text = match.comparison, match.path
    if comparison is PathComparison.REGEX:
        is_open = text.endswith(_ALL)
        literal = text.removesuffix(_ALL)
        if _OPERATORS.search(literal):
            return _Path(comparison=comparison, text=text)
        comparison = PathComparison.PREFIX if is_open else PathComparison.EXACT
        return _Path(comparison=comparison, text=literal or "/")
    if comparison is PathComparison.PREFIX:
        text = text or "/"
    if match.case_sensitive:
        return _Path(comparison=comparison, text=text)
    return _Path(comparison=comparison, text=ascii_lower(text), is_case_sensitive=False)


def _literal_start(pattern: str) -> str:
    """Return what every text begins with that a regular expression takes."""
    if "|" in pattern or "\\" in pattern:
        return ""
    operator = _OPERATORS.search(pattern)
    if operator is None:
        return pattern
    start = pattern[: operator.start()]
    return start[:-1] if operator[0] in _OPTIONAL else start


def _conditions(match: RouteMatch, scope: tuple[Hashable, ...]) -> Conditions:
    return frozenset((*match.headers, *match.query_parameters, *match.metadata, *scope))


def _implied(match: RouteMatch) -> Iterator[Hashable]:
    """Yield what must hold too: a header that has a value is there."""
    for header in match.headers:
        if header.matcher is not None and not header.invert:
            yield HeaderMatcher(name=header.name)
    for parameter in match.query_parameters:
        yield QueryParameterMatcher(name=parameter.name)
