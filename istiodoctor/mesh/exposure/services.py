"""The Services of a gateway: exposure, ports and target ports."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.gateways.api_gateway_pods import (
    api_gateway_services,
    api_gateway_workloads,
)
from istiodoctor.mesh.gateways.api_gateways import api_servers
from istiodoctor.mesh.gateways.listeners import listeners
from istiodoctor.mesh.gateways.merging import DropReason, Listener
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.service_ports import services_of, target_port
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.kind import Kind
from istiodoctor.model.services import Service, ServicePort

HTTPS_PORT = 443
UNPRIVILEGED_HTTPS_PORT = 8443
OUTSIDE_TYPES = frozenset({"LoadBalancer", "NodePort"})


class Exposure(StrEnum):
    """From where clients can reach a gateway."""

    OUTSIDE = "outside"
    """A load balancer, a node port or the node's own network."""
    INSIDE = "inside"
    """Only Services inside the cluster: egress, or behind another proxy."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PortRoute:
    """One port of a gateway's Service, and where in the pod it leads."""

    service: Service
    port: ServicePort
    target: int | None
    """None when `targetPort` is a name that no container declares."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unreachable:
    """A server whose listener no Service port leads to."""

    server: Server
    listener: Listener
    services: tuple[Service, ...]
    """The Services of the pods; empty when there is none."""
    is_certain: bool
    """Whether every Service beside the pods was read."""
    is_opened: bool = True
    """Whether Envoy listens all the same: not for a listener of the Gateway API."""

    @property
    def pod_port(self) -> int:
        """Where in the pods a Service should lead, so that Envoy may listen there."""
        may_open = self.listener.port >= 1024 or not self.listener.workload.is_unprivileged
        return self.listener.port if may_open else UNPRIVILEGED_HTTPS_PORT


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Misdirected:
    """A Service port whose target port is not that of the server's listener."""

    route: PortRoute
    server: Server
    listener: Listener
    decided_by: Service | None = None
    """The Service whose targetPort istiod took instead."""


@question
def exposure(mesh: Mesh, workload: Workload) -> Exposure:
    """Return from where clients can reach a gateway."""
    if not workload.is_known:
        return Exposure.UNKNOWN
    services = services_of(mesh, workload)
    outside = any(each.spec.type in OUTSIDE_TYPES or each.spec.external_ips for each in services)
    if outside or _uses_node_network(workload):
        return Exposure.OUTSIDE
    return Exposure.INSIDE if services else Exposure.UNKNOWN


@question
def port_routes(mesh: Mesh, workload: Workload) -> tuple[PortRoute, ...]:
    """Return every port of every Service of a workload, with the port in the pod."""
    return tuple(
        PortRoute(service=service, port=port, target=_target(port, workload))
        for service in services_of(mesh, workload)
        for port in service.spec.ports
    )


@question(Kind.SERVICE)
def unreachable_servers(mesh: Mesh) -> tuple[Unreachable, ...]:
    """Return the live servers that no Service port leads to.

    Silent about pods on the node's network, and where a Service may exist unseen. Without a
    Service's port 443 a server has no targetPort, and pods that may not open 443 skip it.
    """
    found = [
        (server, listener, _is_reached(mesh, server, listener))
        for listener in listeners(mesh)
        for server in (*listener.servers, *_untranslated(mesh, listener))
        if server.api is GatewayApi.ISTIO or not services_of(mesh, listener.workload)
    ]
    # A server on several workloads may be meant for one of them only.
    reached = {server for server, _, is_reached in found if is_reached is not False}
    unreached = (
        Unreachable(
            server=server,
            listener=listener,
            services=services_of(mesh, listener.workload),
            is_certain=mesh.is_complete(Kind.SERVICE, listener.workload.namespace),
        )
        for server, listener, _ in found
        if server not in reached
    )
    return (*unreached, *_unopened(mesh))


def _unopened(mesh: Mesh) -> Iterator[Unreachable]:
    """Yield the listeners of the Gateway API whose port none of their Gateway's Services has.

    istiod opens no port for those (`resolvePorts`, pilot/pkg/model/gateway.go:482).
    """
    for server in api_servers(mesh):
        if server.faulty:
            continue
        services = api_gateway_services(mesh, server.parent)
        if not services or any(
            each.port == server.port for service in services for each in service.spec.ports
        ):
            continue
        for workload in api_gateway_workloads(mesh, server.parent):
            yield Unreachable(
                server=server,
                listener=Listener(workload=workload, port=server.port, bind="", servers=()),
                services=services,
                is_certain=True,
                is_opened=False,
            )


def _untranslated(mesh: Mesh, listener: Listener) -> Iterator[Server]:
    """Yield the HTTPS servers that were skipped for want of a port above 1023."""
    if services_of(mesh, listener.workload):
        for dropped in listener.dropped:
            server = dropped.server
            is_https = server.is_tls and server.port == HTTPS_PORT
            if is_https and dropped.reason is DropReason.PRIVILEGED_PORT:
                yield server


def _is_reached(mesh: Mesh, server: Server, listener: Listener) -> bool | None:
    workload = listener.workload
    if not workload.is_known or has_host_port(workload, listener.port):
        return None
    routes = port_routes(mesh, workload)
    if any(server.port == each.port.port or listener.port == each.target for each in routes):
        return True
    is_known = services_of(mesh, workload) or (
        workload.pods and mesh.is_complete(Kind.SERVICE, workload.namespace)
    )
    return False if is_known else None


@question(Kind.SERVICE)
def knows_services(mesh: Mesh, namespace: str) -> bool:
    """Whether every Service of a namespace was read."""
    return mesh.is_complete(Kind.SERVICE, namespace)


@question
def misdirected_ports(mesh: Mesh) -> tuple[Misdirected, ...]:
    """Return the Service ports of live servers that lead where nothing listens.

    A second Service may turn the same port into that of another listener (`knative-local-
    gateway`): that one is reached on purpose.
    """
    live = {(each.workload, each.port) for each in listeners(mesh) if each.servers}
    return tuple(
        Misdirected(
            route=route,
            server=server,
            listener=listener,
            decided_by=next(
                (each.service for each in routes[server.port] if each.target == listener.port),
                None,
            ),
        )
        for listener in listeners(mesh)
        if listener.workload.is_known
        for routes in (_routes_by_port(mesh, listener.workload),)
        for server in listener.servers
        for route in routes.get(server.port, ())
        if server.api is GatewayApi.ISTIO and route.target != listener.port
        if (listener.workload, route.target) not in live
    )


@question
def _routes_by_port(mesh: Mesh, workload: Workload) -> Mapping[int, tuple[PortRoute, ...]]:
    found: dict[int, list[PortRoute]] = {}
    for route in port_routes(mesh, workload):
        found.setdefault(route.port.port, []).append(route)
    return {port: tuple(routes) for port, routes in found.items()}


def _target(port: ServicePort, workload: Workload) -> int | None:
    """Return the port in the pod; None for a name that the pod does not declare."""
    if port.target_number is None:
        name = port.target_port
        containers = (*workload.spec.containers, *workload.spec.init_containers)
        if not any(each.name == name for container in containers for each in container.ports):
            return None
    return target_port(port, workload)


def _uses_node_network(workload: Workload) -> bool:
    return workload.spec.host_network or any(
        port.host_port for container in workload.spec.containers for port in container.ports
    )


def has_host_port(workload: Workload, port: int) -> bool:
    """Whether a port of a workload's pods is one of their nodes too."""
    return workload.spec.host_network or any(
        each.host_port and each.container_port == port
        for container in workload.spec.containers
        for each in container.ports
    )
