"""From where a gateway's ports can be connected to: its pods, its addresses, its names."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from istiodoctor.mesh.certificates.coverage import expected_hosts
from istiodoctor.mesh.configuration.chain_index import server_like
from istiodoctor.mesh.configuration.request import DEFAULT_PORTS
from istiodoctor.mesh.exposure.services import Exposure, PortRoute, exposure, port_routes
from istiodoctor.mesh.gateways.merging import Listener
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.hosts import ANY, concrete, covers
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.workloads.service_ports import services_of
from istiodoctor.mesh.workloads.workloads import Workload, pod_is_ready
from istiodoctor.model.istio import TlsMode
from istiodoctor.model.observation import AccessPoint, UrlAccessPoint, Via
from istiodoctor.model.pods import Pod
from istiodoctor.model.services import Service

MOST_ROUTED_HOSTS = 3
"""How many of the hosts that routes show behind one wildcard are looked at."""
OF_THE_MESH = frozenset({TlsMode.AUTO_PASSTHROUGH, TlsMode.ISTIO_MUTUAL})
"""Servers for other proxies, not for clients."""
EVERY_NAME = frozenset({"", ANY, "*.local"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPointGroup:
    """One pod or address of a gateway, with an access point for each of its ports."""

    rank: int
    """Smaller is looked at first."""
    via: Via
    ports: tuple[tuple[int, int, AccessPoint], ...]
    """As URLs name it, in the pod, and where to connect to."""

    def access_points_to(self, listener: Listener) -> Iterator[tuple[int, AccessPoint]]:
        """Yield the access points that lead to a listener, each once, with their port in URLs."""
        seen = set()
        for named, target, access_point in self.ports:
            if target == listener.port and access_point not in seen:
                seen.add(access_point)
                yield named, access_point


def access_point_groups(
    mesh: Mesh, workload: Workload, listeners: list[Listener]
) -> tuple[AccessPointGroup, ...]:
    """Return the pods and addresses at which a gateway can be connected to, pods first."""
    return (*_pod_access_points(mesh, workload, listeners), *address_access_points(mesh, workload))


def _pod_access_points(
    mesh: Mesh, workload: Workload, listeners: list[Listener]
) -> Iterator[AccessPointGroup]:
    routes = port_routes(mesh, workload)
    ready = [pod for pod in workload.pods if _answers(pod)]
    for number, pod in enumerate(ready):
        ports = []
        for listener in listeners:
            named = [each.port.port for each in routes if each.target == listener.port]
            access_point = AccessPoint(
                via=Via.PORT_FORWARD, port=listener.port, gateway=workload.owner, pod=pod.ref
            )
            left_out = (each.server for each in listener.dropped)
            own = [server.port for server in (*listener.servers, *left_out)]
            ports += [
                (port, listener.port, access_point) for port in dict.fromkeys((*named, *own))
            ]
        yield AccessPointGroup(
            rank=0 if number == 0 else 3, via=Via.PORT_FORWARD, ports=tuple(ports)
        )


def address_access_points(mesh: Mesh, workload: Workload) -> Iterator[AccessPointGroup]:
    """Yield the addresses of Services and nodes at which a gateway can be connected to."""
    routes = port_routes(mesh, workload)
    for service in services_of(mesh, workload):
        own = [each for each in routes if each.service.ref == service.ref and each.target]
        for address in addresses_of(service):
            yield _access_point_group(1, Via.SERVICE_ADDRESS, address, own, workload)
        nodes = dict.fromkeys(pod.status.host_ip for pod in workload.pods if _answers(pod))
        if service.spec.type == "NodePort":
            for address in list(filter(None, nodes))[:1]:
                yield _access_point_group(2, Via.NODE_PORT, address, own, workload)


def is_public(mesh: Mesh, workload: Workload, listener: Listener, port: int) -> bool:
    """Whether clients reach a listener from outside under this port of a Service."""
    return exposure(mesh, workload) is Exposure.OUTSIDE and any(
        each.port.port == port and each.target == listener.port
        for each in port_routes(mesh, workload)
    )


def names_to_ask(
    mesh: Mesh, server: Server, listener: Listener, outside: frozenset[str]
) -> Iterator[tuple[str, str]]:
    """Yield the hosts of a server, and the names to ask for: a stand-in under a wildcard."""
    counts: dict[str, int] = {}
    for host in dict.fromkeys(expected_hosts(mesh, server)):
        written = next((each for each in server.names if covers(each, host)), host)
        counts[written] = counts.get(written, 0) + 1
        if host in outside or host in EVERY_NAME or counts[written] > MOST_ROUTED_HOSTS:
            continue
        name = concrete(host)
        if server_like(mesh, listener, server, name) is server:
            yield host, name


def is_for_clients(server: Server) -> bool:
    """Whether others than the proxies of a mesh are served."""
    return server.mode not in OF_THE_MESH


def access_point_by_name(workload: Workload, name: str, port: int) -> AccessPoint:
    """Return the access point at the address that a host's name resolves to."""
    return AccessPoint(via=Via.DNS, port=port, gateway=workload.owner, address=name)


def url_access_points(
    point_group: AccessPointGroup, listeners: Iterable[Listener]
) -> tuple[UrlAccessPoint, ...]:
    """Return the access point of each scheme and port in URLs; 443 is https, whoever ends TLS."""
    speaks_tls = {each.port: each.is_tls for each in listeners}
    found = {
        ("https" if speaks_tls.get(target) or named == 443 else "http", named): access_point
        for named, target, access_point in reversed(point_group.ports)
    }
    return tuple(
        UrlAccessPoint(scheme=scheme, port=port, access_point=access_point)
        for (scheme, port), access_point in sorted(found.items(), key=lambda each: each[0])
    )


def url_access_points_by_name(workload: Workload, name: str) -> tuple[UrlAccessPoint, ...]:
    """Return the access points of URLs without a port: 80 and 443 of where the name resolves."""
    return tuple(
        UrlAccessPoint(
            scheme=scheme, port=port, access_point=access_point_by_name(workload, name, port)
        )
        for scheme, port in DEFAULT_PORTS.items()
    )


def url_of(scheme: str, name: str, port: int, path: str = "/") -> str:
    """Return a URL, its port only where it says something."""
    place = name if port == DEFAULT_PORTS[scheme] else f"{name}:{port}"
    return f"{scheme}://{place}{path}"


def addresses_of(service: Service) -> tuple[str, ...]:
    """Return the addresses of a Service's load balancer, and its external ones."""
    given = service.status.load_balancer.ingress if service.spec.type == "LoadBalancer" else ()
    found = (*(each.ip or each.hostname for each in given), *service.spec.external_ips)
    return tuple(dict.fromkeys(filter(None, found)))


def _answers(pod: Pod) -> bool:
    return pod.status.phase in ("", "Running") and pod_is_ready(pod)


def _access_point_group(
    rank: int, via: Via, address: str, routes: list[PortRoute], workload: Workload
) -> AccessPointGroup:
    ports = []
    for route in routes:
        port = route.port.node_port if via is Via.NODE_PORT else route.port.port
        if port and route.target:
            access_point = AccessPoint(
                via=via,
                port=port,
                gateway=workload.owner,
                service=route.service.ref,
                address=address,
            )
            ports.append((port, route.target, access_point))
    return AccessPointGroup(rank=rank, via=via, ports=tuple(ports))
