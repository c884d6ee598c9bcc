"""What load balancers of Services were told: where to ask for health, which names to carry."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.exposure.services import Exposure, exposure
from istiodoctor.mesh.gateways.listeners import listeners, servers_by_workload
from istiodoctor.mesh.hosts import covers
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.service_ports import services_of, target_port
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ref import Place
from istiodoctor.model.services import Service

AWS = "service.beta.kubernetes.io/aws-load-balancer-"
CHECK_PORT, CHECK_PATH = f"{AWS}healthcheck-port", f"{AWS}healthcheck-path"
CHECK_PROTOCOL = f"{AWS}healthcheck-protocol"
TRAFFIC_PORT = "traffic-port"
READY_PORT, READY_PATH = 15021, "/healthz/ready"
"""Where a gateway pod says that it is ready, and nowhere else."""
AGENT_PORTS = frozenset({15020, READY_PORT, 15090})
DNS_NAME = "external-dns.alpha.kubernetes.io/hostname"
NODE_PORTS = range(30000, 32768)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HealthCheck:
    """A load balancer that asks a gateway for its health where nothing says so."""

    service: Service
    place: Place
    """The annotation that sends it there."""
    asked: str
    """The port as written."""
    path: str
    leads_nowhere: bool
    """Nothing listens on the port; else something does that does not know the path."""
    is_plain_to_tls: bool
    """It asks in plain HTTP, and on some port TLS is spoken."""
    workload: Workload
    hosts: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MisdirectedName:
    """A DNS name on the Service of a gateway that does not serve it, while another one does."""

    service: Service
    place: Place
    host: str
    workload: Workload
    """Where the name leads."""
    serving: Workload
    """Where it is served."""
    right: Service
    """The Service of that one."""


@question
def failing_health_checks(mesh: Mesh) -> tuple[HealthCheck, ...]:
    """Return the health checks that AWS load balancers of gateways cannot pass."""
    open_ports: dict[Workload, set[int]] = defaultdict(set)
    tls_ports: dict[Workload, set[int]] = defaultdict(set)
    for listener in listeners(mesh):
        open_ports[listener.workload].add(listener.port)
        if listener.is_tls:
            tls_ports[listener.workload].add(listener.port)
    return tuple(
        failing
        for workload, servers in servers_by_workload(mesh).items()
        if workload.is_known
        for service in services_of(mesh, workload)
        if service.spec.type == "LoadBalancer"
        for failing in _failing(
            service,
            workload,
            frozenset(open_ports[workload]),
            frozenset(tls_ports[workload]),
            frozenset(name for server in servers for name in server.names),
        )
    )


@question
def misdirected_names(mesh: Mesh) -> tuple[MisdirectedName, ...]:
    """Return the DNS names that external-dns gives to the wrong one of several gateways."""
    return tuple(_misdirected_names(mesh))


def _misdirected_names(mesh: Mesh) -> Iterator[MisdirectedName]:
    public = [
        workload
        for workload in servers_by_workload(mesh)
        if workload.is_known and exposure(mesh, workload) is Exposure.OUTSIDE
    ]
    if len(public) < 2:
        return
    names = _names_by_workload(mesh)
    for workload in public:
        for service, host in _dns_names(mesh, workload):
            if _serves(names, workload, host):
                continue
            serving = next((each for each in public if _serves(names, each, host)), None)
            right = _balancers(mesh, serving) if serving else ()
            if serving and right and not any(host in dns_names(each) for each in right):
                yield MisdirectedName(
                    service=service,
                    place=service.at(_annotation(DNS_NAME)),
                    host=host,
                    workload=workload,
                    serving=serving,
                    right=right[0],
                )


@question
def _names_by_workload(mesh: Mesh) -> Mapping[Workload, tuple[str, ...]]:
    return {
        workload: tuple({name for server in servers for name in server.names})
        for workload, servers in servers_by_workload(mesh).items()
    }


def _balancers(mesh: Mesh, workload: Workload) -> tuple[Service, ...]:
    return tuple(each for each in services_of(mesh, workload) if each.spec.type == "LoadBalancer")


def _dns_names(mesh: Mesh, workload: Workload) -> Iterator[tuple[Service, str]]:
    for service in _balancers(mesh, workload):
        for host in dns_names(service):
            yield service, host


def dns_names(service: Service) -> tuple[str, ...]:
    """Return the names that external-dns makes records of for a Service."""
    written = service.metadata.annotations.get(DNS_NAME, "").split(",")
    return tuple(filter(None, (each.strip().rstrip(".").lower() for each in written)))


def _serves(names: Mapping[Workload, tuple[str, ...]], workload: Workload, host: str) -> bool:
    return any(covers(each, host) or covers(host, each) for each in names.get(workload, ()))


def _failing(
    service: Service,
    workload: Workload,
    listening: frozenset[int],
    speaking_tls: frozenset[int],
    hosts: frozenset[str],
) -> Iterator[HealthCheck]:
    annotations = service.metadata.annotations
    asked = annotations.get(CHECK_PORT, TRAFFIC_PORT).strip()
    path = annotations.get(CHECK_PATH, "").strip()
    targets = _targets(service, workload, asked, listening)
    if targets is None:
        return
    is_plain = annotations.get(CHECK_PROTOCOL, "").strip().lower() == "http"
    # With Local and no port of its own the controller asks the node (healthCheckNodePort).
    asks_node = service.spec.external_traffic_policy == "Local" and CHECK_PORT not in annotations
    is_plain_to_tls = is_plain and not asks_node and bool(targets & speaking_tls)
    if targets and not is_plain_to_tls and (path != READY_PATH or READY_PORT in targets):
        return
    annotation = CHECK_PROTOCOL if is_plain_to_tls else CHECK_PATH if targets else CHECK_PORT
    yield HealthCheck(
        service=service,
        place=service.at(_annotation(annotation)),
        asked=asked,
        path=path,
        leads_nowhere=not targets,
        is_plain_to_tls=is_plain_to_tls,
        workload=workload,
        hosts=hosts,
    )


def _targets(
    service: Service, workload: Workload, asked: str, listening: frozenset[int]
) -> frozenset[int] | None:
    """Return the ports in the pod that a health check may reach; None when it cannot be told."""
    ports = service.spec.ports
    if asked == TRAFFIC_PORT:
        return frozenset(target_port(each, workload) for each in ports) or None
    if not asked.isdecimal() or len(asked) > 5:
        return None
    number = int(asked)
    if service.spec.external_traffic_policy == "Local" and number in NODE_PORTS:
        return None  # the node itself may answer there (healthCheckNodePort)
    declared = {
        each.container_port
        for container in (*workload.spec.containers, *workload.spec.init_containers)
        for each in container.ports
    }
    by_node = {target_port(each, workload) for each in ports if each.node_port == number}
    by_pod = {number} & (AGENT_PORTS | listening | declared)
    without_node_ports = number in NODE_PORTS and not any(each.node_port for each in ports)
    return None if without_node_ports else frozenset(by_node | by_pod)


def _annotation(name: str) -> str:
    return f"/metadata/annotations/{name.replace('/', '~1')}"
