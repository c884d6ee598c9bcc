"""What Envoy does with a HTTP request: its filters, virtual host, route, and what that does.

Envoy's own matching over the route configuration that istiod would send.
"""

from dataclasses import replace

from istiodoctor.mesh.configuration.envoy_filters_of_routes import (
    touched_domain,
    touched_route,
    touched_routes,
    touched_virtual_host,
)
from istiodoctor.mesh.configuration.listener import HttpConnectionManager, Refusal
from istiodoctor.mesh.configuration.received_request import ReceivedRequest, received
from istiodoctor.mesh.configuration.redirects_sent import (
    SentRedirect,
    https_redirect,
    requires_redirect,
    sent_redirect,
)
from istiodoctor.mesh.configuration.refused_routes import refused_routes
from istiodoctor.mesh.configuration.request_line import EarlyAnswer
from istiodoctor.mesh.configuration.route import (
    DirectResponse,
    Forward,
    Redirect,
    Route,
    VirtualHost,
)
from istiodoctor.mesh.configuration.route_match import takes
from istiodoctor.mesh.configuration.virtual_host_match import matched_host
from istiodoctor.mesh.configuration.virtual_hosts import domain_index, virtual_host
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.trace.answers import (
    STOPPED,
    AnswerKind,
    Ending,
    Walk,
    ends_at,
    ends_unknown,
    routes_are_known,
)
from istiodoctor.mesh.trace.cluster_hops import cluster_walk
from istiodoctor.mesh.trace.entries import FORWARDED_PROTO
from istiodoctor.mesh.trace.outcomes import AnswerOutcome
from istiodoctor.mesh.trace.requests import Request
from istiodoctor.mesh.trace.route_text import named, said
from istiodoctor.mesh.trace.way import BROKEN, OK, UNKNOWN, Hop
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.ref import Ref

NOT_FOUND = 404
ALWAYS = 100


def http_walk(
    mesh: Mesh,
    request: Request,
    workload: Workload,
    manager: HttpConnectionManager,
    *,
    is_tls: bool,
    told: str = "",
) -> Walk:
    """Walk from Envoy's HTTP connection manager on.

    `told` is the X-Forwarded-Proto that a proxy before the gateway adds.
    """
    if told:
        request = replace(request, headers=(*request.headers, (FORWARDED_PROTO, told)))
    seen = received(request, manager.options, is_tls=is_tls)
    if isinstance(seen, EarlyAnswer):
        return (yield from _answered_early(seen))
    name = manager.route_configuration
    host = matched_host(seen.authority)
    unknown = touched_routes(mesh, workload, name) or touched_domain(mesh, workload, name, host)
    if unknown:
        return (yield from ends_unknown("virtual-host", unknown))
    refused = refused_routes(mesh, workload, name)
    if refused:
        return (yield from _refused(name, refused))
    domain = domain_index(mesh, workload, name).find(host)
    if domain is None:
        return (yield from _not_found(mesh, "virtual-host", f"no route is bound for {host}: 404"))
    found = virtual_host(mesh, workload, name, domain)
    yield Hop(hop="virtual-host", ref=None, state=OK, text=said(domain, found))
    unknown = touched_virtual_host(mesh, workload, name, found)
    if unknown:
        return (yield from ends_unknown("virtual-host", unknown))
    if found.require_tls:
        redirect = _required_tls(found, seen)
        yield redirect[0]
        if redirect[1]:
            return redirect[1]
    return (yield from _routed(mesh, found, seen, workload, name))


def _refused(name: str, refusal: Refusal) -> Walk:
    """End where Envoy refuses a route configuration: a pod that starts never opens the port."""
    text = f"Envoy refuses the route configuration {name}: {refusal.text}"
    yield Hop(
        hop="virtual-host",
        ref=refusal.made_by[0].ref if refusal.made_by else None,
        state=BROKEN,
        text=text,
        outcome=AnswerOutcome.REFUSED,
    )
    return STOPPED


def _answered_early(answer: EarlyAnswer) -> Walk:
    """End where Envoy answers before it looks for a route."""
    text = f"Envoy answers by itself, since {answer.reason}: {answer.status}"
    if answer.location:
        yield Hop(hop="virtual-host", ref=None, state=OK, text=text)
        return Ending(kind=AnswerKind.REDIRECT, status=answer.status, location=answer.location)
    is_missing = answer.status == NOT_FOUND
    outcome = AnswerOutcome.NOT_FOUND if is_missing else AnswerOutcome.ERROR
    yield Hop(hop="virtual-host", ref=None, state=BROKEN, text=text, outcome=outcome)
    return Ending(kind=AnswerKind.NONE, status=answer.status)


