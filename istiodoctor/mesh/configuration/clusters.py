"""Clusters that a gateway workload gets, and whether their endpoints take requests.

Source: `buildOutboundClusters` (pilot/pkg/networking/core/cluster.go:471),
`applyDestinationRule` (pilot/pkg/networking/core/cluster_builder.go:350).
"""

from msgspec.structs import replace

from istiodoctor.mesh.configuration.absent_clusters import (
    no_cluster,
    unknown_cluster,
    without_port,
    without_service,
)
from istiodoctor.mesh.configuration.backend_tls import unread_policies
from istiodoctor.mesh.configuration.backend_tls_policies import policies_are_known
from istiodoctor.mesh.configuration.cluster import (
    Cluster,
    ClusterFault,
    ClusterName,
    ClusterState,
    UpstreamTls,
    UpstreamTlsMode,
)
from istiodoctor.mesh.configuration.cluster_patches import cluster_patches, patch_text
from istiodoctor.mesh.configuration.consolidated_rules import ConsolidatedRule, PlacedSubset
from istiodoctor.mesh.configuration.endpoint_states import (
    Wanted,
    endpoint_state,
    has_name,
    names_of_port,
)
from istiodoctor.mesh.configuration.missing_subsets import missing_subset, unread_rules
from istiodoctor.mesh.configuration.other_clusters import in_all_clusters
from istiodoctor.mesh.configuration.referenced_hosts import (
    hosts_in_virtual_services,
    is_named_by_alias_only,
    virtual_services_are_known,
)
from istiodoctor.mesh.configuration.registry_service import (
    Protocol,
    Registry,
    RegistryPort,
    RegistryService,
    Resolution,
)
from istiodoctor.mesh.configuration.rules_in_force import rule_in_force, rules_for, rules_of_host
from istiodoctor.mesh.configuration.scope import FILTER_VARIABLE, Scope, scope_of
from istiodoctor.mesh.configuration.service_endpoints import backends_of
from istiodoctor.mesh.configuration.service_registry import (
    UNKNOWN_SERVICE,
    scope_service,
    service_entries_are_known,
    services_of_hostname,
)
from istiodoctor.mesh.configuration.traffic_policies import (
    goes_to_original_destination,
    is_made_without_names,
    upstream_tls,
)
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.value import Value

BLACK_HOLE = "BlackHoleCluster"
BY_DNS = frozenset({Resolution.DNS, Resolution.DNS_ROUND_ROBIN})
FORWARDED_BY_NAME = frozenset({Protocol.HTTP, Protocol.HTTP2, Protocol.GRPC, Protocol.TLS})
"""What a wildcard host with resolution DYNAMIC_DNS may speak (cluster.go:488)."""


class Request(Value, frozen=True, kw_only=True):
    """A cluster that is asked for, of a service that the workload sees."""

    workload: Workload
    scope: Scope
    name: ClusterName
    service: RegistryService
    port: RegistryPort

    def answered(self, state: ClusterState, reason: str = "") -> Cluster:
        """Return the cluster in a state."""
        return Cluster(name=str(self.name), state=state, reason=reason, service=self.service.ref)


@question(
    evidence=[
        rules_for,
        backends_of,
        cluster_patches,
        unread_rules,
        rules_of_host,
        service_entries_are_known,
        hosts_in_virtual_services,
        virtual_services_are_known,
        policies_are_known,
    ]
)
def cluster(mesh: Mesh, workload: Workload, name: str) -> Cluster:
    """Return the cluster of a name as a gateway workload would get it."""
    found = in_all_clusters(scope_of(mesh, workload), _made(mesh, workload, name))
    if found.state is ClusterState.UNKNOWN:
        return found
    exists = found.state is not ClusterState.NO_CLUSTER
    for patch in cluster_patches(mesh, workload):
        text = patch_text(patch, name, exists=exists)
        if text and patch.is_merge:
            return replace(found, state=ClusterState.UNKNOWN, reason=text, endpoints=None)
        if text:
            return unknown_cluster(name, text)
    return found


def _made(mesh: Mesh, workload: Workload, name: str) -> Cluster:
    """Return the cluster that istiod makes, before EnvoyFilters change it."""
    if name == BLACK_HOLE:
        reason = "nothing is behind the cluster BlackHoleCluster"
        return Cluster(name=name, state=ClusterState.NO_ENDPOINT, reason=reason, endpoints=0)
    if name == UNKNOWN_SERVICE:
        reason = "the backend that the route refers to is none that istiod accepts"
        return no_cluster(name, reason)
    parts = ClusterName.parsed(name)
    if parts is None:
        return no_cluster(name, f"istiod makes no cluster {name} for a gateway")
    scope = scope_of(mesh, workload)
    service = scope_service(mesh, scope, parts.host)
    if service is None:
        return without_service(mesh, workload, scope, parts)
    found = _of_port(mesh, workload, scope, parts, service)
    for each in service.rivals:
        if _of_port(mesh, workload, scope, parts, each).state is not found.state:
            return unknown_cluster(
                name, f"whether {service.ref} or {each.ref} is older is not known"
            )
    return found


