"""The hops to a host of a TLS server, whatever the request."""

from collections.abc import Iterator

from istiodoctor.mesh.configuration.answering_routes import answering_routes, routes_meeting
from istiodoctor.mesh.configuration.redirects import RedirectKind, plain_hosts_for
from istiodoctor.mesh.configuration.unknown_destinations import unknown_destinations
from istiodoctor.mesh.credentials.credentials import CredentialUse
from istiodoctor.mesh.gateways.attachments import attachments_of
from istiodoctor.mesh.gateways.listeners import listeners_of, workloads_of
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.requests.hops import (
    BROKEN,
    OK,
    UNKNOWN,
    WARNING,
    Hop,
    certificate_hop,
    listener_hop,
    server_hop,
    service_hop,
    workload_hop,
)
from istiodoctor.mesh.requests.unread import (
    API_CONNECTION_ROUTES,
    API_ROUTES,
    Kinds,
    named,
    refused,
)
from istiodoctor.mesh.workloads.service_ports import services_of
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.services import Service

_REDIRECT_TEXT = {
    RedirectKind.SERVER: "plain HTTP is redirected by the server",
    RedirectKind.ROUTE: "plain HTTP is redirected by a route",
    RedirectKind.NONE: "plain HTTP is served without a redirect",
}
_SERVICES: Kinds = (Kind.SERVICE,)
_VIRTUAL_SERVICES: Kinds = (Kind.VIRTUAL_SERVICE,)
_INGRESSES: Kinds = (Kind.INGRESS,)


def host_hops(mesh: Mesh, host: str, server: Server, use: CredentialUse | None) -> Iterator[Hop]:
    """Yield the hops to a host of a TLS server, whatever the request; it may be a wildcard.

    `request_paths` is the same for one request, rule by rule. There is no hop of what nobody
    asked for, since no selected check needs it.
    """
    workload = next(iter(workloads_of(mesh, server)), None)
    if workload is None:
        yield Hop(hop="workload", ref=None, state=BROKEN, text="no pods are selected")
        return
    yield from _service_hops(mesh, server, workload)
    yield workload_hop(workload)
    listeners = listeners_of(mesh, server)
    if not listeners:
        yield Hop(hop="listener", ref=None, state=BROKEN, text="istiod leaves this server out")
        return
    yield listener_hop(listeners[0].port)
    yield server_hop(server)
    if use and _is_asked_for(mesh, (Kind.SECRET,)):
        yield certificate_hop(use)
    yield _redirect_hop(mesh, host, workload)
    yield from _route_hops(mesh, host, server)


def _service_hops(mesh: Mesh, server: Server, workload: Workload) -> Iterator[Hop]:
    service = _service_of(mesh, server, workload)
    if service:
        yield service_hop(service, f"{service.spec.type} port {server.port}")
        return
    if not workload.is_known or workload.spec.host_network or not _is_asked_for(mesh, _SERVICES):
        return
    if not mesh.is_complete(Kind.SERVICE, workload.namespace):
        unread = named(refused(mesh, _SERVICES))
        text = (
            f"{unread} could not be read"
            if unread
            else f"no Service {_among(mesh)} leads to port {server.port} of the pods"
        )
        yield Hop(hop="service", ref=None, state=UNKNOWN, text=text)


def _service_of(mesh: Mesh, server: Server, workload: Workload) -> Service | None:
    """Return the Service that leads to a server's port."""
    return next(
        (
            each
            for each in services_of(mesh, workload)
            if any(port.port == server.port for port in each.spec.ports)
        ),
        None,
    )


def _redirect_hop(mesh: Mesh, host: str, workload: Workload) -> Hop:
    plain = next(iter(plain_hosts_for(mesh, workload, host)), None)
    if plain is None:
        return Hop(hop="redirect", ref=None, state=OK, text="not served over plain HTTP")
    return Hop(hop="redirect", ref=plain.place.ref, state=OK, text=_REDIRECT_TEXT[plain.redirect])


def _route_hops(mesh: Mesh, host: str, server: Server) -> Iterator[Hop]:
    kinds = _kinds_of_routes(server)
    if not _is_asked_for(mesh, kinds):
        return
    routes, called, is_bound, bound = _routes(mesh, host, server)
    unread = refused(mesh, kinds)
    if unread:
        text = f"{named(unread)} could not be read: what is answered is not known"
        yield Hop(hop="route", ref=routes[0] if routes else None, state=UNKNOWN, text=text)
    elif routes:
        yield Hop(hop="route", ref=routes[0], state=OK, text=bound)
    elif not all(mesh.is_complete(each) for each in kinds if _is_asked_for(mesh, (each,))):
        yield Hop(
            hop="route", ref=None, state=UNKNOWN, text=f"no {called} {_among(mesh)} {is_bound}"
        )
    else:
        yield Hop(hop="route", ref=None, state=WARNING, text=f"no {called} {is_bound}")
    yield from _backend_hops(mesh, routes)


def _routes(mesh: Mesh, host: str, server: Server) -> tuple[tuple[Ref, ...], str, str, str]:
    """Return the objects whose routes a host has, and words: what none is, and what some are."""
    if server.api is GatewayApi.GATEWAY_API:
        attached = tuple(each.route.ref for each in attachments_of(mesh, server))
        return attached, "route", "is attached", "attached"
    found = answering_routes(mesh, server, host) or routes_meeting(mesh, server, host)
    return found, "VirtualService", "is bound", f"{len(found)} bound"


def _among(mesh: Mesh) -> str:
    return "among the files" if mesh.snapshot.is_plain else "that was read"


def _backend_hops(mesh: Mesh, routes: tuple[Ref, ...]) -> Iterator[Hop]:
    """Yield a hop for the first destination of which nobody knows whether it exists."""
    unknown = unknown_destinations(mesh)
    if unknown:
        for route in routes:
            for text in unknown.get(route, ())[:1]:
                yield Hop(hop="backend", ref=None, state=UNKNOWN, text=text)
                return


def _kinds_of_routes(server: Server) -> Kinds:
    match server.api:
        case GatewayApi.GATEWAY_API:
            return API_ROUTES if server.routes_http else API_CONNECTION_ROUTES
        case GatewayApi.INGRESS:
            return _INGRESSES
        case GatewayApi.ISTIO:
            return _VIRTUAL_SERVICES


def _is_asked_for(mesh: Mesh, kinds: Kinds) -> bool:
    """Whether any of some kinds was to be read: what no check needs is not looked at."""
    return not mesh.snapshot.requested.isdisjoint(kinds)
