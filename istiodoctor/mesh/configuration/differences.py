"""How two configurations differ: what istiod would send, and what was sent or is held.

Only what decides an answer is compared. Values that one of them does not keep are left out.
"""

from collections import Counter
from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from istiodoctor.mesh.configuration.listener import (
    WILDCARD_ADDRESSES,
    DownstreamTls,
    FilterChain,
    Listener,
)
from istiodoctor.mesh.configuration.route import (
    Action,
    ClusterWeight,
    Forward,
    HeaderMatcher,
    Route,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
)

EVERY_ADDRESS = "0.0.0.0"
K = TypeVar("K", bound=Hashable)


class Part(StrEnum):
    """What of a configuration differs."""

    LISTENER = "listener"
    FILTER_CHAIN = "filter-chain"
    TLS = "tls"
    HTTP = "http"
    ROUTE_CONFIGURATION = "route-configuration"
    DOMAIN = "domain"
    ROUTE = "route"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One part in which two configurations differ."""

    part: Part
    name: str
    """Which: `port 8443`, `a.example.com in http.8080`."""
    expected: str
    """What istiod would send; empty for nothing."""
    held: str
    """What is there; empty for nothing."""

    @property
    def is_missing(self) -> bool:
        """Whether what istiod would send is not there at all."""
        return not self.held

    @property
    def is_extra(self) -> bool:
        """Whether istiod would send nothing of the kind."""
        return not self.expected

    def __str__(self) -> str:
        """`route 0 of a.test in http.8080: prefix /a, not prefix /b`."""
        if self.is_missing:
            return f"{self.part} {self.name} is not there"
        if self.is_extra:
            return f"{self.part} {self.name} is there and not expected"
        return f"{self.part} {self.name}: {self.held}, not {self.expected}"


def differences_of_listeners(
    expected: Iterable[Listener], held: Iterable[Listener]
) -> Iterator[Difference]:
    """Yield what differs between listeners, those of one address and port held together."""
    ours, theirs = _by_address(expected), _by_address(held)
    yield from _absences(Part.LISTENER, ours, theirs, _address)
    for key in ours.keys() & theirs.keys():
        yield from differences_of_chains(
            _address(key), ours[key].filter_chains, theirs[key].filter_chains
        )


def _by_address(listeners: Iterable[Listener]) -> Mapping[tuple[int, str], Listener]:
    return {
        (each.port, EVERY_ADDRESS if each.bind in WILDCARD_ADDRESSES else each.bind): each
        for each in listeners
    }


def _address(key: tuple[int, str]) -> str:
    port, bind = key
    return f"port {port}" if bind == EVERY_ADDRESS else f"port {port} of {bind}"


def differences_of_chains(
    where: str, expected: Sequence[FilterChain], held: Sequence[FilterChain]
) -> Iterator[Difference]:
    """Yield what differs between the filter chains of a listener; their order does not matter."""
    ours, theirs = _by_match(expected), _by_match(held)
    yield from _absences(
        Part.FILTER_CHAIN, ours, theirs, lambda key: f"{_matched(key)} of {where}"
    )
    for key in ours.keys() & theirs.keys():
        name = f"{_matched(key)} of {where}"
        if len(ours[key]) != len(theirs[key]):
            yield _difference(Part.FILTER_CHAIN, name, len(ours[key]), len(theirs[key]))
        for one, other in zip(ours[key], theirs[key], strict=False):
            yield from _differences_of_chain(name, one, other)


Matched = tuple[frozenset[str], frozenset[str]]


def _by_match(chains: Iterable[FilterChain]) -> Mapping[Matched, list[FilterChain]]:
    found: dict[Matched, list[FilterChain]] = {}
    for each in chains:
        key = frozenset(each.server_names), frozenset(each.application_protocols)
        found.setdefault(key, []).append(each)
    return found


def _matched(key: Matched) -> str:
    names, protocols = key
    every = sorted(names) + sorted(protocols)
    return ", ".join(every) if every else "every name"


def _differences_of_chain(name: str, one: FilterChain, other: FilterChain) -> Iterator[Difference]:
    if one.http and other.http:
        ours, theirs = one.http, other.http
        if ours.route_configuration != theirs.route_configuration:
            yield _difference(
                Part.HTTP, name, ours.route_configuration, theirs.route_configuration
            )
        if ours.options != theirs.options:
            yield _difference(Part.HTTP, name, ours.options, theirs.options)
    elif _shares(one.clusters) != _shares(other.clusters) or bool(one.http) != bool(other.http):
        yield _difference(Part.FILTER_CHAIN, name, _end(one), _end(other))
    if _tls(one.tls) != _tls(other.tls):
        yield _difference(Part.TLS, name, _tls(one.tls), _tls(other.tls))


def _end(chain: FilterChain) -> str:
    return chain.http.route_configuration if chain.http else str(_shares(chain.clusters))


def _tls(tls: DownstreamTls | None) -> object:
    """Return what a handshake shows; where a Gateway says nothing of versions, istiod may."""
    if tls is None:
        return "no TLS"
    credentials = sorted((str(e.form), e.namespace, e.name) for e in tls.credentials)
    return (
        tuple(credentials),
        tls.is_workload_certificate,
        str(tls.client_certificate),
        tls.minimum_version.removeprefix("TLS_AUTO"),
        tls.maximum_version.removeprefix("TLS_AUTO"),
        tls.protocols,
    )


def differences_of_routes(
    expected: RouteConfiguration, held: RouteConfiguration
) -> Iterator[Difference]:
    """Yield what differs between two route configurations, domain by domain."""
    ours, theirs = by_domain(expected), by_domain(held)
    where = expected.name
    yield from _absences(Part.DOMAIN, ours, theirs, lambda each: f"{each} in {where}")
    if expected.ignores_port != held.ignores_port:
        yield _difference(
            Part.ROUTE_CONFIGURATION, where, expected.ignores_port, held.ignores_port
        )
    for domain in ours.keys() & theirs.keys():
        yield from differences_of_hosts(f"{domain} in {where}", ours[domain], theirs[domain])


def by_domain(configuration: RouteConfiguration) -> Mapping[str, VirtualHost]:
    """Return the virtual hosts by their domains; one that answers nothing is none.

    istiod makes one without routes where there are no others (core/gateway.go:565).
    """
    hosts = configuration.virtual_hosts
    return {
        domain: host
        for host in hosts
        if host.routes or host.require_tls or host.domains != ("*",)
        for domain in host.domains
    }


def differences_of_hosts(name: str, one: VirtualHost, other: VirtualHost) -> Iterator[Difference]:
    """Yield what differs between two virtual hosts; the order of their routes matters."""
    if one.require_tls != other.require_tls:
        yield _difference(
            Part.DOMAIN, name, f"HTTPS {one.require_tls}", f"HTTPS {other.require_tls}"
        )
    ours_all, theirs_all = _reached(one.routes), _reached(other.routes)
    if len(ours_all) != len(theirs_all):
        yield _difference(Part.ROUTE, name, f"{len(ours_all)} routes", f"{len(theirs_all)} routes")
    for index, (ours, theirs) in enumerate(zip(ours_all, theirs_all, strict=False)):
        if not is_same_route(ours, theirs):
            yield _difference(Part.ROUTE, f"{index} of {name}", *_shown_apart(ours, theirs))


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
        and one.fault == other.fault
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


def _shares(clusters: Sequence[ClusterWeight]) -> tuple[tuple[str, int], ...]:
    """Return clusters with their weights; a single one gets everything."""
    if len(clusters) == 1:
        return ((clusters[0].name, 1),)
    return tuple((each.name, each.weight) for each in clusters)


def _action(action: Action | None) -> object:
    if not isinstance(action, Forward):
        return action
    bare = replace(action, clusters=(), mirrors=(), idle=())
    return bare, _shares(action.clusters), tuple(each.name for each in action.mirrors)


def _shown_apart(one: Route, other: Route) -> tuple[str, str]:
    """Return two routes in a line each; in full where that would be the same."""
    shown = _shown(one), _shown(other)
    if shown[0] != shown[1]:
        return shown
    return _whole(one), _whole(other)


def _whole(route: Route) -> str:
    return f"{route.match} {_action(route.action)} {route.fault} {route.cors}"


def _shown(route: Route) -> str:
    """Return a route in a line: `prefix /api, x-user -> outbound|80||web.shop.svc…`."""
    match = route.match
    names = (*match.headers, *match.query_parameters)
    taken = ", ".join((f"{match.comparison} {match.path}", *(each.name for each in names)))
    extras = [str(each) for each in (route.fault, route.cors) if each]
    return " ".join((f"{taken} -> {_done(route.action)}", *extras))


def _done(action: Action | None) -> str:
    if isinstance(action, Forward):
        return ", ".join(f"{name} {weight}" for name, weight in _shares(action.clusters))
    return str(action)


def _difference(part: Part, name: str, expected: object, held: object) -> Difference:
    return Difference(part=part, name=name, expected=str(expected), held=str(held))


def _absences(
    part: Part, ours: Mapping[K, Any], theirs: Mapping[K, Any], named: Callable[[K], str]
) -> Iterator[Difference]:
    for key in ours.keys() - theirs.keys():
        yield Difference(part=part, name=named(key), expected="there", held="")
    for key in theirs.keys() - ours.keys():
        yield Difference(part=part, name=named(key), expected="", held="there")
