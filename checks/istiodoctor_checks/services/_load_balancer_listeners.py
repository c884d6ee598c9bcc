"""What load balancers and proxies bring to the TLS ports of gateways: plain text, or no TLS."""

from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.mesh.exposure.front_proxies import (
    BACKEND_PROTOCOL,
    Front,
    fronts,
    http_listener,
)
from istiodoctor.mesh.exposure.services import OUTSIDE_TYPES, PortRoute, port_routes
from istiodoctor.mesh.gateways.listeners import listeners
from istiodoctor.mesh.gateways.merging import Listener
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.hosts import meet
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.ref import Place


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlainTraffic:
    """A load balancer or proxy that ends TLS and goes on in plain text to a port of TLS."""

    front: Front
    place: Place
    """The annotation or object by which it ends TLS."""
    listener: Listener
    servers: tuple[Server, ...]
    hosts: frozenset[str]
    is_only_way: bool
    """Whether no other Service for the outside leads to the port."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HttpListener:
    """A load balancer that takes HTTP on a port behind which a gateway speaks TLS."""

    route: PortRoute
    place: Place
    annotation: str
    listener: Listener
    servers: tuple[Server, ...]
    is_certain: bool
    is_only_way: bool

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that are served there."""
        return frozenset(name for each in self.servers for name in each.names)


@question
def plain_traffic_to_tls(mesh: Mesh) -> tuple[PlainTraffic, ...]:
    """Return what sends plain text to ports on which every server speaks TLS."""
    return tuple(
        each for listener in _tls_listeners(mesh) for each in _plain_traffic(mesh, listener)
    )


def _plain_traffic(mesh: Mesh, listener: Listener) -> Iterator[PlainTraffic]:
    for front in fronts(mesh, listener.workload):
        if not front.terminates_tls or front.plain_port != listener.port or not front.place:
            continue
        names = (name for server in listener.servers for name in server.names)
        hosts = frozenset(
            common for name in names for host in front.hosts if (common := meet(name, host))
        )
        if hosts:
            yield PlainTraffic(
                front=front,
                place=front.place,
                listener=listener,
                servers=listener.servers,
                hosts=hosts,
                is_only_way=not any(
                    route.service.ref != front.place.ref for route in _outside(mesh, listener)
                ),
            )


@question
def http_listeners_before_tls(mesh: Mesh) -> tuple[HttpListener, ...]:
    """Return the load balancers that take HTTP where a gateway speaks TLS."""
    return tuple(
        HttpListener(
            route=route,
            place=route.service.at(f"/metadata/annotations/{annotation.replace('/', '~1')}"),
            annotation=annotation,
            listener=listener,
            servers=listener.servers,
            is_certain=annotation == BACKEND_PROTOCOL,
            is_only_way=all(http_listener(each.service) for each in _outside(mesh, listener)),
        )
        for listener in _tls_listeners(mesh)
        for route in _outside(mesh, listener)
        if (annotation := http_listener(route.service))
    )


def _tls_listeners(mesh: Mesh) -> Iterator[Listener]:
    for listener in listeners(mesh):
        if listener.workload.is_known and listener.servers and listener.is_tls:
            yield listener


def _outside(mesh: Mesh, listener: Listener) -> tuple[PortRoute, ...]:
    """Return the ports for the outside that lead to a listener."""
    return tuple(
        each
        for each in port_routes(mesh, listener.workload)
        if each.target == listener.port and each.service.spec.type in OUTSIDE_TYPES
    )
