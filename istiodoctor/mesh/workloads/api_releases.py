"""What the istiods of a mesh make of the Gateway API, where releases differ (`releases`)."""

from dataclasses import dataclass

from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.releases import Change, is_in_force


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayApiSupport:
    """What the istiods of a mesh make of the Gateway API."""

    finds_conflicts: bool = True
    takes_tls: bool = True
    """Whether TLS listeners and TLSRoutes are served."""
    takes_tcp: bool = True
    """Whether TCP listeners and TCPRoutes are served."""
    status_without_backends: int = 500


@question(evidence=[is_in_force])
def gateway_api_support(mesh: Mesh) -> GatewayApiSupport:
    """Return what the istiods of the mesh make of the Gateway API."""
    fails = is_in_force(mesh, Change.RULES_WITHOUT_BACKENDS_FAIL)
    return GatewayApiSupport(
        finds_conflicts=is_in_force(mesh, Change.LISTENER_CONFLICTS_FOUND),
        takes_tls=is_in_force(mesh, Change.TLS_ROUTES_SERVED),
        takes_tcp=is_in_force(mesh, Change.TCP_ROUTES_SERVED),
        status_without_backends=500 if fails else 404,
    )
