"""Servers on an HTTPS port that speak plain HTTP, and where a host is served in TLS at all."""

from dataclasses import dataclass

from istiodoctor.mesh.exposure.front_proxies import fronts_for
from istiodoctor.mesh.exposure.services import (
    HTTPS_PORT,
    Exposure,
    exposure,
    has_host_port,
    port_routes,
)
from istiodoctor.mesh.gateways.listeners import listeners
from istiodoctor.mesh.gateways.merging import Listener
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.hosts import HostIndex
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.service_ports import services_of
from istiodoctor.model.kind import Kind
from istiodoctor.model.services import Service

NEG_ANNOTATION = "cloud.google.com/neg"
"""Pods behind a load balancer of Google's that is made elsewhere, and often ends TLS."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlainHttps:
    """A plain HTTP server that clients reach under the port of https://."""

    server: Server
    hosts: tuple[str, ...]
    """Those for which nothing is known to end TLS before it."""
    services: tuple[Service, ...]
    """The Services whose port 443 leads to it."""
    tls_servers: tuple[Server, ...]
    """Those that speak TLS on the same port, for other hosts."""
    is_certain: bool
    """Whether TLS comes as far as the gateway: through its own load balancer or node's port."""


@question(Kind.SERVICE)
def plain_https_servers(mesh: Mesh) -> tuple[PlainHttps, ...]:
    """Return the plain servers under port 443 that nothing is known to end TLS before.

    Silent about gateways for the inside, about those whose Services were not seen, and about
    Services that send 80 and 443 to one redirecting listener: that is a question of its own.
    """
    return tuple(
        PlainHttps(
            server=server,
            hosts=hosts,
            services=services,
            tls_servers=tuple(e for e in listener.servers if e.is_tls),
            is_certain=_gets_connections(mesh, listener),
        )
        for listener in listeners(mesh)
        if exposure(mesh, listener.workload) is not Exposure.INSIDE
        for services in (_https_services(mesh, listener),)
        for server in listener.servers
        if server.is_plain_http
        and (services or _knows_clients(mesh, listener))
        and (server.port == HTTPS_PORT or (services and not server.https_redirect))
        if (hosts := without_front(mesh, server, listener))
    )


def _knows_clients(mesh: Mesh, listener: Listener) -> bool:
    """Whether it can be known who ends TLS before a listener.

    A redirect on 80 and plain HTTP on 443 is how a load balancer is used that ends TLS; which
    one there is says the Service.
    """
    workload = listener.workload
    return (
        has_host_port(workload, listener.port)
        or bool(services_of(mesh, workload))
        or mesh.is_complete(Kind.SERVICE, workload.namespace)
    )


def _gets_connections(mesh: Mesh, listener: Listener) -> bool:
    """Whether clients' own connections are known to end at a listener."""
    return has_host_port(listener.workload, listener.port) or any(
        service.spec.type == "LoadBalancer" and NEG_ANNOTATION not in service.metadata.annotations
        for service in services_of(mesh, listener.workload)
    )


def _https_services(mesh: Mesh, listener: Listener) -> tuple[Service, ...]:
    routes = port_routes(mesh, listener.workload)
    return tuple(
        each.service
        for each in routes
        if each.port.port == HTTPS_PORT and each.target == listener.port
    )


def without_front(mesh: Mesh, server: Server, listener: Listener) -> tuple[str, ...]:
    """Return the hosts of a server that nothing before the gateway ends TLS for."""
    return tuple(
        host
        for host in server.names
        if not any(front.terminates_tls for front in fronts_for(mesh, listener.workload, host))
    )


@question
def _tls_everywhere(mesh: Mesh) -> HostIndex[Server]:
    return HostIndex(
        (host.name, server)
        for listener in listeners(mesh)
        if listener.workload.replicas != 0
        for server in listener.servers
        if server.is_tls
        for host in server.hosts
    )


@question
def speaks_tls_somewhere(mesh: Mesh, host: str) -> bool:
    """Whether a live TLS server of any gateway serves all names of a host."""
    return next(_tls_everywhere(mesh).covering(host), None) is not None


@question
def tls_meets_somewhere(mesh: Mesh, host: str) -> bool:
    """Whether a live TLS server of any gateway serves some name of a host."""
    return next(_tls_everywhere(mesh).meeting(host), None) is not None
