"""What Envoy refuses of a route's match.

Source: the constraints of api/envoy/config/route/v3/route_components.proto and
api/envoy/type/matcher/v3/string.proto, and source/common/common/matchers.cc. Each is held
against the real Envoy by a test.
"""

import re
from collections.abc import Iterator

from istiodoctor.mesh.configuration.route import (
    Comparison,
    HeaderMatcher,
    PathComparison,
    QueryParameterMatcher,
    RouteMatch,
    StringMatcher,
)
from istiodoctor.mesh.regular_expressions import refused_pattern

CONTROL = re.compile(r"[\0\n\r]")
"""What the value of no header may have."""
MOST_PARAMETER_NAME = 1024
"""Bytes."""
_SEPARATED_PREFIX = re.compile(r"[^?#]+[^?#/]")


def faults_of_match(match: RouteMatch) -> Iterator[str]:
    """Yield what Envoy finds wrong with a match."""
    if match.comparison is PathComparison.REGEX:
        yield from pattern_faults(match.path, "a path")
    elif match.comparison is PathComparison.SEPARATED_PREFIX and not (
        _SEPARATED_PREFIX.fullmatch(match.path)
    ):
        yield f"{match.path!r} is no prefix that ends at a slash"
    for header in match.headers:
        yield from _header_faults(header)
    for parameter in match.query_parameters:
        yield from _parameter_faults(parameter)


def _header_faults(header: HeaderMatcher) -> Iterator[str]:
    if not header.name or CONTROL.search(header.name):
        yield f"{header.name!r} is no name of a header"
    if header.matcher:
        yield from faults_of_text(header.matcher, f"the header {header.name}")


def _parameter_faults(parameter: QueryParameterMatcher) -> Iterator[str]:
    size = len(parameter.name.encode("utf-8", "replace"))
    if not 1 <= size <= MOST_PARAMETER_NAME:
        yield f"the name of a query parameter has {size} bytes: 1 to {MOST_PARAMETER_NAME} it may"
    if parameter.matcher:
        yield from faults_of_text(parameter.matcher, f"the query parameter {parameter.name}")


def faults_of_text(matcher: StringMatcher, what: str) -> Iterator[str]:
    """Yield what Envoy finds wrong with a pattern for one string."""
    match matcher.comparison:
        case Comparison.REGEX:
            if matcher.ignore_case:
                yield f"the regular expression for {what} cannot ignore case"
            yield from pattern_faults(matcher.value, what)
        case Comparison.EXACT:
            pass
        case _ if not matcher.value:
            yield f"the {matcher.comparison.value} for {what} is empty"


def pattern_faults(pattern: str, what: str) -> Iterator[str]:
    """Yield why Envoy refuses a regular expression."""
    if not pattern:
        yield f"the regular expression for {what} is empty"
    elif reason := refused_pattern(pattern):
        yield f"the regular expression {pattern[:100]} for {what} is none: {reason}"
