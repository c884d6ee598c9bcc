"""Servers without routes, and what a server that istiod leaves out takes along."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.configuration.answering_routes import answering_routes, routed_domains
from istiodoctor.mesh.configuration.bindings import (
    Binding,
    bindings,
    bound_virtual_services,
)
from istiodoctor.mesh.configuration.chain_index import server_like
from istiodoctor.mesh.configuration.redirects import redirected_by
from istiodoctor.mesh.configuration.virtual_hosts import domains
from istiodoctor.mesh.gateways.listeners import listeners, servers
from istiodoctor.mesh.gateways.merging import Dropped, Listener, route_name
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.istio import TlsMode, VirtualService
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unrouted:
    """A live server with hosts for which no route exists: Envoy answers 404."""

    server: Server
    hosts: tuple[str, ...]
    is_bare: bool
    """Whether no VirtualService names the Gateway at all."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DroppedServer:
    """What goes with a dropped server."""

    dropped: Dropped
    virtual_services: tuple[VirtualService, ...]
    """Those bound to it whose hosts reach none of their routes any more."""
    dead_hosts: tuple[str, ...]
    """Hosts that nothing answers for."""
    shared_hosts: tuple[str, ...]
    """Hosts of those VirtualServices that the routes of others answer."""
    unredirected_hosts: tuple[str, ...]
    """Of a redirecting server: hosts that another server answers without redirecting."""
    is_only_server: bool
    """Whether its Gateway has no other."""


@question(Kind.VIRTUAL_SERVICE, Kind.CONFIG_MAP)
def unrouted_servers(mesh: Mesh) -> tuple[Unrouted, ...]:
    """Return the live servers that end in HTTP and have hosts without any route.

    Not those that redirect, nor where a VirtualService may exist unseen.
    """
    if not mesh.is_complete(Kind.VIRTUAL_SERVICE):
        return ()
    named = bound_virtual_services(mesh)
    found: dict[Server, dict[str, None]] = defaultdict(dict)
    for listener in listeners(mesh):
        for server in filter(_awaits_routes, listener.servers):
            found[server] |= dict.fromkeys(_without_routes(mesh, server, listener))
    return tuple(
        Unrouted(server=server, hosts=tuple(hosts), is_bare=not named.get(server.gateway))
        for server, hosts in found.items()
        if hosts
    )


def _without_routes(mesh: Mesh, server: Server, listener: Listener) -> Iterator[str]:
    name = route_name(server, listener.port)
    found = domains(mesh, listener.workload, name)
    for host in server.names:
        if host in found and found[host].sections:
            continue
        routed = routed_domains(mesh, listener.workload, name)
        if next(routed.meeting(host), None) is None:
            yield host


@question
def _server_counts(mesh: Mesh) -> Mapping[Ref, int]:
    return Counter(server.gateway for server in servers(mesh))


@question
def dropped_servers(mesh: Mesh) -> tuple[DroppedServer, ...]:
    """Return every server that istiod leaves out, with what nobody serves because of it."""
    return tuple(
        _dropped_server(mesh, dropped, listener)
        for listener in listeners(mesh)
        for dropped in listener.dropped
    )


def _dropped_server(mesh: Mesh, dropped: Dropped, listener: Listener) -> DroppedServer:
    server = dropped.server
    dead = {
        host: None for host in server.names if server_like(mesh, listener, server, host) is None
    }
    shared: dict[str, None] = {}
    orphans: list[VirtualService] = []
    for binding in bindings(mesh).get(server, ()) if not server.https_redirect else ():
        lost = _lost_hosts(mesh, binding, listener)
        if lost:
            orphans.append(binding.virtual_service)
        dead |= {host: None for host, is_answered in lost.items() if not is_answered}
        shared |= {host: None for host, is_answered in lost.items() if is_answered}
    return DroppedServer(
        dropped=dropped,
        virtual_services=tuple(orphans),
        dead_hosts=tuple(dead),
        shared_hosts=tuple(shared),
        unredirected_hosts=_unredirected(mesh, server, listener, dead),
        is_only_server=_server_counts(mesh)[server.gateway] == 1,
    )


def _lost_hosts(mesh: Mesh, binding: Binding, listener: Listener) -> dict[str, bool]:
    """Return the hosts of a binding that miss its routes, and whether others answer."""
    lost: dict[str, bool] = {}
    for host in binding.hosts:
        live = server_like(mesh, listener, binding.server, host)
        routes = answering_routes(mesh, live, host) if live else ()
        if binding.virtual_service.ref not in routes:
            lost[host] = bool(routes)
    return lost


def _unredirected(
    mesh: Mesh, server: Server, listener: Listener, dead: Mapping[str, None]
) -> tuple[str, ...]:
    if not server.https_redirect:
        return ()
    return tuple(
        host
        for host in server.names
        if host not in dead and redirected_by(mesh, listener, server, host) is None
    )


def _awaits_routes(server: Server) -> bool:
    return (
        server.api is GatewayApi.ISTIO
        and server.routes_http
        and server.mode is not TlsMode.ISTIO_MUTUAL
        and not server.https_redirect
    )
