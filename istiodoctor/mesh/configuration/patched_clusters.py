"""The clusters that EnvoyFilters name, and whether the gateway has them.

With `PILOT_FILTER_GATEWAY_CLUSTER_CONFIG` istiod sends a gateway the clusters alone that routes
and extension providers name; what stands in an EnvoyFilter it does not read, but for the hosts in
the annotation `envoyfilter.istio.io/referenced-services`. Source: `GatewayServices`,
`extraServicesForProxy` (pilot/pkg/model/push_context.go:882, 974), model/envoyfilter.go:139.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from istiodoctor.mesh.configuration.backend_uses import backend_uses
from istiodoctor.mesh.configuration.cluster import OUTBOUND, SEPARATOR, ClusterName, ClusterState
from istiodoctor.mesh.configuration.clusters import cluster
from istiodoctor.mesh.configuration.envoy_filter_patches import AppliedPatch, applied_patches
from istiodoctor.mesh.configuration.envoy_filter_values import fields_of, type_of
from istiodoctor.mesh.configuration.envoy_filters import inserted_http_filters
from istiodoctor.mesh.configuration.listener import FilterChain
from istiodoctor.mesh.configuration.referenced_hosts import (
    hosts_in_virtual_services,
    virtual_services_are_known,
)
from istiodoctor.mesh.configuration.scope import FILTER_VARIABLE, scope_of
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import (
    mesh_config,
    mesh_config_unknown_because,
)
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import EnvoyFilter, TlsMode
from istiodoctor.model.kind import Kind

REFERENCED = "envoyfilter.istio.io/referenced-services"
AUTHORIZER = ".ext_authz."
WITH_CLUSTERS = frozenset(
    {"HTTP_FILTER", "NETWORK_FILTER", "HTTP_ROUTE", "VIRTUAL_HOST", "ROUTE_CONFIGURATION"}
)
MOST_VALUES = 10_000
"""How many values of a patch are looked at."""
START = f"{OUTBOUND}{SEPARATOR}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PatchedCluster:
    """A cluster that an EnvoyFilter names and that the gateway does not have."""

    workload: Workload
    patch: AppliedPatch
    name: ClusterName
    reason: str
    """Why it is not there: a clause without a full stop."""
    is_filtered: bool
    """Whether istiod would send it, were a route to name it."""
    denies: bool
    """Whether it is an external authorizer without which requests are refused."""


@question(Kind.ENVOY_FILTER)
def absent_clusters_of_patches(mesh: Mesh, workload: Workload) -> tuple[PatchedCluster, ...]:
    """Return the clusters that patches for a gateway name and that are not sent to it."""
    found = []
    for patch in applied_patches(mesh, workload):
        if patch.apply_to not in WITH_CLUSTERS:
            continue
        for name in _names(patch.value):
            reason, is_filtered = _reason(mesh, workload, patch, name)
            if reason:
                found.append(
                    PatchedCluster(
                        workload=workload,
                        patch=patch,
                        name=name,
                        reason=reason,
                        is_filtered=is_filtered,
                        denies=_denies(patch.value),
                    )
                )
    return tuple(found)


def refusing_filter(
    mesh: Mesh, workload: Workload, port: int, chain: FilterChain
) -> PatchedCluster | None:
    """Return the external authorizer in a chain that refuses all, for its cluster is not there."""
    missing = [each for each in absent_clusters_of_patches(mesh, workload) if each.denies]
    if not missing:
        return None
    inserted = {each.place for each in inserted_http_filters(mesh, workload, port, chain)}
    return next((each for each in missing if each.patch.place in inserted), None)


def _names(value: Any) -> Iterator[ClusterName]:
    """Yield the clusters that a value names, each once."""
    names: dict[ClusterName, None] = {}
    left = [value]
    for _ in range(MOST_VALUES):
        if not left:
            break
        match left.pop():
            case dict() as fields:
                left.extend(fields.values())
            case list() as items:
                left.extend(items)
            case str() as text if text.startswith(START) and (name := ClusterName.parsed(text)):
                names[name] = None
    return iter(names)


def _reason(
    mesh: Mesh, workload: Workload, patch: AppliedPatch, name: ClusterName
) -> tuple[str, bool]:
    """Return why a cluster is not there, empty where it is; and whether it is kept back."""
    found = cluster(mesh, workload, str(name))
    if found.state is ClusterState.NO_CLUSTER:
        return found.reason, False
    if found.service is None or not _is_filtered(mesh, workload):  # endpoints do not matter
        return "", False
    if name.host in _sent_hosts(mesh, workload) or _is_referenced(mesh, patch, name.host):
        return "", False
    reason = f"{FILTER_VARIABLE} sends the clusters alone that a route names, and none names it"
    return reason, True


def _is_filtered(mesh: Mesh, workload: Workload) -> bool:
    """Whether a gateway gets some clusters alone, and it is known which."""
    if not scope_of(mesh, workload).filters_clusters or not virtual_services_are_known(mesh):
        return False
    if mesh_config_unknown_because(mesh, workload):
        return False
    servers = servers_by_workload(mesh).get(workload, ())
    return not any(each.mode is TlsMode.AUTO_PASSTHROUGH for each in servers)


@question(evidence=[backend_uses, mesh_config])
def _sent_hosts(mesh: Mesh, workload: Workload) -> frozenset[str]:
    """Return the hosts that routes and extension providers name; more than of one gateway."""
    suffix = scope_of(mesh, workload).domain_suffix
    config = mesh_config(mesh, workload)
    providers = config.extension_providers if config else ()
    return frozenset(
        (
            *hosts_in_virtual_services(mesh, suffix),
            *(each.destination.host for each in backend_uses(mesh)),
            *(each.service.rpartition("/")[2] for each in providers),
        )
    )


@question(Kind.ENVOY_FILTER)
def _is_referenced(mesh: Mesh, patch: AppliedPatch, host: str) -> bool:
    ref = patch.place.ref
    source = mesh.get(EnvoyFilter, ref.namespace, ref.name)
    text = source.metadata.annotations.get(REFERENCED, "") if source else ""
    return host in {each.strip().rpartition("/")[2] for each in text.split(",")}


def _denies(value: Any) -> bool:
    """Whether a filter is an external authorizer that refuses what it cannot ask about."""
    if AUTHORIZER not in type_of(value):
        return False
    config = fields_of(fields_of(value).get("typed_config"))
    told = fields_of(config.get("value")) or config
    return not told.get("failure_mode_allow")
