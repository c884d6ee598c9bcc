"""What a request gets once it has reached a virtual host: its route and what that does."""

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.merging import Listener
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.misrouting import virtual_services_are_known
from istiodoctor.mesh.question import question
from istiodoctor.mesh.servers import Server
from istiodoctor.mesh.trace.backends import Target, backend_hops, referred, unused_hop, weighted
from istiodoctor.mesh.trace.matching import Arrival, described, described_api
from istiodoctor.mesh.trace.redirection import Redirection, by_filter, by_rule, to_https
from istiodoctor.mesh.trace.virtualhosts import (
    Route,
    VirtualHost,
    http_routes_are_known,
    virtual_host,
)
from istiodoctor.mesh.trace.way import BROKEN, OK, UNKNOWN, Hop
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref

SHOWN_SOURCES = 3


class AnswerKind(StrEnum):
    """What a client gets in the end."""

    BACKEND = "backend"
    """A backend answers."""
    DIRECT_RESPONSE = "direct-response"
    """Envoy answers by itself, as a route tells it to."""
    REDIRECT = "redirect"
    NONE = "none"
    """An error, or nothing: the way is broken."""
    UNKNOWN = "unknown"
    """Something on the way was not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a way ends."""

    kind: AnswerKind
    status: int = 0
    """Of a redirect or a direct response, and what a backend was seen to answer; else 0."""
    location: str = ""
    """Of a redirect."""


Walk = Generator[Hop, None, Ending]
"""Hops one after the other, and at last how it ends."""


def walked(walk: Walk) -> tuple[tuple[Hop, ...], Ending]:
    """Return the hops of a walk to its end, and how it ends."""
    hops: list[Hop] = []
    while True:
        try:
            hops.append(next(walk))
        except StopIteration as end:
            return tuple(hops), end.value


STOPPED = Ending(kind=AnswerKind.NONE)
DARK = Ending(kind=AnswerKind.UNKNOWN)
ANSWERED = Ending(kind=AnswerKind.BACKEND)


@question(Kind.VIRTUAL_SERVICE)
def routes_are_known(mesh: Mesh) -> bool:
    """Whether a route that is not here does not exist."""
    return virtual_services_are_known(mesh) and http_routes_are_known(mesh)


def http_hops(mesh: Mesh, listener: Listener, server: Server | None, arrival: Arrival) -> Walk:
    """Walk from Envoy's HTTP filters on; without a server, over the plain ones' hosts."""
    host = arrival.request.virtual_host
    found = virtual_host(mesh, listener, server, host)
    if found is None:
        yield absent_hop(mesh, "virtual-host", f"no route is bound for {host}: 404")
        return STOPPED if routes_are_known(mesh) else DARK
    yield Hop(hop="virtual-host", ref=None, state=OK, text=_said(found))
    if found.redirects:
        hop, ending = _redirected(found, arrival)
        yield hop
        if ending:
            return ending
    return (yield from _routed(mesh, found, arrival, listener.workload))


def _routed(mesh: Mesh, host: VirtualHost, arrival: Arrival, workload: Workload) -> Walk:
    request = arrival.request
    asked = f"{request.method} {request.path}"
    for route in host.routes:
        answer = route.takes(arrival, workload)
        if answer is None:
            text = f"whether {route.place.field} takes {asked} cannot be told"
            yield Hop(hop="route", ref=route.place.ref, state=UNKNOWN, text=text)
            return DARK
        if answer:
            return (yield from _acted(mesh, route, arrival, workload))
    number = len(host.routes)
    text = f"none of {number} takes {asked}: 404" if number else "there is none: 404"
    ref = host.sources[0] if len(host.sources) == 1 else None
    yield absent_hop(mesh, "route", text, ref)
    return STOPPED if routes_are_known(mesh) else DARK


def _acted(mesh: Mesh, route: Route, arrival: Arrival, workload: Workload) -> Walk:
    """Walk what a route does with a request that it takes."""
    if _redirects(route):
        hop, ending = _sent(route, _redirection(route, arrival))
        yield hop
        return ending
    status = _direct_status(route)
    if status:
        text = f"{_named(route)} answers by itself: {status}"
        yield Hop(hop="route", ref=route.place.ref, state=OK, text=text)
        return Ending(kind=AnswerKind.DIRECT_RESPONSE, status=status)
    yield Hop(hop="route", ref=route.place.ref, state=OK, text=_named(route))
    return (yield from walk_to_backends(mesh, _targets(route), route.server.port, workload))


