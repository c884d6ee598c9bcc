"""Hops of a request through the mesh, and those that do not depend on the request."""

from collections.abc import Iterator
from enum import StrEnum

from istiodoctor.mesh.configuration.answering_routes import answering_routes, routes_meeting
from istiodoctor.mesh.configuration.redirects import RedirectKind, plain_hosts_for
from istiodoctor.mesh.credentials.credentials import CredentialState, CredentialUse
from istiodoctor.mesh.gateways.attachments import attachments_of
from istiodoctor.mesh.gateways.listeners import listeners_of, workloads_of
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.requests.outcomes import AnswerOutcome, RouteCluster, ServedCertificate
from istiodoctor.mesh.workloads.service_ports import services_of
from istiodoctor.mesh.workloads.workloads import Workload, pod_is_ready
from istiodoctor.model.ref import Ref
from istiodoctor.model.services import Service
from istiodoctor.model.value import Value


class HopState(StrEnum):
    """Whether one hop works."""

    OK = "ok"
    BROKEN = "broken"
    WARNING = "warning"
    UNKNOWN = "unknown"


class Confirmation(StrEnum):
    """What Envoy and the wire say of a hop that the objects describe."""

    CONFIRMED = "confirmed"
    CONTRADICTED = "contradicted"
    NOT_LOOKED_AT = "not-looked-at"


class Hop(Value, frozen=True, kw_only=True):
    """One hop of a request through the mesh."""

    hop: str
    """`dns`, `front`, `service`, `workload`, `listener`, `filter-chain`, `certificate`,
    `http-filters`, `virtual-host`, `redirect`, `route`, `backend` or `endpoints`; `dns` on the
    wire only."""
    ref: Ref | None
    state: HopState
    text: str
    """What the objects say."""
    code: str = ""
    """The check whose finding explains what is wrong here; empty when none does."""
    confirmation: Confirmation = Confirmation.NOT_LOOKED_AT
    seen: str = ""
    """What Envoy and the wire show, or why they were not looked at; hostile. May be empty where a
    later hop shows that this one was passed."""
    cluster: RouteCluster | None = None
    """The cluster that a backend is to Envoy."""
    certificate: ServedCertificate | None = None
    """What a client is shown, of a certificate."""
    outcome: AnswerOutcome | None = None
    """What a client gets where the path ends here, if that does not follow from the hop's name."""


OK, BROKEN, WARNING, UNKNOWN = HopState.OK, HopState.BROKEN, HopState.WARNING, HopState.UNKNOWN

_CREDENTIAL_TEXT = {
    CredentialState.FOUND: "found",
    CredentialState.MISSING: "does not exist",
    CredentialState.ELSEWHERE: "is in a namespace that istiod refuses",
    CredentialState.NOT_GRANTED: "may not be referred to from here",
    CredentialState.OUTSIDE: "does not come from a Secret",
    CredentialState.UNPARSABLE: "is no name of a credential",
}
_CREDENTIAL_STATE = {
    CredentialState.FOUND: OK,
    CredentialState.OUTSIDE: OK,
    CredentialState.UNKNOWN: UNKNOWN,
}


_REDIRECT_TEXT = {
    RedirectKind.SERVER: "plain HTTP is redirected by the server",
    RedirectKind.ROUTE: "plain HTTP is redirected by a route",
    RedirectKind.NONE: "plain HTTP is served without a redirect",
}


def service_hop(service: Service, text: str) -> Hop:
    """Return the Service that leads to a gateway."""
    return Hop(hop="service", ref=service.ref, state=OK, text=text)


def workload_hop(workload: Workload) -> Hop:
    """Return a gateway's pods: how many there are, and whether any takes traffic."""
    ref = workload.owner if workload.is_known else None
    if not workload.is_known:
        return Hop(hop="workload", ref=ref, state=UNKNOWN, text="the pods are not known")
    if not workload.pods:
        state, text = WARNING, "no pods are running"
        if workload.replicas == 0:
            state, text = BROKEN, "it is scaled to no pods"
        return Hop(hop="workload", ref=ref, state=state, text=text)
    ready = sum(map(pod_is_ready, workload.pods))
    total = len(workload.pods)
    if ready == total:
        return Hop(hop="workload", ref=ref, state=OK, text=_pods(total))
    state = WARNING if ready else BROKEN
    return Hop(hop="workload", ref=ref, state=state, text=f"{ready} of {total} pods ready")


def listener_hop(port: int) -> Hop:
    """Return the port that Envoy listens on."""
    return Hop(hop="listener", ref=None, state=OK, text=f"Envoy listens on port {port}")


def server_hop(server: Server, text: str = "") -> Hop:
    """Return the server that an SNI reaches."""
    return Hop(hop="server", ref=server.gateway, state=OK, text=text or str(server))


def certificate_hop(use: CredentialUse) -> Hop:
    """Return what a gateway's request for a certificate leads to."""
    state = _CREDENTIAL_STATE.get(use.state, BROKEN)
    text = _credential_text(use)
    if use.state is CredentialState.FOUND and use.permission.allowed is False:
        state, text = BROKEN, f"the ServiceAccount of the pods may not read {use.reference.text}"
    return Hop(
        hop="certificate",
        ref=use.secret if use.namespace else None,
        state=state,
        text=text,
        certificate=_served(use) if state is OK else None,
    )


def _credential_text(use: CredentialUse) -> str:
    if use.state is not CredentialState.UNKNOWN:
        return f"{use.reference.text} {_CREDENTIAL_TEXT[use.state]}"
    if use.reference.granted is None:
        return f"{use.reference.text}: whether a ReferenceGrant permits it was not read"
    return f"Secret {use.reference.text} could not be read"


def _served(use: CredentialUse) -> ServedCertificate | None:
    if use.state is not CredentialState.FOUND:
        return None
    return ServedCertificate(namespace=use.secret.namespace, name=use.secret.name)


def host_hops(mesh: Mesh, host: str, server: Server, use: CredentialUse | None) -> Iterator[Hop]:
    """Yield the hops to a host of a TLS server, whatever the request; it may be a wildcard.

    `request_paths` is the same for one request, rule by rule.
    """
    workload = next(iter(workloads_of(mesh, server)), None)
    if workload is None:
        yield Hop(hop="workload", ref=None, state=BROKEN, text="no pods are selected")
        return
    service = _service_of(mesh, server, workload)
    if service:
        yield service_hop(service, f"{service.spec.type} port {server.port}")
    yield workload_hop(workload)
    listeners = listeners_of(mesh, server)
    if not listeners:
        yield Hop(hop="listener", ref=None, state=BROKEN, text="istiod leaves this server out")
        return
    yield listener_hop(listeners[0].port)
    yield server_hop(server)
    if use:
        yield certificate_hop(use)
    yield _redirect_hop(mesh, host, workload)
    yield from _route_hops(mesh, host, server)


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
    if server.api is GatewayApi.GATEWAY_API:
        attached = attachments_of(mesh, server)
        for attachment in attached[:1]:
            yield Hop(hop="route", ref=attachment.route.ref, state=OK, text="attached")
        if not attached:
            yield Hop(hop="route", ref=None, state=WARNING, text="no route is attached")
        return
    routes = answering_routes(mesh, server, host) or routes_meeting(mesh, server, host)
    for route in routes[:1]:
        yield Hop(hop="route", ref=route, state=OK, text=f"{len(routes)} bound")
    if not routes:
        yield Hop(hop="route", ref=None, state=WARNING, text="no VirtualService is bound")


def _pods(number: int) -> str:
    return f"{number} pod" if number == 1 else f"{number} pods"
