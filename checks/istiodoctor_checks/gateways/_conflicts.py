"""What Gateways and VirtualServices say that defeats itself: scopes, prefixes, redirects."""

from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.mesh.configuration.answering_routes import answering_routes
from istiodoctor.mesh.configuration.bindings import Binding, servers_of
from istiodoctor.mesh.credentials.credentials import CredentialUse, credential_uses
from istiodoctor.mesh.gateways.listeners import dropped, servers_by_workload, workloads_of
from istiodoctor.mesh.gateways.merging import DropReason
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.version import Version
from istiodoctor.mesh.workloads.control_planes import (
    ControlPlane,
    control_plane_of,
    istiod_version,
)
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import VirtualService
from istiodoctor.model.ref import Ref


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blocked:
    """A VirtualService that a server's host prefix keeps out."""

    virtual_service: VirtualService
    server: Server
    hosts: tuple[str, ...]
    is_served: bool
    """Whether routes of others answer for those hosts."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScopedOut:
    """A Gateway that istiod ignores, because its pods are in another namespace."""

    gateway: Ref
    workload: Workload
    control_plane: ControlPlane
    servers: tuple[Server, ...]


@question(evidence=[answering_routes])
def blocked_virtual_services(mesh: Mesh) -> tuple[Blocked, ...]:
    """Return the VirtualServices that no server of their Gateways takes for some hosts."""
    return tuple(
        found
        for bindings in servers_of(mesh).values()
        if any(binding.blocked_hosts for binding in bindings)
        for found in _blocked(mesh, bindings)
    )


def _blocked(mesh: Mesh, bindings: tuple[Binding, ...]) -> Iterator[Blocked]:
    # A server that redirects answers for none of its hosts: it hides no other.
    taken = {host for each in bindings if not each.server.https_redirect for host in each.hosts}
    for binding in bindings:
        hosts = tuple(host for host in binding.blocked_hosts if host not in taken)
        if hosts and not binding.server.https_redirect:
            yield Blocked(
                virtual_service=binding.virtual_service,
                server=binding.server,
                hosts=hosts,
                is_served=all(answering_routes(mesh, binding.server, host) for host in hosts),
            )


@question(rests_on=[servers_by_workload], evidence=[dropped])
def scoped_out_gateways(mesh: Mesh) -> tuple[ScopedOut, ...]:
    """Return the Gateways outside the namespace that their istiod confines them to."""
    outside: dict[tuple[Ref, Workload], dict[Server, None]] = {}
    for each in dropped(mesh):
        if each.reason is DropReason.OUTSIDE_SCOPE and each.server.api is GatewayApi.ISTIO:
            outside.setdefault((each.server.gateway, each.workload), {})[each.server] = None
    return tuple(
        ScopedOut(gateway=gateway, workload=workload, control_plane=plane, servers=tuple(servers))
        for (gateway, workload), servers in outside.items()
        if (plane := control_plane_of(mesh, workload))
    )


@question
def cipher_uses(mesh: Mesh) -> tuple[CredentialUse, ...]:
    """Return the uses of known certificates on servers that choose their cipher suites."""
    return tuple(
        use
        for use in credential_uses(mesh)
        if use.server.tls and use.server.tls.cipher_suites and use.credential
    )


@question
def versions_of(mesh: Mesh, server: Server) -> tuple[Version | None, ...]:
    """Return the versions of the istiods that configure a server; None for one not known."""
    return tuple({istiod_version(mesh, each): None for each in workloads_of(mesh, server)})
