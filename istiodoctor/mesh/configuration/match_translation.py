"""Matches of a VirtualService's rules as conditions of Envoy's routes.

Source: istiod's pilot/pkg/networking/core/route/route.go:981-1140 (`TranslateRouteMatch`).
"""

from collections.abc import Iterator

from istiodoctor.mesh.configuration.held import Semantics
from istiodoctor.mesh.configuration.route import (
    Comparison,
    HeaderMatcher,
    PathComparison,
    QueryParameterMatcher,
    RouteMatch,
    StringMatcher,
)
from istiodoctor.model.istio import HttpMatch, StringMatch

PRESENT = "*"
"""The regex that istiod reads as "is there"; it is none of RE2's."""
CLAIMS = "@request.auth.claims"
EVERYTHING = RouteMatch()


def route_match(written: HttpMatch | None, semantics: Semantics) -> RouteMatch:
    """Return the condition of one match; without one, of everything."""
    if written is None:
        return EVERYTHING
    comparison, path = _path(written.uri, semantics)
    return RouteMatch(
        comparison=comparison,
        path=path,
        case_sensitive=not written.ignore_uri_case,
        headers=tuple(_headers(written)),
        query_parameters=tuple(
            QueryParameterMatcher(name=name, matcher=string_matcher(match))
            for name, match in written.query_params.items()
        ),
        metadata=tuple(
            name for name in (*written.headers, *written.without_headers) if _is_claim(name)
        ),
    )


def _path(written: StringMatch | None, semantics: Semantics) -> tuple[PathComparison, str]:
    if written is None:
        return PathComparison.PREFIX, "/"
    if written.exact is not None:
        return PathComparison.EXACT, written.exact
    if written.regex is not None:
        return PathComparison.REGEX, written.regex
    prefix = written.prefix
    if prefix is None:
        return PathComparison.PREFIX, "/"
    if semantics is not Semantics.ISTIO and prefix != "/":
        return PathComparison.SEPARATED_PREFIX, prefix.removesuffix("/")
    return PathComparison.PREFIX, prefix


def _headers(written: HttpMatch) -> Iterator[HeaderMatcher]:
    for name, match in written.headers.items():
        if not _is_claim(name):
            yield HeaderMatcher(name=name.lower(), matcher=string_matcher(match))
    for name, match in written.without_headers.items():
        if not _is_claim(name):
            matcher = string_matcher(match)
            yield HeaderMatcher(
                name=name.lower(),
                matcher=matcher,
                invert=True,
                treats_missing_as_empty=matcher is not None,
            )
    pseudo = (
        (":method", written.method),
        (":authority", written.authority),
        (":scheme", written.scheme),
    )
    for name, condition in pseudo:
        if condition is not None:
            yield HeaderMatcher(name=name, matcher=string_matcher(condition))


def _is_claim(name: str) -> bool:
    """Whether a header stands for a claim of a JWT (`ToRoutingClaim`)."""
    return name.lower().startswith(CLAIMS)


def string_matcher(written: StringMatch) -> StringMatcher | None:
    """Return a pattern; None for one that asks only whether there is a value."""
    if written.exact is not None:
        return StringMatcher(comparison=Comparison.EXACT, value=written.exact)
    if written.prefix is not None:
        return StringMatcher(comparison=Comparison.PREFIX, value=written.prefix)
    if written.regex is None or written.regex == PRESENT:
        return None
    return StringMatcher(comparison=Comparison.REGEX, value=written.regex)
