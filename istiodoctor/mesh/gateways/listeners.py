"""Which pods a gateway selects, and what istiod makes of all servers on one pod.

Source: istiod's pilot/pkg/model/gateway.go.
"""

from collections import defaultdict
from collections.abc import Mapping

from istiodoctor.mesh.gateways.api_gateway_pods import (
    api_gateway_ports,
    api_gateway_workloads,
    strict_merging,
)
from istiodoctor.mesh.gateways.api_gateways import api_servers
from istiodoctor.mesh.gateways.ingresses import ingress_servers
from istiodoctor.mesh.gateways.listener_faults import FaultyListener
from istiodoctor.mesh.gateways.listener_secrets import faulty_listener
from istiodoctor.mesh.gateways.merging import Candidate, Dropped, Listener, MergedGateway
from istiodoctor.mesh.gateways.server_merge import merged
from istiodoctor.mesh.gateways.servers import GatewayApi, Server, istio_servers
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import control_plane_of, revision_of
from istiodoctor.mesh.workloads.releases import Change, has
from istiodoctor.mesh.workloads.service_ports import knows_listening_ports, listening_ports
from istiodoctor.mesh.workloads.workloads import GATEWAY_NAME_LABELS, Workload, routers, selected
from istiodoctor.model.istio import IstioGateway
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.pods import PodSpec
from istiodoctor.model.ref import Ref


@question(Kind.ISTIO_GATEWAY)
def istio_gateways(mesh: Mesh) -> tuple[IstioGateway, ...]:
    """Return every Istio Gateway."""
    return mesh.all(IstioGateway)


@question(evidence=[ingress_servers])
def servers(mesh: Mesh) -> tuple[Server, ...]:
    """Return every server, oldest Gateway first, before them those of Ingresses.

    Those of the Gateway API that istiod makes nothing of are among them.
    """
    istio = (server for gateway in istio_gateways(mesh) for server in istio_servers(gateway))
    found = (*ingress_servers(mesh), *istio, *api_servers(mesh))
    return tuple(sorted(found, key=lambda each: (each.age_order, each.index)))


@question(Kind.ISTIO_GATEWAY)
def gateway_workloads(mesh: Mesh, gateway: Ref) -> tuple[Workload, ...]:
    """Return the known workloads that an Istio Gateway selects, in all namespaces."""
    found = mesh.get(IstioGateway, gateway.namespace, gateway.name)
    if found is None:
        return ()
    selector = frozenset(found.spec.selector.items())
    return selected(mesh, selector, "") if selector else routers(mesh)


@question(Kind.POD, Kind.DEPLOYMENT)
def workloads_of(mesh: Mesh, server: Server) -> tuple[Workload, ...]:
    """Return the workloads that a server is configured on.

    Where manifests show no pods, an Istio Gateway's selector stands for those it would select.
    """
    if server.api is GatewayApi.GATEWAY_API:
        found = api_gateway_workloads(mesh, server.parent)
    elif server.api is GatewayApi.INGRESS:
        found = selected(mesh, server.selector, "")
    else:
        found = gateway_workloads(mesh, server.parent)
    if found or mesh.is_complete(Kind.POD):
        return found
    return (_stand_in(mesh, server),)


@question(Kind.ISTIO_GATEWAY)
def _stand_in_for(mesh: Mesh, selector: frozenset[tuple[str, str]], namespace: str) -> Workload:
    labels = ",".join(f"{key}={value}" for key, value in sorted(selector))
    return Workload(
        namespace=namespace,
        owner=Ref(CORE, "Pod", namespace, f"({labels or 'every gateway'})"),
        labels=dict(selector),
        annotations={},
        spec=PodSpec(),
        selected_by=selector,
    )


def _stand_in(mesh: Mesh, server: Server) -> Workload:
    if server.api is GatewayApi.GATEWAY_API:
        label = (GATEWAY_NAME_LABELS[0], server.parent.name)
        return _stand_in_for(mesh, frozenset({label}), server.parent.namespace)
    if server.api is GatewayApi.INGRESS:
        return _stand_in_for(mesh, server.selector, "")
    gateway = mesh.get(IstioGateway, server.parent.namespace, server.parent.name)
    selector = frozenset(gateway.spec.selector.items()) if gateway else frozenset()
    return _stand_in_for(mesh, selector, "")