def _required_tls(host: VirtualHost, seen: ReceivedRequest) -> tuple[Hop, Ending | None]:
    """Return the hop of a host that sends plain requests to HTTPS; no ending if it lets pass."""
    ref = host.redirected_by.ref if host.redirected_by else None
    redirects = requires_redirect(seen)
    if redirects is None:
        text = "httpsRedirect: whether Envoy trusts X-Forwarded-Proto was not read"
        return Hop(hop="redirect", ref=ref, state=UNKNOWN, text=text), _DARK
    if not redirects:
        text = "httpsRedirect lets it pass, since it came by HTTPS"
        return Hop(hop="redirect", ref=ref, state=OK, text=text), None
    sent = https_redirect(seen)
    text = f"httpsRedirect sends it to {sent.location}: {sent.status}"
    return Hop(hop="redirect", ref=ref, state=OK, text=text), _elsewhere(sent)


_DARK = Ending(kind=AnswerKind.UNKNOWN)


def _elsewhere(sent: SentRedirect) -> Ending:
    return Ending(kind=AnswerKind.REDIRECT, status=sent.status, location=sent.location)


def _routed(
    mesh: Mesh, host: VirtualHost, seen: ReceivedRequest, workload: Workload, name: str
) -> Walk:
    asked = f"{seen.method} {seen.path}"
    for route in host.routes:
        answer = takes(route.match, seen)
        if answer is None:
            text = f"whether {route.made_by.field} takes {asked} cannot be told"
            return (yield from ends_unknown("route", text, route.made_by.ref))
        if answer:
            touched = touched_route(mesh, workload, name, host, route)
            if touched:
                return (yield from ends_unknown("route", touched, route.made_by.ref))
            return (yield from _acted(mesh, route, seen, workload))
    number = len(host.routes)
    text = f"none of {number} takes {asked}: 404" if number else "there is none: 404"
    ref = host.owners[0] if len(host.owners) == 1 else None
    return (yield from _not_found(mesh, "route", text, ref))


def _not_found(mesh: Mesh, hop: str, text: str, ref: Ref | None = None) -> Walk:
    return (
        yield from ends_at(
            hop,
            text,
            known=routes_are_known(mesh),
            ref=ref,
            outcome=AnswerOutcome.NOT_FOUND,
            status=NOT_FOUND,
        )
    )


def _acted(mesh: Mesh, route: Route, seen: ReceivedRequest, workload: Workload) -> Walk:
    """Walk what a route does with a request that it takes."""
    ref, text = route.made_by.ref, named(route)
    if route.unknown_because:
        return (yield from ends_unknown("route", f"{text}: {route.unknown_because}", ref))
    fault = route.fault
    if fault and fault.abort_status and fault.abort_percentage >= ALWAYS:
        text = f"{text} aborts every request on purpose: {fault.abort_status}"
        yield Hop(hop="route", ref=ref, state=BROKEN, text=text, outcome=AnswerOutcome.FAULT)
        return Ending(kind=AnswerKind.NONE, status=fault.abort_status)
    match route.action:
        case Redirect():
            return (yield from _redirected(route, route.action, seen))
        case DirectResponse(status=status):
            yield Hop(hop="route", ref=ref, state=OK, text=f"{text} answers by itself: {status}")
            return Ending(kind=AnswerKind.DIRECT_RESPONSE, status=status)
        case Forward():
            yield Hop(hop="route", ref=ref, state=OK, text=text)
            return (yield from _forwarded(mesh, workload, route.action))
        case None:
            yield Hop(hop="route", ref=ref, state=BROKEN, text=f"{text} does nothing")
            return STOPPED


def _forwarded(mesh: Mesh, workload: Workload, action: Forward) -> Walk:
    ending = yield from cluster_walk(
        mesh, workload, action.clusters, missing_status=action.missing_cluster_status
    )
    for host in action.idle:
        text = f"{host} has the weight 0 and gets no requests"
        yield Hop(hop="backend", ref=None, state=OK, text=text)
    return ending


def _redirected(route: Route, action: Redirect, seen: ReceivedRequest) -> Walk:
    ref = route.made_by.ref
    sent = sent_redirect(action, route.match, seen)
    if sent is None:
        text = f"{named(route)} redirects by a scheme that is not known"
        return (yield from ends_unknown("route", text, ref))
    text = f"{named(route)} redirects to {sent.location}: {sent.status}"
    yield Hop(hop="route", ref=ref, state=OK, text=text)
    return _elsewhere(sent)
