"""How the routes of two configurations differ: what istiod would send, and what is held.

Only what decides an answer is compared. Values that one of them does not keep are left out, and
routes that take nothing.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator

from msgspec.structs import replace

from istiodoctor.mesh.configuration.differences import (
    Difference,
    Part,
    difference_of,
    shares,
)
from istiodoctor.mesh.configuration.route import (
    Action,
    DirectResponse,
    Fault,
    Forward,
    HeaderMatcher,
    Route,
    RouteMatch,
    VirtualHost,
)


def differences_of_hosts(name: str, one: VirtualHost, other: VirtualHost) -> Iterator[Difference]:
    """Yield what differs between two virtual hosts; the order of their routes matters."""
    if one.require_tls != other.require_tls:
        yield difference_of(
            Part.DOMAIN, name, f"HTTPS {one.require_tls}", f"HTTPS {other.require_tls}"
        )
    ours_all, theirs_all = _reached(one.routes), _reached(other.routes)
    if len(ours_all) != len(theirs_all):
        yield difference_of(
            Part.ROUTE, name, f"{len(ours_all)} routes", f"{len(theirs_all)} routes"
        )
    for index, (ours, theirs) in enumerate(zip(ours_all, theirs_all, strict=False)):
        if not is_same_route(ours, theirs):
            yield difference_of(Part.ROUTE, f"{index} of {name}", *_shown_apart(ours, theirs))


def _reached(routes: Iterable[Route]) -> list[Route]:
    """Return routes without those whose condition one before them has: they take nothing.

    istiod writes the rules of a HTTPRoute once for each of its parents, be it the same one.
    """
    found: dict[object, Route] = {}
    for each in routes:
        match = each.match
        rest = frozenset(match.headers), frozenset(match.query_parameters), match.metadata
        found.setdefault((_bare(match), *rest), each)
    return list(found.values())


def is_same_route(one: Route, other: Route) -> bool:
    """Whether two routes take the same requests and do the same with them."""
    return (
        is_same_match(one.match, other.match)
        and _action(one.action) == _action(other.action)
        and _fault(one) == _fault(other)
        and one.cors == other.cors
    )


def is_same_match(one: RouteMatch, other: RouteMatch) -> bool:
    """Whether two routes take the same requests, as far as their conditions are kept."""
    hidden = {each.name for each in (*one.headers, *other.headers) if each.is_redacted}
    return (
        _bare(one) == _bare(other)
        and _kept(one.headers, hidden) == _kept(other.headers, hidden)
        and Counter(one.query_parameters) == Counter(other.query_parameters)
        and len(one.metadata) == len(other.metadata)
    )


def _bare(match: RouteMatch) -> RouteMatch:
    return replace(match, headers=(), query_parameters=(), metadata=())


def _kept(headers: Iterable[HeaderMatcher], hidden: Container[str]) -> Counter[HeaderMatcher]:
    """Return conditions on headers, without the values that one side does not keep."""
    return Counter(
        replace(each, matcher=None, is_redacted=False) if each.name in hidden else each
        for each in headers
    )


def _action(action: Action | None) -> object:
    """Return what is held of an action on both sides: dumps are read without limits of time."""
    if isinstance(action, DirectResponse):
        return replace(action, body_size=0)
    if not isinstance(action, Forward):
        return action
    bare = replace(action, clusters=(), mirrors=(), idle=(), durations=())
    return bare, shares(action.clusters), tuple(each.name for each in action.mirrors)


def _fault(route: Route) -> Fault | None:
    return replace(route.fault, delay=None) if route.fault else None


def _shown_apart(one: Route, other: Route) -> tuple[str, str]:
    """Return two routes in a line each; in full where that would be the same."""
    shown = _shown(one), _shown(other)
    if shown[0] != shown[1]:
        return shown
    return _whole(one), _whole(other)


def _whole(route: Route) -> str:
    return f"{route.match} {_action(route.action)} {_fault(route)} {route.cors}"


def _shown(route: Route) -> str:
    """Return a route in a line: `prefix /api, x-user -> outbound|80||web.shop.svc…`."""
    match = route.match
    conditions = [each.name for each in match.headers]
    conditions += [each.name for each in match.query_parameters]
    taken = ", ".join((f"{match.comparison} {match.path}", *conditions))
    extras = [str(each) for each in (_fault(route), route.cors) if each]
    return " ".join((f"{taken} -> {_done(route.action)}", *extras))


def _done(action: Action | None) -> str:
    if isinstance(action, Forward):
        return ", ".join(f"{name} {weight}" for name, weight in shares(action.clusters))
    return str(action)