@question
def servers_by_workload(mesh: Mesh) -> Mapping[Workload, tuple[Server, ...]]:
    """Return the servers that apply to each workload, oldest Gateway first."""
    found: dict[Workload, list[Server]] = defaultdict(list)
    for server in servers(mesh):
        for workload in workloads_of(mesh, server):
            found[workload].append(server)
    return {workload: tuple(servers) for workload, servers in found.items()}


@question(evidence=[faulty_listener, strict_merging])
def merged_gateway(mesh: Mesh, workload: Workload) -> MergedGateway:
    """Return what istiod makes of all servers of a workload."""
    found = servers_by_workload(mesh).get(workload, ())
    faults = {each: faulty_listener(mesh, each) for each in found}
    plane = control_plane_of(mesh, workload)
    is_confined = workload.is_known and plane is not None and plane.confines_gateways
    revision = revision_of(mesh, workload) if any(each.revision for each in found) else ""
    excluded = _excluded(faults) if strict_merging(mesh, workload) else frozenset()
    return merged(
        workload,
        (
            Candidate(
                server=server,
                ports=_ports(mesh, server, workload),
                are_ports_known=server.api is GatewayApi.GATEWAY_API
                or not workload.is_unprivileged
                or knows_listening_ports(mesh, workload, server.port),
                faulty=faulty,
                is_outside=is_confined and server.config_namespace != workload.namespace,
                is_of_other_revision=bool(revision) and server.revision not in ("", revision),
                is_excluded=server in excluded,
            )
            for server, faulty in faults.items()
        ),
        plain_wins=has(plane, Change.PLAIN_KEPT_OVER_TLS),
    )


def _excluded(found: Mapping[Server, FaultyListener | None]) -> frozenset[Server]:
    """Return the servers that strict merging leaves out.

    Beside a Gateway of the Gateway API whose pods istiod made, those of other APIs count in its
    own namespace only (`filterStrictGatewayMerging`, push_context.go:2504).
    """
    managed = {
        each.config_namespace
        for each, faulty in found.items()
        if each.has_generated_pods and not faulty
    }
    return frozenset(
        each
        for each in found
        if managed
        and each.api is not GatewayApi.GATEWAY_API
        and each.config_namespace not in managed
    )


@question
def listeners(mesh: Mesh) -> tuple[Listener, ...]:
    """Return every listener of every gateway workload, merged as istiod does."""
    return tuple(
        listener
        for workload in servers_by_workload(mesh)
        for listener in merged_gateway(mesh, workload).listeners
    )


def _ports(mesh: Mesh, server: Server, workload: Workload) -> tuple[int, ...]:
    """Return where a server listens, or would if nothing kept it from there."""
    if server.api is GatewayApi.GATEWAY_API:
        return api_gateway_ports(mesh, server.parent, workload, server.port)
    return listening_ports(mesh, workload, server.port)


@question
def dropped(mesh: Mesh) -> tuple[Dropped, ...]:
    """Return every server that istiod leaves out, on every workload."""
    return tuple(each for listener in listeners(mesh) for each in listener.dropped)


@question
def listeners_of(mesh: Mesh, server: Server) -> tuple[Listener, ...]:
    """Return the listeners that a server made it to."""
    return _listeners_by_server(mesh).get(server, ())


@question
def _listeners_by_server(mesh: Mesh) -> Mapping[Server, tuple[Listener, ...]]:
    found: dict[Server, list[Listener]] = defaultdict(list)
    for listener in listeners(mesh):
        for server in listener.servers:
            found[server].append(listener)
    return {server: tuple(each) for server, each in found.items()}


@question
def live_servers(mesh: Mesh) -> tuple[Server, ...]:
    """Return the servers that are configured on at least one workload."""
    return tuple(_listeners_by_server(mesh))
