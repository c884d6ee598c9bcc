"""Destinations of routes whose requests reach nothing, by what their clusters lack."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from istiodoctor.mesh.configuration.cluster import (
    Cluster,
    ClusterFault,
    ClusterName,
    ClusterState,
)
from istiodoctor.mesh.configuration.clusters import cluster
from istiodoctor.mesh.configuration.destination_uses import DestinationUse
from istiodoctor.mesh.configuration.registry_service import (
    RegistryService,
)
from istiodoctor.mesh.configuration.routed_clusters import (
    RoutedCluster,
    registry_service_of,
    routed_clusters,
)
from istiodoctor.mesh.configuration.service_endpoints import has_ready_endpoint
from istiodoctor.mesh.configuration.service_registry import (
    EXTERNAL_NAME,
    has_no_service,
)
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.kind import Kind

NO_SUCH_NAME = frozenset(
    {ClusterFault.NO_SERVICE, ClusterFault.WILDCARD_ONLY, ClusterFault.ALIAS_OF_NOTHING}
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FailedDestination:
    """A destination whose requests reach nothing at a gateway workload."""

    use: DestinationUse
    routed: RoutedCluster
    cluster: Cluster

    @property
    def is_sure(self) -> bool:
        """Whether nothing that was not read may serve it all the same."""
        return self.cluster.state is not ClusterState.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PortFault:
    """A destination whose port is none of its service's."""

    use: DestinationUse
    service: RegistryService
    names: tuple[ClusterName, ...]
    """The clusters that Envoy would need: without a number one for each server's port."""

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports that are asked for."""
        return tuple(sorted(each.port for each in self.names))


@question
def destinations_without_service(mesh: Mesh) -> tuple[FailedDestination, ...]:
    """Return destinations of a host that is no service which istiod knows.

    Those too of a Service that does not exist, where a ServiceEntry may have its name: their
    cluster is unknown.
    """
    return tuple(
        each
        for each in _without_service(mesh)
        if each.cluster.fault in NO_SUCH_NAME
        and (each.is_sure or has_no_service(mesh, each.routed.workload, each.routed.name.host))
    )


@question
def destinations_not_exported(mesh: Mesh) -> tuple[FailedDestination, ...]:
    """Return destinations of services that are not exported to the gateway's namespace."""
    return tuple(
        each
        for each in _without_service(mesh)
        if each.is_sure and each.cluster.fault is ClusterFault.NOT_EXPORTED
    )


@question
def _without_service(mesh: Mesh) -> tuple[FailedDestination, ...]:
    absent = clusters_of_no_known_service(mesh)
    return tuple(_failed(mesh, absent, ClusterState.NO_CLUSTER, ClusterState.UNKNOWN))


@question
def clusters_of_no_known_service(mesh: Mesh) -> tuple[RoutedCluster, ...]:
    """Return the clusters of routes whose host is that of nothing that was read."""
    return tuple(
        each
        for each in routed_clusters(mesh)
        if each.kubernetes_service is None and registry_service_of(mesh, each) is None
    )


@question
def port_faults(mesh: Mesh) -> tuple[PortFault, ...]:
    """Return destinations of a port that their service does not have."""
    absent = (
        each
        for each in routed_clusters(mesh)
        if (each.service_port is None or each.service_port.protocol == "UDP")
        and (service := registry_service_of(mesh, each))
        and service.port(each.name.port) is None
    )
    found: dict[tuple[DestinationUse, RegistryService], dict[ClusterName, None]] = {}
    for each in _failed(mesh, absent, ClusterState.NO_CLUSTER):
        service = registry_service_of(mesh, each.routed)
        if each.cluster.fault is ClusterFault.NO_PORT and service:
            key = (each.use, service)
            found.setdefault(key, {})[each.routed.name] = None
    return tuple(
        PortFault(use=use, service=service, names=tuple(names))
        for (use, service), names in found.items()
    )


@question(Kind.DESTINATION_RULE)
def destinations_without_subset(mesh: Mesh) -> tuple[FailedDestination, ...]:
    """Return destinations of a subset that no DestinationRule in force defines.

    Those too for which a rule may not have been read: their cluster is unknown.
    """
    absent = (each for each in routed_clusters(mesh) if each.name.subset)
    return tuple(
        each
        for each in _failed(mesh, absent, ClusterState.NO_CLUSTER, ClusterState.UNKNOWN)
        if each.cluster.fault is ClusterFault.NO_SUBSET
    )


@question(Kind.ENDPOINT_SLICE, Kind.POD, Kind.WORKLOAD_ENTRY)
def destinations_without_endpoints(mesh: Mesh) -> tuple[FailedDestination, ...]:
    """Return destinations of Services whose clusters have no endpoint that takes requests.

    Only where the slices of a Service show none for the port, or a subset takes a part of them,
    is its cluster looked at.
    """
    suspects = (
        each
        for each in routed_clusters(mesh)
        if (service := each.kubernetes_service)
        and service.spec.type != EXTERNAL_NAME
        and (port := each.service_port)
        and (each.name.subset or has_ready_endpoint(mesh, service, port.name) is False)
    )
    return tuple(
        each
        for each in _failed(mesh, suspects, ClusterState.NO_ENDPOINT)
        if not each.use.is_unused
    )


def _failed(
    mesh: Mesh, suspects: Iterable[RoutedCluster], *states: ClusterState
) -> Iterator[FailedDestination]:
    """Yield the destinations of those clusters that are in a state, each once."""
    seen: set[tuple[DestinationUse, str]] = set()
    for routed in suspects:
        found = cluster(mesh, routed.workload, str(routed.name))
        if (found.state_here or found.state) in states:
            for use in routed.uses:
                if (use, found.name) not in seen:
                    seen.add((use, found.name))
                    yield FailedDestination(use=use, routed=routed, cluster=found)
