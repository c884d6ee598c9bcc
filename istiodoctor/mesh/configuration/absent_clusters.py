"""Clusters that a workload does not get, or may not get, and the reason."""

from istiodoctor.mesh.configuration.cluster import (
    Cluster,
    ClusterFault,
    ClusterName,
    ClusterState,
)
from istiodoctor.mesh.configuration.missing_services import may_be_of_other_domain, why_missing
from istiodoctor.mesh.configuration.registry_service import Registry, RegistryService
from istiodoctor.mesh.configuration.scope import Scope
from istiodoctor.mesh.configuration.service_registry import (
    service_entries_are_known,
    services_of_hostname,
    unread_service,
)
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ref import Ref

MOST_NAMED = 5
"""How many ports a reason lists."""


def no_cluster(
    name: str, reason: str, service: Ref | None = None, fault: ClusterFault | None = None
) -> Cluster:
    """Return a cluster that the workload does not get."""
    return Cluster(
        name=name,
        state=ClusterState.NO_CLUSTER,
        reason=reason,
        service=service,
        fault=fault,
    )


def unknown_cluster(
    name: str, reason: str, service: Ref | None = None, fault: ClusterFault | None = None
) -> Cluster:
    """Return a cluster that may be there or not; with a service, one whose endpoints may be."""
    return Cluster(
        name=name, state=ClusterState.UNKNOWN, reason=reason, service=service, fault=fault
    )


def without_service(mesh: Mesh, workload: Workload, scope: Scope, parts: ClusterName) -> Cluster:
    """Say why there is no service, where that is certain."""
    missing, name = why_missing(mesh, scope, parts.host), str(parts)
    unread = unread_service(mesh, workload, parts.host)
    known = services_of_hostname(mesh, scope, parts.host)
    if not unread and known and not scope.namespace_is_known:
        unread = "the namespace that the gateway runs in is not known"
    if not unread and may_be_of_other_domain(mesh, scope, parts.host):
        unread = f"no istiod was found that says whether {parts.host} is of the cluster's domain"
    if not unread and scope.unread and any(each.export_to is None for each in known):
        unread = scope.unread
    if unread:
        reason = f"{missing.reason}, and {unread}" if known else unread
        return unknown_cluster(name, reason, fault=missing.fault)
    return no_cluster(name, missing.reason, missing.service, missing.fault)


def without_port(mesh: Mesh, service: RegistryService, parts: ClusterName) -> Cluster:
    """Return the cluster of a port that a service does not have."""
    if any(each.number == parts.port for each in service.ports):
        reason = f"port {parts.port} of {service.ref} is of UDP"
        return no_cluster(str(parts), reason, service.ref, ClusterFault.NO_PORT)
    ports = [str(each.number) for each in service.clustered_ports]
    named = ", ".join(ports[:MOST_NAMED]) + (", …" if len(ports) > MOST_NAMED else "")
    reason = f"{service.ref} has no port {parts.port}{f', only {named}' if ports else ''}"
    if service.registry is Registry.SERVICE_ENTRY and not service_entries_are_known(mesh):
        reason += ", and not every ServiceEntry was read"
        return unknown_cluster(str(parts), reason, fault=ClusterFault.NO_PORT)
    return no_cluster(str(parts), reason, service.ref, ClusterFault.NO_PORT)
