"""What Gateways and VirtualServices say that defeats itself: scopes, prefixes, redirects."""

from collections.abc import Iterator
from dataclasses import dataclass

from msgspec.structs import replace

from istiodoctor.mesh.configuration.answering_routes import answering_routes
from istiodoctor.mesh.configuration.domain_rules import DomainRule
from istiodoctor.mesh.controlplanes import (
    ControlPlane,
    control_plane_of,
    istiod_version,
    trusted_proxies,
)
from istiodoctor.mesh.credentials import CredentialUse, credential_uses
from istiodoctor.mesh.hops import Loop, plain_fronts, wants_tls
from istiodoctor.mesh.listeners import dropped, servers_by_workload, workloads_of
from istiodoctor.mesh.merging import DropReason
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.redirects import PlainHost, RedirectKind, is_to_https, plain_hosts, rules_for
from istiodoctor.mesh.routing import Binding, servers_of
from istiodoctor.mesh.self_redirects import asks_for_scheme
from istiodoctor.mesh.servers import GatewayApi, Server
from istiodoctor.mesh.version import Version
from istiodoctor.mesh.workloads import Workload
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
    taken = {host for binding in bindings for host in binding.hosts}
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
def route_loops(mesh: Mesh) -> tuple[Loop, ...]:
    """Return the redirects of routes that are blind to HTTPS having ended before them."""
    return tuple(
        Loop(
            plain=replace(plain, place=rule.place),
            front=front,
            trusted_proxies=trusted_proxies(mesh, plain.workload),
            is_certain=front.plain_port is not None or not wants_tls(mesh, plain),
        )
        for plain in plain_hosts(mesh)
        if plain.redirect is RedirectKind.ROUTE
        for front in plain_fronts(mesh, plain)[:1]
        if (rule := _blind_redirect(mesh, plain))
    )


def _blind_redirect(mesh: Mesh, plain: PlainHost) -> DomainRule | None:
    """Return the redirect that takes requests whatever X-Forwarded-Proto says."""
    for each in rules_for(mesh, plain):
        if is_to_https(each.rule) and not asks_for_scheme(each.match):
            return each
        if each.match.is_catch_all:
            return None
    return None


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
