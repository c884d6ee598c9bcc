"""Backends whose targetPort is a name that no container has."""

from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.finding import Severity
from istiodoctor.mesh.configuration.backend_uses import backend_uses
from istiodoctor.mesh.configuration.routed_clusters import routed_clusters
from istiodoctor.mesh.configuration.scope import scope_of
from istiodoctor.mesh.configuration.service_endpoints import has_ready_endpoint
from istiodoctor.mesh.configuration.service_registry import scope_service
from istiodoctor.mesh.configuration.upstream_tls import workloads_behind
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place
from istiodoctor.model.services import Service, ServicePort
from istiodoctor_checks._destinations import severity_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnnamedPort:
    """A port of a backend's Service that leads to a name no container has."""

    service: Service
    port: ServicePort
    route: Place
    """The destination that means it."""
    hosts: tuple[str, ...]
    severity: Severity
    names: tuple[str, ...]
    """How the containers call their ports."""
    workloads: tuple[Workload, ...]
    is_sure: bool
    """Whether all pods behind the Service are known."""


@question
def unnamed_ports(mesh: Mesh) -> tuple[UnnamedPort, ...]:
    """Return the ports of backends that no container of theirs has by name.

    The endpoints controller leaves such pods out of the port's endpoints (pkg/controller/util/
    endpointslice, `FindPort`). Silent where EndpointSlices show an endpoint all the same.
    """
    return tuple(
        found
        for service, number, route, hosts, severity in _destinations(mesh)
        if (found := _unnamed(mesh, service, number, route, hosts, severity))
    )


def _destinations(
    mesh: Mesh,
) -> Iterator[tuple[Service, int, Place, tuple[str, ...], Severity]]:
    for routed in routed_clusters(mesh):
        service = routed.kubernetes_service
        for use in routed.uses if service and _has_names(service) else ():
            hosts = use.virtual_service.spec.hosts
            if service:
                yield service, routed.name.port, use.place, hosts, severity_of(use)
    for backend in backend_uses(mesh):
        name = backend.cluster_name
        found = scope_service(mesh, scope_of(mesh, backend.workload), name.host)
        if found and isinstance(found.source, Service) and _has_names(found.source):
            severity = Severity.CRITICAL if backend.is_whole else Severity.HIGH
            yield found.source, name.port, backend.place, backend.hosts, severity


def _has_names(service: Service) -> bool:
    return any(isinstance(each.target_port, str) for each in service.spec.ports)


@question(Kind.POD)
def _pods_are_known(mesh: Mesh, namespace: str) -> bool:
    return mesh.is_complete(Kind.POD, namespace)


def _unnamed(
    mesh: Mesh,
    service: Service,
    number: int,
    route: Place,
    hosts: tuple[str, ...],
    severity: Severity,
) -> UnnamedPort | None:
    port = next((each for each in service.spec.ports if each.port == number), None)
    if port is None or port.target_number is not None or port.target_port is None:
        return None
    behind = workloads_behind(mesh, service)
    names = dict.fromkeys(
        declared.name
        for workload in behind
        for container in (*workload.spec.containers, *workload.spec.init_containers)
        for declared in container.ports
        if declared.name
    )
    if not behind or str(port.target_port) in names:
        return None
    if has_ready_endpoint(mesh, service, port.name):
        return None
    has_pods = all(each.pods for each in behind)
    return UnnamedPort(
        service=service,
        port=port,
        route=route,
        hosts=hosts,
        severity=severity,
        names=tuple(names),
        workloads=behind,
        is_sure=has_pods and _pods_are_known(mesh, service.namespace),
    )
