"""Hold the configuration that the mesh builds against what real istiod sends."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from istiodoctor.engine import collect
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.cluster import ClusterState
from istiodoctor.mesh.configuration.clusters import cluster
from istiodoctor.mesh.configuration.differences import (
    Difference,
    Part,
    differences_of_listeners,
)
from istiodoctor.mesh.configuration.held_by_envoy import (
    held_clusters,
    held_listeners,
    held_route_configuration,
)
from istiodoctor.mesh.configuration.listeners import listeners_by_port
from istiodoctor.mesh.configuration.route import Forward, RouteConfiguration
from istiodoctor.mesh.configuration.route_differences import differences_of_routes
from istiodoctor.mesh.configuration.virtual_hosts import route_configuration
from istiodoctor.mesh.facts import Facts
from istiodoctor.mesh.requests.request_paths import request_paths
from istiodoctor.mesh.workloads.workloads import Workload, workloads
from istiodoctor.model.kind import CORE
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Reading
from istiodoctor.sources.files import open_files
from tests.conformance import certificates, product
from tests.conformance.configuration.sent import Sent
from tests.conformance.truth import Json, Scenario
from tests.support.envoy_dumps import (
    clusters_part,
    configuration_of,
    endpoints_part,
    part,
    state_of,
)

KINDS = request_paths.reads
"""What the way of a request, and so the configuration, rests on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One difference, and where it was found."""

    scenario: Scenario
    pod: str
    difference: Difference

    def __str__(self) -> str:
        """`i000012 of istio-system/gateway: domain a.test in http.8080 is not there`."""
        return f"{self.scenario.name} of {self.pod}: {self.difference}"


def compared(scenario: Scenario, sent: list[Sent]) -> Iterator[Found]:
    """Yield how what is built of a scenario's objects differs from what istiod sends."""
    mesh = mesh_of_sent(scenario, sent)
    for each in sent:
        namespace, _, name = each.pod.partition("/")
        pod = Ref(CORE, "Pod", namespace, name)
        workload = next(one for one in workloads(mesh) if pod in {found.ref for found in one.pods})
        for difference in _differences(mesh, workload, pod):
            yield Found(scenario=scenario, pod=each.pod, difference=difference)


def mesh_of_sent(scenario: Scenario, sent: list[Sent]) -> Mesh:
    """Return the mesh of a scenario's objects, with what istiod sends as what Envoys hold."""
    with TemporaryDirectory(prefix="conformance-") as name:
        folder = Path(name)
        items = certificates.filled(scenario.objects)
        objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        (folder / "objects.json").write_text(objects, encoding="utf-8")
        now = datetime.now(UTC)
        source = open_files((name,), whole_cluster=True, stdin=None, since=product.HOUR, now=now)
        found = collect(source, (), KINDS, Facts())
    return Mesh(found.snapshot.plus(*(reading for each in sent for reading in _readings(each))))


def _readings(sent: Sent) -> Iterator[Reading]:
    namespace, _, name = sent.pod.partition("/")
    pod = Ref(CORE, "Pod", namespace, name)
    made = [_cluster(each, kind) for each, kind in sent.clusters.items()]
    counted = {each: ["HEALTHY"] * sent.endpoints.get(each, 0) for each in sent.clusters}
    listeners = [{"name": e["name"], "activeState": {"listener": e}} for e in sent.listeners]
    routes = [{"routeConfig": each} for each in sent.routes]
    yield state_of(part("ListenersConfigDump", dynamicListeners=listeners), pod=pod)
    yield configuration_of(
        part("RoutesConfigDump", dynamicRouteConfigs=routes),
        clusters_part(*made),
        endpoints_part(**counted),
        pod=pod,
    )


def _cluster(name: str, kind: str) -> Json:
    return {"name": name, "type": kind}


def _differences(mesh: Mesh, workload: Workload, pod: Ref) -> Iterator[Difference]:
    expected = [each for found in listeners_by_port(mesh, workload).values() for each in found]
    held = held_listeners(mesh, pod) or ()
    yield from differences_of_listeners(expected, held)
    names = {
        chain.http.route_configuration
        for listener in (*expected, *held)
        for chain in listener.filter_chains
        if chain.http
    }
    clusters: set[str] = set()
    for name in sorted(names):
        ours = route_configuration(mesh, workload, name)
        theirs = held_route_configuration(mesh, pod, name)
        clusters |= _clusters(ours)
        if theirs is None:
            yield Difference(part=Part.ROUTE_CONFIGURATION, name=name, expected="x", held="")
        else:
            yield from differences_of_routes(ours, theirs)
    yield from _differences_of_clusters(mesh, workload, pod, clusters)


def _clusters(configuration: RouteConfiguration) -> set[str]:
    return {
        weight.name
        for host in configuration.virtual_hosts
        for route in host.routes
        if isinstance(route.action, Forward)
        for weight in (*route.action.clusters, *route.action.mirrors)
    }


def _differences_of_clusters(
    mesh: Mesh, workload: Workload, pod: Ref, named: set[str]
) -> Iterator[Difference]:
    """Yield differences between clusters that a route names, or that istiod sends."""
    held = held_clusters(mesh, pod) or {}
    for name in sorted({*named, *(each for each in held if each.startswith("outbound|"))}):
        ours = cluster(mesh, workload, name)
        theirs = held.get(name)
        state = theirs.state if theirs else ClusterState.NO_CLUSTER
        expected = f"{ours.state} {_number(ours.endpoints)}".strip()
        found = f"{state} {_number(theirs.endpoints if theirs else None)}".strip()
        is_resolved_elsewhere = ours.endpoints is None and ours.state is ClusterState.OK
        if ours.state is not state or (expected != found and not is_resolved_elsewhere):
            yield Difference(part=Part.CLUSTER, name=name, expected=expected, held=found)


def _number(count: int | None) -> str:
    return str(count) if count else ""