def _of_port(
    mesh: Mesh, workload: Workload, scope: Scope, parts: ClusterName, service: RegistryService
) -> Cluster:
    port = service.port(parts.port)
    if port is None:
        return without_port(mesh, service, parts)
    asked = Request(workload=workload, scope=scope, name=parts, service=service, port=port)
    return _of_service(mesh, asked)


def _of_service(mesh: Mesh, asked: Request) -> Cluster:
    """Return the cluster of a port that a service has."""
    service, parts = asked.service, asked.name
    left_out = _why_left_out(mesh, asked)
    if left_out:
        return no_cluster(str(parts), left_out, service.ref)
    if asked.scope.limits_service_entries and service.registry is Registry.SERVICE_ENTRY:
        return unknown_cluster(str(parts), "serviceEntryVisibility may hide it")
    if service.resolution is Resolution.DYNAMIC_DNS and service.hostname.startswith("*"):
        return asked.answered(ClusterState.OK)
    rule = rule_in_force(mesh, asked.workload, service)
    subset = rule.subset(parts.subset) if rule else None
    if parts.subset and subset is None:
        unread = unread_rules(mesh, asked.scope, service, rule.namespace if rule else None)
        if unread:
            return unknown_cluster(str(parts), unread, fault=ClusterFault.NO_SUBSET)
        reason = missing_subset(mesh, asked.scope, service, rule, parts.subset)
        return no_cluster(str(parts), reason, service.ref, ClusterFault.NO_SUBSET)
    tls = upstream_tls(rule, subset, parts.port)
    unread = unread_policies(mesh, asked.scope, service, tls)
    if unread and parts.is_by_sni:
        return unknown_cluster(str(parts), unread, service.ref)
    return replace(
        _with_endpoints(mesh, asked, rule, subset, tls),
        tls=tls,
        tls_unknown_because=unread,
        made_by=subset.place.ref if subset else tls.place.ref if tls else None,
    )


def _why_left_out(mesh: Mesh, asked: Request) -> str:
    """Return why istiod makes no clusters of a service, or none of its port."""
    service, port = asked.service, asked.port
    if service.resolution is Resolution.ALIAS:
        return (
            f"{service.ref} is another name for {service.external_name} and has no cluster of its"
            " own"
        )
    if asked.name.is_by_sni:
        return f"{service.ref} is outside of the mesh" if service.is_external else ""
    if service.resolution is Resolution.DYNAMIC_DNS and service.hostname.startswith("*"):
        if asked.name.subset:
            return f"{service.ref} has resolution DYNAMIC_DNS and so no subsets"
        if port.protocol not in FORWARDED_BY_NAME:
            return f"port {port.number} of {service.ref} speaks {port.protocol.value}"
    if asked.scope.filters_clusters and is_named_by_alias_only(mesh, asked.scope, service):
        return (
            f"{FILTER_VARIABLE} leaves out {service.hostname}, which no route names by that name"
        )
    return ""


def _with_endpoints(
    mesh: Mesh,
    asked: Request,
    rule: ConsolidatedRule | None,
    subset: PlacedSubset | None,
    tls: UpstreamTls | None,
) -> Cluster:
    """Return a cluster that istiod makes, with what becomes of requests to it."""
    service, number = asked.service, asked.name.port
    backends = backends_of(mesh, service)
    whole = Wanted(port=asked.port, needs_sidecar=asked.name.is_by_sni)
    wanted = replace(
        whole,
        labels=subset.subset.labels if subset else {},
        nodes=frozenset(pod.spec.node_name for pod in asked.workload.pods),
    )
    if service.resolution in BY_DNS:
        needs_own = not is_made_without_names(rule, subset, number)
        same = services_of_hostname(mesh, asked.scope, service.hostname)
        filed = names_of_port(
            (each for each in same if each.namespace == service.namespace), backends, number
        )
        for each in (whole, wanted) if needs_own else (whole,):
            if missing := _without_names(asked, has_name(filed, each), backends.unread, each):
                return missing
    if goes_to_original_destination(rule, subset, number):
        reason = "it leads to the address that was asked for, and a gateway knows none"
        return asked.answered(ClusterState.NO_ENDPOINT, f"{service.ref}: {reason}")
    if asked.name.is_by_sni and tls and tls.mode is not UpstreamTlsMode.ISTIO_MUTUAL:
        reason = f"{tls.place.ref} has TLS mode {tls.mode} where only ISTIO_MUTUAL is passed on"
        return asked.answered(ClusterState.NO_ENDPOINT, reason)
    if service.resolution in BY_DNS:
        return asked.answered(ClusterState.OK)
    found = endpoint_state(service, backends, wanted)
    return replace(asked.answered(found.state, found.reason), endpoints=found.ready)


def _without_names(
    asked: Request, found: bool | None, unread: str, wanted: Wanted
) -> Cluster | None:
    """Return what becomes of a cluster without names that Envoy could resolve: none is made."""
    if found:
        return None
    if found is None or unread:
        reason = unread or f"which endpoints of {asked.service.ref} it has is not known"
        return unknown_cluster(str(asked.name), reason)
    what = " with the labels of the subset" if wanted.labels else ""
    reason = f"{asked.service.ref} is resolved by DNS and has no endpoint{what}"
    return no_cluster(str(asked.name), reason, asked.service.ref)
