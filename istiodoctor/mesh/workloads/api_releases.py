"""What the istiods of a mesh make of the Gateway API, where releases differ (`releases`)."""

from dataclasses import dataclass

from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.releases import Change, is_in_force
from istiodoctor.model.gatewayapi import Gateway
from istiodoctor.model.kind import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayApiSupport:
    """What the istiods of a mesh make of the Gateway API."""

    finds_conflicts: bool = True
    takes_tls: bool = True
    """Whether TLS listeners and TLSRoutes are served."""
    takes_tcp: bool = True
    """Whether TCP listeners and TCPRoutes are served."""
    status_without_backends: int = 500


@question(Kind.GATEWAY)
def _protocols_with_routes(mesh: Mesh) -> frozenset[str]:
    """Return the protocols of which istiod counts routes on a listener: its flags allow them.

    The flag may be set where it was not seen, by a ConfigMap for instance. That a listener is
    accepted is no sign: istiod 1.22 says so of TLS without reading TLSRoutes (istio/istio issue
    17517).
    """
    return frozenset(
        listener.protocol
        for gateway in mesh.all(Gateway)
        if gateway.status.listeners
        for listener in gateway.spec.listeners
        for said in gateway.status.listeners
        if said.name == listener.name and said.attached_routes > 0
    )


@question(evidence=[is_in_force, _protocols_with_routes])
def gateway_api_support(mesh: Mesh) -> GatewayApiSupport:
    """Return what the istiods of the mesh make of the Gateway API."""
    fails = is_in_force(mesh, Change.RULES_WITHOUT_BACKENDS_FAIL)
    return GatewayApiSupport(
        finds_conflicts=is_in_force(mesh, Change.LISTENER_CONFLICTS_FOUND),
        takes_tls=_is_served(mesh, "TLS", Change.TLS_ROUTES_SERVED),
        takes_tcp=_is_served(mesh, "TCP", Change.TCP_ROUTES_SERVED),
        status_without_backends=500 if fails else 404,
    )


def _is_served(mesh: Mesh, protocol: str, change: Change) -> bool:
    return is_in_force(mesh, change) or protocol in _protocols_with_routes(mesh)
