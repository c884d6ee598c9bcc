"""Routes and virtual hosts in words, as their objects have them."""

from collections.abc import Iterable, Iterator

from istiodoctor.mesh.configuration.route import (
    Comparison,
    Forward,
    HeaderMatcher,
    PathComparison,
    QueryParameterMatcher,
    Route,
    RouteMatch,
    StringMatcher,
    VirtualHost,
)
from istiodoctor.model.kind import GATEWAY_API
from istiodoctor.model.ref import Ref

SHOWN_SOURCES = 3
_PATHS = {
    PathComparison.PREFIX: "prefix",
    PathComparison.SEPARATED_PREFIX: "prefix",
    PathComparison.EXACT: "exact",
    PathComparison.REGEX: "regex",
}
_API_PATHS = {
    PathComparison.PREFIX: "PathPrefix",
    PathComparison.SEPARATED_PREFIX: "PathPrefix",
    PathComparison.EXACT: "Exact",
    PathComparison.REGEX: "RegularExpression",
}
_API_COMPARISONS = {Comparison.EXACT: "Exact", Comparison.REGEX: "RegularExpression"}


def said(domain: str, host: VirtualHost) -> str:
    """Name a virtual host and the objects that it has routes of."""
    if not host.owners:
        return f"{domain}, which has no routes"
    names = [str(each) for each in host.owners[:SHOWN_SOURCES]]
    more = len(host.owners) - len(names)
    return ", ".join([domain, *names, *([f"{more} more"] if more else [])])


def named(route: Route) -> str:
    """Name a rule, what it takes and what it makes of the path."""
    is_api = route.owner.group == GATEWAY_API
    taken = conditions(route.match, is_api=is_api)
    name = f" {route.name}" if route.name and not _is_made_up(route.name, route.owner) else ""
    owner = f" by way of {route.owner}" if route.owner != route.made_by.ref else ""
    rewritten = ""
    if isinstance(route.action, Forward) and route.action.prefix_rewrite:
        rewritten = f", rewritten to {route.action.prefix_rewrite}"
    return f"{route.made_by.field}{name} ({taken}){owner}{rewritten}"


def conditions(match: RouteMatch, *, is_api: bool) -> str:
    """Say what a match asks for, in the words of its object."""
    found = _api_conditions(match) if is_api else _conditions(match)
    return ", ".join(found) or "everything"


def _is_made_up(name: str, owner: Ref) -> bool:
    """Whether istiod named a rule of a Gateway API route (conversion.go:96)."""
    return name.startswith(f"{owner.namespace}.{owner.name}.")


def _conditions(match: RouteMatch) -> Iterator[str]:
    """Yield what a match of a VirtualService asks for."""
    if (match.comparison, match.path) != (PathComparison.PREFIX, "/"):
        yield f"uri {_PATHS[match.comparison]} {match.path}"
    pseudo = [each for each in match.headers if each.name.startswith(":")]
    others = [each for each in match.headers if not each.name.startswith(":")]
    for name in (":method", ":scheme", ":authority"):
        yield from (_condition(each.name[1:], each) for each in pseudo if each.name == name)
    yield from (_condition(each.name, each) for each in others)
    yield from (_condition(f"?{each.name}", each) for each in match.query_parameters)
    yield from match.metadata


def _condition(name: str, written: HeaderMatcher | QueryParameterMatcher) -> str:
    without = "without " if isinstance(written, HeaderMatcher) and written.invert else ""
    if written.matcher is None:
        return f"{without}{name} present"
    return f"{without}{name} {written.matcher.comparison} {written.matcher.value}"


def _api_conditions(match: RouteMatch) -> Iterator[str]:
    """Yield what a match of a route of the Gateway API asks for."""
    yield f"path {_API_PATHS[match.comparison]} {match.path or '/'}"
    yield from (
        each.matcher.value
        for each in match.headers
        if each.name == ":method" and each.matcher is not None
    )
    named_headers = (each for each in match.headers if each.name != ":method")
    yield from _api_named("", named_headers)
    yield from _api_named("?", match.query_parameters)


def _api_named(
    sign: str, matchers: Iterable[HeaderMatcher | QueryParameterMatcher]
) -> Iterator[str]:
    for each in matchers:
        yield f"{sign}{each.name} {_api_value(each.matcher)}"


def _api_value(matcher: StringMatcher | None) -> str:
    if matcher is None:
        return "present"
    return f"{_API_COMPARISONS.get(matcher.comparison, matcher.comparison)} {matcher.value}"
