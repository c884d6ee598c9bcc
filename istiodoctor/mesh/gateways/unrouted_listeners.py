"""Listeners of the Gateway API that no route is attached to."""

from istiodoctor.mesh.gateways.attachments import (
    AttachmentState,
    attachments,
)
from istiodoctor.mesh.gateways.listeners import listeners_of, servers
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.kind import Kind

ROUTES = (Kind.HTTP_ROUTE, Kind.GRPC_ROUTE, Kind.TLS_ROUTE, Kind.TCP_ROUTE)


@question(*ROUTES)
def unrouted_listeners(mesh: Mesh) -> tuple[Server, ...]:
    """Return the live listeners without any route; none where routes may exist unseen."""
    if not all(map(mesh.is_complete, ROUTES)):
        return ()
    routed = {
        binding.server
        for each in attachments(mesh)
        for binding in each.bindings
        if each.state in (AttachmentState.ATTACHED, AttachmentState.UNKNOWN)
    }
    return tuple(
        each
        for each in servers(mesh)
        if each.api is GatewayApi.GATEWAY_API
        and each not in routed
        and not each.unknown_because
        and listeners_of(mesh, each)
    )
