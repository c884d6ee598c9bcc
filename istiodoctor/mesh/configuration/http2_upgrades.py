"""Where a gateway speaks HTTP/2 to backends that are not declared to.

Source: `shouldH2Upgrade` (pilot/pkg/networking/core/cluster_traffic_policy.go:264).
"""

from istiodoctor.mesh.configuration.cluster import ClusterName
from istiodoctor.mesh.configuration.registry_service import Protocol
from istiodoctor.mesh.configuration.rules_in_force import rule_in_force
from istiodoctor.mesh.configuration.scope import scope_of
from istiodoctor.mesh.configuration.service_registry import scope_service
from istiodoctor.mesh.configuration.traffic_policies import http_pool
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import mesh_config, mesh_config_place
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import DestinationRule, TrafficPolicy
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place

UPGRADE, DO_NOT_UPGRADE = "UPGRADE", "DO_NOT_UPGRADE"
OVER_HTTP2 = frozenset({Protocol.HTTP2, Protocol.GRPC, Protocol.GRPC_WEB})


@question(Kind.DESTINATION_RULE)
def upgrades_are_written(mesh: Mesh) -> bool:
    """Whether any DestinationRule asks for HTTP/2."""
    return any(
        _asks(policy)
        for each in mesh.all(DestinationRule)
        for policy in (
            each.spec.traffic_policy,
            *(subset.traffic_policy for subset in each.spec.subsets),
        )
        if policy
    )


def _asks(policy: TrafficPolicy) -> bool:
    pools = (policy.connection_pool, *(p.connection_pool for p in policy.port_level_settings))
    return any(each and each.http and each.http.h2_upgrade_policy == UPGRADE for each in pools)


@question(evidence=[mesh_config])
def upgrades_are_asked_for(mesh: Mesh) -> bool:
    """Whether a DestinationRule or a gateway's mesh configuration asks for HTTP/2."""
    configs = (mesh_config(mesh, each) for each in servers_by_workload(mesh))
    of_mesh = any(each and each.h2_upgrade_policy == UPGRADE for each in configs)
    return of_mesh or upgrades_are_written(mesh)


@question(evidence=[mesh_config, mesh_config_place])
def http2_upgrade(mesh: Mesh, workload: Workload, name: ClusterName) -> Place | None:
    """Return what makes Envoy speak HTTP/2 to a backend whose port does not say so."""
    config = mesh_config(mesh, workload)
    of_mesh = config is not None and config.h2_upgrade_policy == UPGRADE
    if not of_mesh and not upgrades_are_written(mesh):
        return None
    service = scope_service(mesh, scope_of(mesh, workload), name.host)
    port = service.port(name.port) if service else None
    if service is None or port is None or port.protocol in OVER_HTTP2:
        return None
    rule = rule_in_force(mesh, workload, service)
    found = http_pool(rule, rule.subset(name.subset) if rule else None, name.port)
    if found:
        pool, place = found
        if pool.use_client_protocol or pool.h2_upgrade_policy == DO_NOT_UPGRADE:
            return None
        if pool.h2_upgrade_policy == UPGRADE:
            return Place(place.ref, f"{place.path}/h2UpgradePolicy")
    is_http = port.protocol is Protocol.HTTP
    return mesh_config_place(mesh, workload) if of_mesh and is_http else None
