"""Configuration drift: Envoys whose configuration differs from the one expected by the objects.

Only what is listed is compared: whether a listener, a filter chain, a domain, a cluster is there.
That they differ may be an error of this tool's too: it is certain only where a refusal says so.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from istiodoctor.mesh.configuration.cluster import ClusterState
from istiodoctor.mesh.configuration.clusters import cluster
from istiodoctor.mesh.configuration.differences import (
    Difference,
    Part,
    absences,
    differences_of_listeners,
)
from istiodoctor.mesh.configuration.dumped_routes import held_weights
from istiodoctor.mesh.configuration.envoy_filter_patches import applied_patches
from istiodoctor.mesh.configuration.held_by_envoy import (
    envoy_configurations,
    envoys_by_pod,
    held_cluster_named,
    held_domains,
    held_listeners,
)
from istiodoctor.mesh.configuration.in_force import asked_pods
from istiodoctor.mesh.configuration.listener import EVERY_ADDRESS, Listener
from istiodoctor.mesh.configuration.listeners import listeners_by_port
from istiodoctor.mesh.configuration.virtual_hosts import domains
from istiodoctor.mesh.gateways.listeners import merged_gateway, servers_by_workload
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.grace_times import SETTLING_TIME
from istiodoctor.mesh.logs.proxy_logs import listener_rejections
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import mesh_config_unknown_because
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref

LISTED = frozenset({Part.LISTENER, Part.FILTER_CHAIN, Part.DOMAIN, Part.CLUSTER})
"""The parts of which is said whether they are there; how they are is not."""
OF_LISTENERS = frozenset({"LISTENER", "FILTER_CHAIN"})
OF_ROUTES = frozenset({"ROUTE_CONFIGURATION", "VIRTUAL_HOST"})
OF_CLUSTERS = frozenset({"CLUSTER"})
"""What EnvoyFilters can add and remove, by `applyTo`."""
SOURCES = (
    Kind.POD, Kind.DEPLOYMENT, Kind.SERVICE, Kind.NAMESPACE, Kind.INGRESS, Kind.INGRESS_CLASS,
    Kind.ISTIO_GATEWAY, Kind.VIRTUAL_SERVICE, Kind.DESTINATION_RULE, Kind.SERVICE_ENTRY,
    Kind.ENVOY_FILTER, Kind.GATEWAY_CLASS, Kind.GATEWAY, Kind.LISTENER_SET, Kind.X_LISTENER_SET,
    Kind.REFERENCE_GRANT, Kind.HTTP_ROUTE, Kind.GRPC_ROUTE, Kind.TLS_ROUTE, Kind.TCP_ROUTE,
)  # fmt: skip
"""What has to be read completely: else what is missing may be what nobody read, and what is there
may come of it."""
BLACK_HOLE = "blackhole:"
"""How the host begins that stands for no routes at all (core/gateway.go:565)."""
BY_NAME = (Kind.CONFIG_MAP, Kind.SECRET)
"""What is read by name: of these none may have been refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A part of the configuration that Envoys lack, or have although no object asks for it."""

    workload: Workload
    difference: Difference
    pods: tuple[Ref, ...]
    """Those whose Envoys differ."""
    servers: tuple[Server, ...]
    """Those that the part is made for."""
    is_everywhere: bool
    """Whether no pod that was asked is as expected."""
    is_settling: bool
    """Whether a pod or what the part follows from is so new that it may be under way."""
    refusal: str = ""
    """Why Envoy refused a version of it, in its own words; where there is none, nothing but the
    comparison speaks for this."""


@question(*SOURCES, *BY_NAME, evidence=[listener_rejections])
def drifts(mesh: Mesh) -> tuple[Drift, ...]:
    """Return where the configuration of gateways' Envoys differs from the expected one."""
    is_whole = all(mesh.is_complete(kind) for kind in SOURCES)
    if not is_whole or mesh.snapshot.unread_of(BY_NAME):
        return ()
    return tuple(
        each
        for workload, servers in servers_by_workload(mesh).items()
        if not any(server.unknown_because for server in servers)
        and not mesh_config_unknown_because(mesh, workload)
        for each in _drifts_of(mesh, workload)
    )


def _drifts_of(mesh: Mesh, workload: Workload) -> Iterator[Drift]:
    asked = asked_pods(mesh, workload)
    found: dict[Difference, list[Ref]] = defaultdict(list)
    for pod in asked:
        for difference in _differences(mesh, workload, pod):
            found[difference].append(pod)
    for difference, pods in found.items():
        yield Drift(
            workload=workload,
            difference=difference,
            pods=tuple(pods),
            servers=tuple(_servers(mesh, workload, difference)),
            is_everywhere=len(pods) == len(asked),
            is_settling=_is_settling(mesh, workload, pods),
            refusal=_refusal(mesh, workload, difference, pods),
        )


def _servers(mesh: Mesh, workload: Workload, difference: Difference) -> Iterator[Server]:
    """Yield the servers of a workload that a part of its configuration is made for."""
    merged, names = merged_gateway(mesh, workload), frozenset(difference.names)
    if difference.part is Part.DOMAIN:
        yield from merged.servers_by_route.get(difference.where, ())
    elif difference.part in (Part.LISTENER, Part.FILTER_CHAIN):
        for listener in merged.listeners:
            if f"port {listener.port}" == (difference.where or difference.name):
                is_whole = difference.part is Part.LISTENER or not names
                yield from (e for e in listener.servers if is_whole or names & set(e.names))