def walk_to_backends(mesh: Mesh, targets: Iterable[Target], port: int, workload: Workload) -> Walk:
    """Walk to every backend of a route; one that is broken breaks the way."""
    ending = None
    for target in targets:
        if target.is_unused:
            yield unused_hop(target)
            continue
        hops = backend_hops(mesh, target, port, workload)
        yield from hops
        if ending is not STOPPED:
            ending = STOPPED if hops[-1].state is BROKEN else ANSWERED
    if ending is None:
        yield Hop(hop="backend", ref=None, state=BROKEN, text="the route has no backend: 500")
    return ending or STOPPED


def absent_hop(mesh: Mesh, name: str, text: str, ref: Ref | None = None) -> Hop:
    """Return the hop of a route that is not there: unknown where one may exist unseen."""
    if routes_are_known(mesh):
        return Hop(hop=name, ref=ref, state=BROKEN, text=text)
    return Hop(hop=name, ref=ref, state=UNKNOWN, text=f"as far as routes were read, {text}")


def _said(host: VirtualHost) -> str:
    if not host.sources:
        return f"{host.domain}, which has no routes"
    names = [str(each) for each in host.sources[:SHOWN_SOURCES]]
    more = len(host.sources) - len(names)
    return ", ".join([host.domain, *names, *([f"{more} more"] if more else [])])


def _redirected(host: VirtualHost, arrival: Arrival) -> tuple[Hop, Ending | None]:
    """Return the hop of a host that sends plain requests to HTTPS; no ending if it lets pass."""
    ref = host.redirects.ref if host.redirects else None
    if arrival.scheme is None:
        text = "httpsRedirect: whether Envoy trusts X-Forwarded-Proto was not read"
        return Hop(hop="redirect", ref=ref, state=UNKNOWN, text=text), DARK
    if arrival.scheme == "https":
        text = "httpsRedirect lets it pass, since it came by HTTPS"
        return Hop(hop="redirect", ref=ref, state=OK, text=text), None
    sent = to_https(arrival.request)
    text = f"httpsRedirect sends it to {sent.location}: {sent.status}"
    return Hop(hop="redirect", ref=ref, state=OK, text=text), _elsewhere(sent)


def _elsewhere(sent: Redirection) -> Ending:
    return Ending(kind=AnswerKind.REDIRECT, status=sent.status, location=sent.location)


def _redirects(route: Route) -> bool:
    if route.rule:
        return route.rule.redirect is not None
    return (
        any(each.request_redirect for each in route.api_rule.filters) if route.api_rule else False
    )


def _redirection(route: Route, arrival: Arrival) -> Redirection | None:
    """Return where a route redirects to; None where that is not known."""
    port = route.server.port
    if route.rule and route.rule.redirect:
        return by_rule(route.rule.redirect, arrival, port)
    for each in route.api_rule.filters if route.api_rule else ():
        if each.request_redirect:
            return by_filter(each.request_redirect, route.api_match, arrival, port)
    return None


def _sent(route: Route, sent: Redirection | None) -> tuple[Hop, Ending]:
    if sent is None:
        text = f"{_named(route)} redirects by a scheme that is not known"
        return Hop(hop="route", ref=route.place.ref, state=UNKNOWN, text=text), DARK
    text = f"{_named(route)} redirects to {sent.location}: {sent.status}"
    return Hop(hop="route", ref=route.place.ref, state=OK, text=text), _elsewhere(sent)


def _direct_status(route: Route) -> int:
    """Return the status that a rule answers by itself; 0 where it does not."""
    response = route.rule.direct_response if route.rule else None
    return response.status if response else 0


def _targets(route: Route) -> tuple[Target, ...]:
    if route.bound:
        return tuple(weighted(route.bound.rule.route, route.bound.namespace))
    backends = route.api_rule.backend_refs if route.api_rule else ()
    return tuple(referred(backends, route.owner))


def _named(route: Route) -> str:
    """Name a rule, what it takes and what it makes of the path."""
    taken = described(route.match) if route.bound else described_api(route.api_match)
    name = route.rule.name if route.rule else route.api_rule.name if route.api_rule else ""
    named = f" {name}" if name else ""
    owner = f" by way of {route.owner}" if route.owner != route.place.ref else ""
    rewrite = route.rule.rewrite if route.rule else None
    rewritten = f", rewritten to {rewrite.uri}" if rewrite and rewrite.uri else ""
    return f"{route.place.field}{named} ({taken}){owner}{rewritten}"
