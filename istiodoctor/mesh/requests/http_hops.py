"""What Envoy does with a HTTP request: its filters, virtual host, route, and what that does.

Envoy's own matching over the route configuration that istiod would send.
"""

from msgspec.structs import replace

from istiodoctor.mesh.configuration.envoy_filters_of_routes import (
    touched_domain,
    touched_route,
    touched_routes,
    touched_virtual_host,
)
from istiodoctor.mesh.configuration.in_force import (
    domains_in_force,
    virtual_host_in_force,
)
from istiodoctor.mesh.configuration.listener import Refusal
from istiodoctor.mesh.configuration.received_headers import FORWARDED_PROTO
from istiodoctor.mesh.configuration.received_request import ReceivedRequest, received
from istiodoctor.mesh.configuration.redirects_sent import (
    https_redirect,
    requires_redirect,
)
from istiodoctor.mesh.configuration.refused_routes import refused_routes
from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.configuration.request_line import EarlyAnswer
from istiodoctor.mesh.configuration.route import (
    VirtualHost,
)
from istiodoctor.mesh.configuration.route_match import takes
from istiodoctor.mesh.configuration.virtual_host_match import matched_host
from istiodoctor.mesh.configuration.virtual_hosts import domain_index, virtual_host
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.policies.authorization import Verdict
from istiodoctor.mesh.policies.request_authorization import authorization
from istiodoctor.mesh.requests.answers import (
    ENDS_UNKNOWN,
    STOPPED,
    AnswerKind,
    Ending,
    HopGenerator,
    ends_at,
    ends_unknown,
)
from istiodoctor.mesh.requests.connections import Connection
from istiodoctor.mesh.requests.hops import BROKEN, OK, UNKNOWN, Hop
from istiodoctor.mesh.requests.left_out import lacks_routes, with_left_out
from istiodoctor.mesh.requests.outcomes import AnswerOutcome
from istiodoctor.mesh.requests.policy_hops import FORBIDDEN, policy_hops
from istiodoctor.mesh.requests.route_hops import acted, elsewhere
from istiodoctor.mesh.requests.route_text import said
from istiodoctor.mesh.requests.unread import GATEWAYS, ROUTES, unread_routes
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ref import Ref

NOT_FOUND = 404


def http_hops(mesh: Mesh, request: Request, connection: Connection) -> HopGenerator:
    """Yield the hops of a request from Envoy's HTTP connection manager on."""
    workload, name = connection.workload, connection.manager.route_configuration
    if connection.told:
        told = (FORWARDED_PROTO, connection.told)
        request = replace(request, headers=(*request.headers, told))
    seen = received(request, connection.manager.options, is_tls=connection.is_tls)
    if isinstance(seen, EarlyAnswer):
        return (yield from _answered_early(seen))
    is_held = connection.is_held
    refused = None if is_held else refused_routes(mesh, workload, name)
    if refused:
        return (yield from _refused(name, refused))
    judged = authorization(
        mesh,
        workload,
        connection.chain,
        seen,
        port=connection.port,
        server_name=connection.server_name,
    )
    yield from policy_hops(mesh, judged, is_http=True)
    if judged.verdict is Verdict.DENIED:
        return Ending(kind=AnswerKind.NONE, status=FORBIDDEN)
    host = matched_host(seen.authority)
    unknown = "" if is_held else _touched(mesh, workload, name, host)
    if unknown:
        return (yield from ends_unknown("virtual-host", unknown))
    known_domains = domains_in_force if is_held else domain_index
    domain = known_domains(mesh, workload, name).find(host)
    if domain is None:
        text = f"no route is bound for {host}: 404"
        return (yield from _not_found(mesh, connection, seen, "virtual-host", text))
    if not is_held:
        yield from unread_routes(mesh, workload)
    found = (virtual_host_in_force if is_held else virtual_host)(mesh, workload, name, domain)
    yield Hop(hop="virtual-host", ref=None, state=OK, text=said(domain, found))
    unknown = found.unknown_because
    unknown = unknown or ("" if is_held else touched_virtual_host(mesh, workload, name, found))
    if unknown:
        return (yield from ends_unknown("virtual-host", unknown))
    if found.require_tls:
        redirect = _required_tls(found, seen)
        yield redirect[0]
        if redirect[1]:
            return redirect[1]
    return (yield from _routed(mesh, found, seen, connection))


def _touched(mesh: Mesh, workload: Workload, name: str, host: str) -> str:
    """Say what patches a route configuration, or what it has for a host."""
    return touched_routes(mesh, workload, name) or touched_domain(mesh, workload, name, host)


def _refused(name: str, refusal: Refusal) -> HopGenerator:
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


def _answered_early(answer: EarlyAnswer) -> HopGenerator:
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
        return Hop(hop="redirect", ref=ref, state=UNKNOWN, text=text), ENDS_UNKNOWN
    if not redirects:
        text = "httpsRedirect lets it pass, since it came by HTTPS"
        return Hop(hop="redirect", ref=ref, state=OK, text=text), None
    sent = https_redirect(seen)
    text = f"httpsRedirect sends it to {sent.location}: {sent.status}"
    return Hop(hop="redirect", ref=ref, state=OK, text=text), elsewhere(sent)


def _routed(
    mesh: Mesh, host: VirtualHost, seen: ReceivedRequest, connection: Connection
) -> HopGenerator:
    workload, name = connection.workload, connection.manager.route_configuration
    asked = f"{seen.method} {seen.path}"
    if seen.forwarded_proto == "":
        text = "a request with an empty X-Forwarded-Proto, which Envoy trusts, matches none: 404"
        return (yield from _not_found(mesh, connection, seen, "route", text))
    for route in host.routes:
        answer = takes(route.match, seen)
        if answer is None:
            text = f"whether {route.made_by.field} takes {asked} cannot be told"
            return (yield from ends_unknown("route", text, route.made_by.ref))
        if answer:
            is_held = connection.is_held
            touched = "" if is_held else touched_route(mesh, workload, name, host, route)
            if touched:
                return (yield from ends_unknown("route", touched, route.made_by.ref))
            return (yield from acted(mesh, route, seen, connection))
    number = len(host.routes)
    text = f"none of {number} takes {asked}: 404" if number else "there is none: 404"
    ref = host.owners[0] if len(host.owners) == 1 else None
    ending = yield from _not_found(mesh, connection, seen, "route", text, ref)
    is_whole = not lacks_routes(mesh, workload, matched_host(seen.authority))
    return replace(ending, is_of_other_requests=number > 0 and is_whole)


def _not_found(
    mesh: Mesh,
    connection: Connection,
    seen: ReceivedRequest,
    hop: str,
    text: str,
    ref: Ref | None = None,
) -> HopGenerator:
    host = matched_host(seen.authority)
    text, left_out = with_left_out(mesh, connection.workload, host, text)
    return (
        yield from ends_at(
            mesh,
            hop,
            text,
            rests_on=() if connection.is_held else (*ROUTES, *GATEWAYS),
            ref=ref or left_out,
            outcome=AnswerOutcome.NOT_FOUND,
            status=NOT_FOUND,
        )
    )