def _differences(mesh: Mesh, workload: Workload, pod: Ref) -> Iterator[Difference]:
    """Yield the listed parts in which a pod differs, without those that EnvoyFilters change."""
    patched = _patched(mesh, workload)
    expected = _expected(mesh, workload)
    if not patched & OF_LISTENERS:
        held = [each for each in held_listeners(mesh, pod) or () if not each.refused]
        own = {each.status.pod_ip for each in workload.pods if each.ref == pod}
        sides = (_at_every_address(each, own) for each in (expected, held))
        yield from filter(_is_listed, differences_of_listeners(*sides))
    if not patched & OF_ROUTES:
        for name in _route_names(expected):
            held_names = held_domains(mesh, pod, name)
            if held_names is not None:
                theirs = {
                    # Older istiods write each domain with any port as well.
                    domain.removesuffix(":*"): host
                    for domain, host in held_names.items()
                    if not host.name.startswith(BLACK_HOLE)
                }
                ours = domains(mesh, workload, name)
                yield from absences(Part.DOMAIN, ours, theirs, lambda each: (each,), name)
    if not patched & OF_CLUSTERS:
        yield from _differences_of_clusters(mesh, workload, pod)


def _at_every_address(listeners: Iterable[Listener], own: set[str]) -> list[Listener]:
    """Return listeners with the pod's own address for every address: clients meet no other."""
    return [replace(each, bind=EVERY_ADDRESS) if each.bind in own else each for each in listeners]


def _patched(mesh: Mesh, workload: Workload) -> frozenset[str]:
    """Return which kinds of parts EnvoyFilters change; every kind where one cannot be read."""
    patches = applied_patches(mesh, workload)
    if not all(each.is_readable for each in patches):
        return OF_LISTENERS | OF_ROUTES | OF_CLUSTERS
    return frozenset(each.apply_to for each in patches)


def _is_listed(difference: Difference) -> bool:
    return difference.part in LISTED and (difference.is_missing or difference.is_extra)


def _expected(mesh: Mesh, workload: Workload) -> tuple[Listener, ...]:
    by_port = listeners_by_port(mesh, workload)
    return tuple(each for found in by_port.values() for each in found)


def _route_names(listeners: Iterable[Listener]) -> tuple[str, ...]:
    names = (
        chain.http.route_configuration
        for listener in listeners
        for chain in listener.filter_chains
        if chain.http
    )
    return tuple(dict.fromkeys(names))


def _differences_of_clusters(mesh: Mesh, workload: Workload, pod: Ref) -> Iterator[Difference]:
    """Yield the clusters that the Envoy's own routes name, and that it lacks."""
    for name in _named_clusters(mesh, pod):
        held = held_cluster_named(mesh, pod, name)
        if held is None or held.state is not ClusterState.NO_CLUSTER:
            continue
        if cluster(mesh, workload, name).state in REACHED:
            yield Difference(
                part=Part.CLUSTER, name=name, names=(name,), expected="there", held=""
            )


REACHED = frozenset({ClusterState.OK, ClusterState.NO_ENDPOINT})
"""The states of clusters that are sent to a gateway."""


def _named_clusters(mesh: Mesh, pod: Ref) -> Iterable[str]:
    actions = (
        route.route
        for table in envoy_configurations(mesh)[pod].routes.values()
        for host in table.configuration.virtual_hosts
        for route in host.routes
        if route.route
    )
    return dict.fromkeys(
        each.name
        for action in actions
        for each in held_weights(action.cluster or "", action.weighted_clusters)
    )


def _is_settling(mesh: Mesh, workload: Workload, pods: list[Ref]) -> bool:
    """Whether every one of the pods, or some server of the gateway, is new."""
    states = [envoys_by_pod(mesh)[pod] for pod in pods]
    young = all(each.uptime is not None and each.uptime < SETTLING_TIME for each in states)
    return young or any(
        mesh.taken_at - made < SETTLING_TIME
        for server in servers_by_workload(mesh).get(workload, ())
        if (made := _made(server)) is not None
    )


def _made(server: Server) -> datetime | None:
    created = server.age_order[0]
    return datetime.fromisoformat(created) if created else None


def _refusal(mesh: Mesh, workload: Workload, difference: Difference, pods: list[Ref]) -> str:
    """Return in whose words Envoy refused a version of a part: in its state, else in its log."""
    if difference.part in (Part.LISTENER, Part.FILTER_CHAIN):
        port = difference.where or difference.name
        for pod in pods:
            for listener in held_listeners(mesh, pod) or ():
                if listener.error and port == f"port {listener.port}":
                    return listener.error
        return _logged(mesh, workload, port)
    if difference.part is Part.DOMAIN:
        for pod in pods:
            found = envoy_configurations(mesh)[pod].routes.get(difference.where)
            if found and found.error:
                return found.error
    return ""


def _logged(mesh: Mesh, workload: Workload, port: str) -> str:
    """Return what a log says of a refused listener of a port (`0.0.0.0_8443`)."""
    number = port.removeprefix("port ")
    for rejection in listener_rejections(mesh):
        for fact in rejection.facts if rejection.workload is workload else ():
            if fact.listener.endswith(f"_{number}"):
                return fact.reason
    return ""
