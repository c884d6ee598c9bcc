"""Which service a gateway workload takes a hostname for.

Source: `initServiceRegistry` (pilot/pkg/model/push_context.go:1547), `appendSidecarServices`
(pilot/pkg/model/sidecar.go:1019), `buildNameToServiceMapForHTTPRoutes`
(pilot/pkg/networking/core/gateway.go:348).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from istiodoctor.mesh.configuration.registry_service import (
    EVERY_NAMESPACE,
    EXPORT_ANNOTATION,
    Registry,
    RegistryService,
    hosts_of,
    kubernetes_service,
    service_entry_service,
)
from istiodoctor.mesh.configuration.scope import Scope, scope_of
from istiodoctor.mesh.configuration.visibility import Audience, audience, is_visible
from istiodoctor.mesh.hosts import parents
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import Destination, ServiceEntry
from istiodoctor.model.kind import Kind
from istiodoctor.model.services import Service

EXTERNAL_NAME = "ExternalName"
UNKNOWN_SERVICE = "UnknownService"
"""The name of a cluster that no gateway has: that of an invalid backendRef."""


def service_for(
    mesh: Mesh, workload: Workload, hostname: str, namespace: str
) -> RegistryService | None:
    """Return the service that a HTTP route of a namespace takes a hostname for.

    The namespace's own one first, if the workload may see it, then the workload's choice
    (`buildNameToServiceMapForHTTPRoutes`, core/gateway.go:348). None too where it was not read:
    `unread_service` tells.
    """
    scope = scope_of(mesh, workload)
    own = _first_of_namespace(services_of_hostname(mesh, scope, hostname), namespace)
    if own and is_visible(exports(own, scope), own.namespace, scope.namespace):
        return own
    return scope_service(mesh, scope, hostname)


def service_for_connection(
    mesh: Mesh, workload: Workload, hostname: str
) -> RegistryService | None:
    """Return the service that a TCP or TLS route takes a hostname for.

    Its own namespace makes no difference (`buildOutboundNetworkFilters`, networkfilter.go:365).
    """
    return scope_service(mesh, scope_of(mesh, workload), hostname)


def destination_cluster_name(
    destination: Destination, service: RegistryService | None, listener_port: int
) -> str:
    """Return the cluster that a route leads to (`GetDestinationCluster`, core/route/route.go:351).

    The destination's host is the full name. Without a port of its own it gets the service's only
    one, else the listener's: for HTTP the port that the routes are made for
    (core/gateway.go:474-498), for TCP and TLS the server's own (core/gateway.go:860, 925).
    """
    if not destination.host:
        return UNKNOWN_SERVICE
    host = (service.external_name if service else "") or destination.host
    port = listener_port
    if destination.port is not None:
        port = destination.port.number
    elif service and len(service.ports) == 1:
        port = service.ports[0].number
    return f"outbound|{port}|{destination.subset}|{host}"


@question(Kind.SERVICE_ENTRY)
def service_entries_by_host(mesh: Mesh) -> Mapping[str, tuple[ServiceEntry, ...]]:
    """Return the ServiceEntries by each of their hosts, as these are written."""
    found: dict[str, list[ServiceEntry]] = defaultdict(list)
    for entry in mesh.all(ServiceEntry):
        for host in hosts_of(entry):
            found[host].append(entry)
    return {host: tuple(entries) for host, entries in found.items()}


@question
def is_service_entry_host(mesh: Mesh, host: str) -> bool:
    """Whether a ServiceEntry has a host, if only under a wildcard."""
    by_host = service_entries_by_host(mesh)
    return bool(by_host) and any(each in by_host for each in (host, *parents(host)))


@question(Kind.SERVICE_ENTRY)
def service_entries_are_known(mesh: Mesh) -> bool:
    """Whether a ServiceEntry that is not here does not exist."""
    return mesh.is_complete(Kind.SERVICE_ENTRY)


@question(Kind.SERVICE, evidence=[service_entries_are_known])
def unread_service(mesh: Mesh, workload: Workload, hostname: str) -> str:
    """Return what was not read and could be the service of a hostname; empty where nothing."""
    scope = scope_of(mesh, workload)
    found = kubernetes_name(hostname, scope.domain_suffix)
    if found and not mesh.is_complete(Kind.SERVICE, found[1], found[0]):
        why = "is not among the files" if mesh.snapshot.is_plain else "was not read"
        return f"Service {found[1]}/{found[0]} {why}"
    return "" if service_entries_are_known(mesh) else "not every ServiceEntry was read"


@question(Kind.SERVICE)
def has_no_service(mesh: Mesh, workload: Workload, hostname: str) -> bool:
    """Whether a hostname is the full name of a Service that is known not to exist.

    A ServiceEntry that was not read may have the name all the same; hardly any does.
    """
    found = kubernetes_name(hostname, scope_of(mesh, workload).domain_suffix)
    if found is None:
        return False
    name, namespace = found
    is_known = mesh.is_complete(Kind.SERVICE, namespace, name)
    return is_known and mesh.get(Service, namespace, name) is None


@question(Kind.SERVICE, evidence=[service_entries_by_host])
def services_of_hostname(mesh: Mesh, scope: Scope, hostname: str) -> tuple[RegistryService, ...]:
    """Return every service of a hostname that istiod knows, the oldest first."""
    entries = service_entries_by_host(mesh).get(hostname, ())
    found = [service_entry_service(entry, hostname) for entry in entries]
    name = kubernetes_name(hostname, scope.domain_suffix)
    service = mesh.get(Service, name[1], name[0]) if name else None
    if service:
        found.append(
            kubernetes_service(
                service, scope.domain_suffix, has_aliases=scope.has_external_name_aliases
            )
        )
    known = (each for each in found if each.namespace not in scope.hidden_namespaces)
    return tuple(sorted(known, key=lambda each: each.age))


def undisputed_services(mesh: Mesh, scope: Scope) -> Mapping[str, Service]:
    """Return, by full name, the Services that are taken for that name whoever asks.

    Exported to everybody, no aliases, and no ServiceEntry has the name: nearly all.
    """
    if EVERY_NAMESPACE not in scope.service_export_to:
        return {}
    return _undisputed_services(mesh, scope.domain_suffix, scope.hidden_namespaces)


@question(Kind.SERVICE, evidence=[service_entries_by_host])
def _undisputed_services(
    mesh: Mesh, domain_suffix: str, hidden_namespaces: frozenset[str]
) -> Mapping[str, Service]:
    by_host = service_entries_by_host(mesh)
    return {
        hostname: each
        for each in mesh.all(Service)
        if EXPORT_ANNOTATION not in each.metadata.annotations
        and each.spec.type != EXTERNAL_NAME
        and each.namespace not in hidden_namespaces
        and (hostname := f"{each.name}.{each.namespace}.svc.{domain_suffix}") not in by_host
    }


@question
def scope_service(mesh: Mesh, scope: Scope, hostname: str) -> RegistryService | None:
    """Return the one service that clusters are made of for a hostname, its ports merged."""
    seen: list[tuple[Audience, RegistryService]] = []
    for each in services_of_hostname(mesh, scope, hostname):
        found = audience(exports(each, scope), each.namespace, scope.namespace)
        if found is not None:
            seen.append((found, each))
    seen.sort(key=lambda each: each[0])
    taken = chosen(each for _, each in seen)
    if taken is None or taken.registry is Registry.KUBERNETES or len(seen) == 1:
        return taken
    rivals = tuple(each for _, each in seen if _may_be_older(each, taken))
    return replace(taken, rivals=rivals) if rivals else taken


def chosen(services: Iterable[RegistryService]) -> RegistryService | None:
    """Return which of the services of one hostname is taken (`appendSidecarServices`).

    Kubernetes before ServiceEntries, then the first; ports of more ServiceEntries that are like
    it in all else are added.
    """
    taken: RegistryService | None = None
    for each in services:
        if taken is None or _replaces(each, taken):
            taken = each
        elif taken.ports != each.ports and _is_alike(taken, each):
            numbers = {port.number for port in taken.ports}
            added = (port for port in each.ports if port.number not in numbers)
            taken = replace(taken, ports=(*taken.ports, *added))
    return taken


def exports(service: RegistryService, scope: Scope) -> frozenset[str]:
    """Return to whom a service is exported (`serviceExportTo`, push_context.go:1085)."""
    return scope.service_export_to if service.export_to is None else service.export_to


def kubernetes_name(hostname: str, domain_suffix: str) -> tuple[str, str] | None:
    """Return name and namespace of the Service that a hostname is the full name of."""
    stem = hostname.removesuffix(f".svc.{domain_suffix}")
    name, _, namespace = stem.rpartition(".")
    return (name, namespace) if stem != hostname and name and namespace else None


def _replaces(each: RegistryService, taken: RegistryService) -> bool:
    return each.registry is Registry.KUBERNETES and taken.registry is not Registry.KUBERNETES


def _is_alike(one: RegistryService, other: RegistryService) -> bool:
    """Whether the ports of two services are merged (`canMergeServices`, sidecar.go:1105)."""
    return (
        one.namespace == other.namespace
        and one.registry is other.registry
        and one.resolution is other.resolution
        and one.export_to == other.export_to
        and one.source.metadata.labels == other.source.metadata.labels
        and _selector(one) == _selector(other)
    )


def _may_be_older(each: RegistryService, taken: RegistryService) -> bool:
    """Whether another ServiceEntry may come first, and would make other clusters.

    Of one age those of one namespace have no order (push_context.go:1760), and without creation
    times, as in manifests, none has.
    """
    created, _, namespace, _ = each.age
    if created != taken.age[0] or (created and namespace != taken.namespace):
        return False
    if each.ref == taken.ref or _is_alike(each, taken):
        return False
    same_clusters = namespace == taken.namespace and each.resolution is taken.resolution
    return not (same_clusters and each.ports == taken.ports)


def _selector(service: RegistryService) -> Mapping[str, str]:
    match service.source:
        case ServiceEntry() as entry:
            selector = entry.spec.workload_selector
            return selector.labels if selector else {}
        case source:
            return source.spec.selector


def _first_of_namespace(
    services: Iterable[RegistryService], namespace: str
) -> RegistryService | None:
    """Return what `HostnameAndNamespace` holds: without merged ports (push_context.go:1581)."""
    taken: RegistryService | None = None
    for each in services:
        if each.namespace == namespace and (taken is None or _replaces(each, taken)):
            taken = each
    return taken
