"""What releases of istiod make of the Gateway API, where they differ.

Where several istiods run, what one of them does counts; one of unknown release is taken for the
newest. Sources: the controllers of master in 2026-04 (1.30) and 2026-08 (1.31), and the release
notes named below.
"""

from dataclasses import dataclass

from istiodoctor.mesh.controlplanes import ControlPlane, control_planes
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question

ALPHA_FLAG = "PILOT_ENABLE_ALPHA_GATEWAY_API"
TRUE = frozenset({"1", "t", "true"})
CONFLICTS = (1, 31, 0)
"""Listeners of a Gateway are compared with each other (gatewaycommon/listener_conflict.go)."""
TLS = (1, 30, 0)
"""TLS listeners and TLSRoutes without the flag (tls-protocol-gateway-no-alpha-gate.yaml)."""
TCP = (1, 31, 0)
"""TCP listeners and TCPRoutes without the flag (conversion.go:2110 of 1.30)."""
NO_BACKENDS_404 = (1, 30, 0)
"""A rule without any backendRefs answers 404, and not 500 (59356.yaml) …"""
NO_BACKENDS_500 = (1, 31, 0)
"""… until it is 500 again (60787.yaml)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayApiSupport:
    """What the istiods of a mesh make of the Gateway API."""

    finds_conflicts: bool = True
    takes_tls: bool = True
    """Whether TLS listeners and TLSRoutes are served."""
    takes_tcp: bool = True
    """Whether TCP listeners and TCPRoutes are served."""
    status_without_backends: int = 500


@question(evidence=[control_planes])
def gateway_api_support(mesh: Mesh) -> GatewayApiSupport:
    """Return what the istiods of the mesh make of the Gateway API."""
    planes = control_planes(mesh)
    if not planes:
        return GatewayApiSupport()
    return GatewayApiSupport(
        finds_conflicts=any(_has(each, CONFLICTS) for each in planes),
        takes_tls=any(_has(each, TLS) or _has_flag(each) for each in planes),
        takes_tcp=any(_has(each, TCP) or _has_flag(each) for each in planes),
        status_without_backends=404
        if all(_has(each, NO_BACKENDS_404) and not _has(each, NO_BACKENDS_500) for each in planes)
        else 500,
    )


def _has(plane: ControlPlane, release: tuple[int, int, int]) -> bool:
    return plane.version is None or plane.version.has(release)


def _has_flag(plane: ControlPlane) -> bool:
    values = (each.environment(ALPHA_FLAG) for each in plane.workload.spec.containers)
    return any(each is not None and each.lower() in TRUE for each in values)
