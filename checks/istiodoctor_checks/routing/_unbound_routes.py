"""Routes that are bound to no gateway, or to one that their requests do not reach."""

from dataclasses import dataclass

from istiodoctor.mesh.configuration.answering_routes import (
    answering_routes,
    ends_without_route,
    routes_meeting,
)
from istiodoctor.mesh.configuration.bindings import bindings, bound_virtual_services
from istiodoctor.mesh.configuration.chain_index import tls_server_for
from istiodoctor.mesh.configuration.misrouting import (
    is_internal,
    istio_servers_for,
    virtual_services_are_known,
)
from istiodoctor.mesh.configuration.service_registry import is_service_entry_host
from istiodoctor.mesh.configuration.virtual_services import virtual_services
from istiodoctor.mesh.gateways.listeners import listeners, listeners_of
from istiodoctor.mesh.gateways.merging import Listener
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.hosts import ANY, is_wildcard
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.names import MESH
from istiodoctor.model.istio import TlsMode, VirtualService


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unbound:
    """A VirtualService for the mesh alone whose host a Gateway has and nobody routes there."""

    virtual_service: VirtualService
    hosts: tuple[str, ...]
    servers: tuple[Server, ...]
    is_sure: bool
    """False where the Gateway takes every host, or other VirtualServices may be unseen."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SplitHost:
    """A host whose routes are on a wildcard server while its SNI reaches a narrower one."""

    virtual_service: VirtualService
    host: str
    bound: Server
    reached: Server
    listener: Listener


@question(evidence=[answering_routes, listeners_of, routes_meeting])
def unbound_virtual_services(mesh: Mesh) -> tuple[Unbound, ...]:
    """Return VirtualServices without a gateway for hosts that a Gateway has.

    And that no other VirtualService answers for there. Names of the mesh and hosts of
    ServiceEntries are what such a VirtualService is for.
    """
    return tuple(
        each
        for source in virtual_services(mesh)
        if all(gateway == MESH for gateway in source.spec.gateways)
        if (each := _unbound(mesh, source))
    )


def _unbound(mesh: Mesh, source: VirtualService) -> Unbound | None:
    hosts: dict[str, None] = {}
    servers: dict[Server, None] = {}
    certain = virtual_services_are_known(mesh)
    for host in source.spec.hosts:
        if is_internal(host) or is_service_entry_host(mesh, host):
            continue
        candidates = _awaiting(mesh, host, source.namespace)
        if candidates:
            hosts[host] = None
            servers |= dict.fromkeys(candidates)
            certain = certain and ANY not in candidates[0].names
    if not servers:
        return None
    return Unbound(
        virtual_service=source, hosts=tuple(hosts), servers=tuple(servers), is_sure=certain
    )


def _awaiting(mesh: Mesh, host: str, namespace: str) -> tuple[Server, ...]:
    """Return the live servers that have a host no route answers for on any of them."""
    candidates = [
        server
        for server in istio_servers_for(mesh, host, namespace)
        if listeners_of(mesh, server)
        and (server.routes_http or server.is_passthrough)
        and server.mode is not TlsMode.ISTIO_MUTUAL
        and not server.https_redirect
    ]
    if any(answering_routes(mesh, server, host) for server in candidates):
        return ()
    named = tuple(each for each in candidates if ANY not in each.names)
    # A server for every host is no sign that this one is meant, unless it routes nothing.
    return named or tuple(each for each in candidates if not routes_meeting(mesh, each, ANY))


@question
def split_hosts(mesh: Mesh) -> tuple[SplitHost, ...]:
    """Return hosts routed on a wildcard server whose SNI reaches a server without routes."""
    return tuple(
        SplitHost(
            virtual_service=binding.virtual_service,
            host=host,
            bound=server,
            reached=reached,
            listener=listener,
        )
        for listener in listeners(mesh)
        for server in listener.servers
        if server.is_tls and any(map(is_wildcard, server.names))
        for binding in bindings(mesh).get(server, ())
        for host in binding.hosts
        if (reached := tls_server_for(mesh, listener, host)) and reached is not server
        if reached.api is GatewayApi.ISTIO and reached.routes_http
        if ends_without_route(mesh, listener, reached, host)
        and binding.virtual_service not in bound_virtual_services(mesh).get(reached.gateway, ())
    )
