"""The clusters that routes lead to at each gateway workload, whether or not they are there."""

from collections.abc import Iterable, Mapping

from msgspec.structs import force_setattr

from istiodoctor.mesh.configuration.bindings import is_visible, servers_of
from istiodoctor.mesh.configuration.cluster import (
    ClusterName,
)
from istiodoctor.mesh.configuration.destination_uses import DestinationUse, destination_uses
from istiodoctor.mesh.configuration.registry_service import (
    RegistryService,
)
from istiodoctor.mesh.configuration.scope import scope_of
from istiodoctor.mesh.configuration.service_registry import (
    destination_cluster_name,
    scope_service,
    service_for,
    service_for_connection,
    undisputed_services,
)
from istiodoctor.mesh.configuration.virtual_services import virtual_services
from istiodoctor.mesh.gateways.listeners import listeners_of
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.names import MESH
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import VirtualService
from istiodoctor.model.kind import Kind
from istiodoctor.model.services import Service, ServicePort
from istiodoctor.model.value import Value

Parts = tuple[int, str, str]
"""Port, subset and host of a cluster."""


class RoutedCluster(Value, frozen=True, kw_only=True, eq=False):
    """A cluster that routes lead to at one gateway workload, whether or not it is there."""

    workload: Workload
    name: ClusterName
    kubernetes_service: Service | None
    """The Service that it is made for, where it is one."""
    uses: tuple[DestinationUse, ...]
    """The destinations that mean it, of the older VirtualService first."""
    service_port: ServicePort | None = None
    """The port of that Service: worked out, never given."""

    def __post_init__(self) -> None:
        service = self.kubernetes_service
        ports = service.spec.ports if service else ()
        found = next((each for each in ports if each.port == self.name.port), None)
        force_setattr(self, "service_port", found)  # many checks ask for it

    def uses_of(self, protocol: str) -> tuple[DestinationUse, ...]:
        """Return those of the rules of one protocol."""
        return tuple(each for each in self.uses if each.protocol == protocol)


@question(Kind.SERVICE, Kind.SERVICE_ENTRY, evidence=[listeners_of])
def routed_clusters(mesh: Mesh) -> tuple[RoutedCluster, ...]:
    """Return every cluster that the routes of live servers lead to, each once for a workload.

    Where pods were not read, stand-ins for them are the workloads.
    """
    found: dict[tuple[Workload, Parts], list[DestinationUse]] = {}
    for source in virtual_services(mesh):
        if not any(text != MESH for text in source.spec.gateways):
            continue
        for workload, servers in _serving(mesh, source).items():
            known = _undisputed(mesh, workload)
            ports = _ports(servers)
            for use in destination_uses(mesh, source):
                own = ports[use.protocol == "http"]
                for parts in _clusters_of(mesh, workload, own, use, known):
                    found.setdefault((workload, parts), []).append(use)
    return tuple(
        RoutedCluster(
            workload=workload,
            name=ClusterName(port=port, subset=subset, host=host),
            kubernetes_service=_undisputed(mesh, workload).get(host)
            or _kubernetes_service(mesh, workload, host),
            uses=tuple(uses),
        )
        for (workload, (port, subset, host)), uses in found.items()
    )


def registry_service_of(mesh: Mesh, routed: RoutedCluster) -> RegistryService | None:
    """Return what a cluster is made for; None where the workload sees nothing of that name."""
    return scope_service(mesh, scope_of(mesh, routed.workload), routed.name.host)


@question
def _undisputed(mesh: Mesh, workload: Workload) -> Mapping[str, Service]:
    return undisputed_services(mesh, scope_of(mesh, workload))


def _kubernetes_service(mesh: Mesh, workload: Workload, host: str) -> Service | None:
    found = scope_service(mesh, scope_of(mesh, workload), host)
    return found.source if found and isinstance(found.source, Service) else None


def _serving(mesh: Mesh, source: VirtualService) -> Mapping[Workload, list[Server]]:
    """Return the workloads whose pods get a VirtualService, each with the servers it is on."""
    found: dict[Workload, list[Server]] = {}
    for binding in servers_of(mesh).get(source.ref, ()):
        if binding.hosts and not binding.server.https_redirect:
            for listener in listeners_of(mesh, binding.server):
                found.setdefault(listener.workload, []).append(binding.server)
    if not source.spec.export_to:
        return found
    return {
        workload: servers
        for workload, servers in found.items()
        if is_visible(mesh, source, workload) is not False
    }


def _ports(servers: list[Server]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the ports of servers that hand on connections, and of those that route HTTP."""
    of_kind: tuple[dict[int, None], dict[int, None]] = ({}, {})
    for server in servers:
        of_kind[server.routes_http][server.port] = None
    return tuple(of_kind[0]), tuple(of_kind[1])


def _clusters_of(
    mesh: Mesh,
    workload: Workload,
    ports: tuple[int, ...],
    use: DestinationUse,
    known: Mapping[str, Service],
) -> Iterable[Parts]:
    """Return the clusters that a destination means.

    Mostly one: where no number is written, each of the ports of the servers may count.
    """
    destination = use.resolved
    service = known.get(destination.host)
    if service is None:
        return _disputed(mesh, workload, ports, use)
    if ports and destination.port is not None:
        ports = (destination.port.number,)
    elif ports and len(service.spec.ports) == 1:
        ports = (service.spec.ports[0].port,)
    return [(port, destination.subset, destination.host) for port in ports]


def _disputed(
    mesh: Mesh, workload: Workload, ports: tuple[int, ...], use: DestinationUse
) -> Iterable[Parts]:
    """Return the clusters of a name that not everybody takes for the same Service."""
    destination, namespace = use.resolved, use.virtual_service.namespace
    service = (
        service_for(mesh, workload, destination.host, namespace)
        if use.protocol == "http"
        else service_for_connection(mesh, workload, destination.host)
    )
    names = (destination_cluster_name(destination, service, port) for port in ports)
    found = (ClusterName.parsed(name) for name in dict.fromkeys(names))
    return [(each.port, each.subset, each.host) for each in found if each]
