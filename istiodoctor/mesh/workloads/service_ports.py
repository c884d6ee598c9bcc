"""Which Services lead to a gateway's pods, and to which of their ports."""

from collections import defaultdict
from collections.abc import Mapping

from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.kind import Kind
from istiodoctor.model.services import Service, ServicePort


@question(Kind.SERVICE)
def _services_by_label(mesh: Mesh) -> Mapping[tuple[str, str, str], tuple[Service, ...]]:
    """Return the Services by namespace and the first label of their selectors."""
    index: dict[tuple[str, str, str], list[Service]] = defaultdict(list)
    for service in mesh.all(Service):
        if service.spec.selector:
            index[(service.namespace, *min(service.spec.selector.items()))].append(service)
    return {label: tuple(found) for label, found in index.items()}


@question(Kind.SERVICE)
def service_named(mesh: Mesh, namespace: str, name: str) -> Service | None:
    """Return one Service."""
    return mesh.get(Service, namespace, name)


@question
def services_of(mesh: Mesh, workload: Workload) -> tuple[Service, ...]:
    """Return the Services whose selector takes a workload's pods, in istiod's order."""
    index = _services_by_label(mesh)
    found = (
        service
        for label in workload.labels.items()
        for service in index.get((workload.namespace, *label), ())
        if service.spec.selector.items() <= workload.labels.items()
    )
    return tuple(sorted(found, key=lambda each: each.age_order))


@question
def listening_ports(mesh: Mesh, workload: Workload, port: int) -> tuple[int, ...]:
    """Return the port on which Envoy listens for a server's port (istiod's `resolvePorts`).

    The first Service that has the port decides, by its targetPort; without one it is the
    port itself.
    """
    for service in services_of(mesh, workload):
        if "experimental.istio.io/disable-gateway-port-translation" in service.metadata.labels:
            continue
        for each in service.spec.ports:
            if each.port == port:
                return (target_port(each, workload),)
    return (port,)


@question(Kind.SERVICE)
def knows_listening_ports(mesh: Mesh, workload: Workload, port: int) -> bool:
    """Whether it is known where Envoy listens for a server's port.

    Where no Service was seen that has the port, it is the port itself only if there is none.
    """
    return mesh.is_complete(Kind.SERVICE, workload.namespace) or any(
        each.port == port for service in services_of(mesh, workload) for each in service.spec.ports
    )


def target_port(port: ServicePort, workload: Workload) -> int:
    """Return the number of a Service port's target, following a named container port."""
    if port.target_number is not None:
        return port.target_number
    named = (
        declared.container_port
        for container in (*workload.spec.containers, *workload.spec.init_containers)
        for declared in container.ports
        if declared.name == port.target_port
    )
    return next(named, port.port)


@question
def ports_sharing_target(
    mesh: Mesh, workload: Workload, port: int
) -> tuple[tuple[Service, tuple[int, ...]], ...]:
    """Return Services that send several of their ports to one port in the pod."""
    found = []
    for service in services_of(mesh, workload):
        ports = tuple(
            each.port for each in service.spec.ports if target_port(each, workload) == port
        )
        if len(ports) > 1:
            found.append((service, ports))
    return tuple(found)
