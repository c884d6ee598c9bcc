"""The clusters that a route or a filter chain leads to, as hops: Service, port, endpoints."""

from collections.abc import Iterator

from istiodoctor.mesh.configuration.cluster import Cluster, ClusterName, ClusterState
from istiodoctor.mesh.configuration.clusters import cluster
from istiodoctor.mesh.configuration.in_force import cluster_in_force
from istiodoctor.mesh.configuration.route import ClusterWeight
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.requests.answers import ANSWERED, AnswerKind, Ending, HopGenerator
from istiodoctor.mesh.requests.hops import BROKEN, OK, UNKNOWN, Hop
from istiodoctor.mesh.requests.outcomes import AnswerOutcome, RouteCluster
from istiodoctor.mesh.requests.outcomes import ClusterState as TracedState
from istiodoctor.mesh.workloads.service_ports import service_named
from istiodoctor.mesh.workloads.workloads import Workload

NO_ENDPOINT_STATUS = 503
"""Envoy's answer where a cluster has no endpoint that takes traffic."""


def hops_of_clusters(
    mesh: Mesh,
    workload: Workload,
    clusters: tuple[ClusterWeight, ...],
    *,
    missing_status: int,
    is_held: bool,
) -> HopGenerator:
    """Yield the hops of every cluster that gets requests; a broken one breaks the path.

    `missing_status` is the answer where a cluster does not exist; 0 for connections. `is_held`
    says that what Envoy holds answers, not the objects alone.
    """
    states: set[ClusterState] = set()
    total = sum(each.weight for each in clusters)
    for each in clusters:
        share = f"{100 * each.weight / total:.3g}% of requests: " if len(clusters) > 1 else ""
        found = (cluster_in_force if is_held else cluster)(mesh, workload, each.name)
        yield from cluster_hops(mesh, each, found, share, missing_status)
        states.add(found.state)
    if ClusterState.NO_CLUSTER in states:
        return _dead(AnswerOutcome.NO_CLUSTER, missing_status)
    if ClusterState.NO_ENDPOINT in states:
        return _dead(AnswerOutcome.NO_ENDPOINT, NO_ENDPOINT_STATUS if missing_status else 0)
    return ANSWERED


def _dead(outcome: AnswerOutcome, status: int) -> Ending:
    return Ending(kind=AnswerKind.NONE, status=status, outcome=outcome)


def cluster_hops(
    mesh: Mesh, weight: ClusterWeight, found: Cluster, share: str, missing_status: int
) -> Iterator[Hop]:
    """Yield the hops of one cluster; the last one is broken where nothing is reached."""
    routed = RouteCluster(
        name=weight.name, weight=weight.weight, state=TracedState(found.state.value)
    )
    status = f": {missing_status}" if missing_status else ""
    if found.state is ClusterState.NO_CLUSTER:
        yield Hop(
            hop="backend",
            ref=found.service,
            state=BROKEN,
            text=f"{share}{_reason(found)}{status}",
            cluster=routed,
            outcome=AnswerOutcome.NO_CLUSTER,
        )
        return
    text, is_unknown = _port(weight.name, found), found.state is ClusterState.UNKNOWN
    if is_unknown and found.endpoints is None and found.service is None:
        yield Hop(
            hop="backend",
            ref=None,
            state=UNKNOWN,
            text=f"{share}{found.reason}",
            cluster=routed,
        )
        return
    yield Hop(hop="backend", ref=found.service, state=OK, text=f"{share}{text}", cluster=routed)
    yield _endpoints(mesh, weight.name, found)


def _reason(found: Cluster) -> str:
    """Say why nothing is reached; the hop names the Service already."""
    return found.reason.removeprefix(f"{found.service} ")


def _port(name: str, found: Cluster) -> str:
    parts = ClusterName.parsed(name)
    if parts is None:
        return name
    if found.service and found.service.kind == "ServiceEntry":
        return f"{parts.host}, as a ServiceEntry has it, port {parts.port}"
    return f"port {parts.port} subset {parts.subset}" if parts.subset else f"port {parts.port}"


def _endpoints(mesh: Mesh, name: str, found: Cluster) -> Hop:
    if found.state is ClusterState.UNKNOWN:
        text = found.reason or "the endpoints are not known"
        return Hop(hop="endpoints", ref=found.service, state=UNKNOWN, text=text)
    if found.state is ClusterState.NO_ENDPOINT:
        return Hop(
            hop="endpoints",
            ref=found.service,
            state=BROKEN,
            text=f"{_reason(found) or 'no endpoint is ready'}: {NO_ENDPOINT_STATUS}",
            outcome=AnswerOutcome.NO_ENDPOINT,
        )
    if found.endpoints is None:
        text = found.reason or "found by name, outside what is looked at"
        return Hop(hop="endpoints", ref=found.service, state=OK, text=text)
    target = _target(mesh, name, found)
    return Hop(
        hop="endpoints", ref=found.service, state=OK, text=f"{found.endpoints} ready{target}"
    )


def _target(mesh: Mesh, name: str, found: Cluster) -> str:
    """Say on which port of the pods a Service's endpoints listen."""
    parts = ClusterName.parsed(name)
    if parts is None or found.service is None or found.service.kind != "Service":
        return ""
    owner = service_named(mesh, found.service.namespace, found.service.name)
    for each in owner.spec.ports if owner else ():
        if each.port == parts.port:
            return f" on port {each.target_port or each.port}"
    return ""
