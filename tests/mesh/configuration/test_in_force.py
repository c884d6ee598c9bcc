"""What answers now: what Envoys hold where they were asked just now, else what objects ask for."""

from datetime import timedelta
from typing import Any

import pytest

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.cluster import ClusterState
from istiodoctor.mesh.configuration.differences import Part
from istiodoctor.mesh.configuration.in_force import (
    asked_pods,
    chains_in_force,
    cluster_in_force,
    domains_in_force,
    listener_in_force,
    virtual_host_in_force,
)
from istiodoctor.mesh.configuration.route import DirectResponse, Forward
from istiodoctor.mesh.envoy.drift import Drift, drifts
from istiodoctor.mesh.workloads.workloads import Workload, workloads
from istiodoctor.model.istio import IstioGateway, VirtualService
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.pods import Pod
from istiodoctor.model.ref import Ref
from istiodoctor.model.services import Service
from istiodoctor.model.snapshot import Reading, Snapshot
from tests.support.envoy_dumps import (
    Json,
    certificate,
    clusters_part,
    configuration_of,
    endpoints_part,
    http_chain,
    listener,
    listeners_part,
    noted,
    part,
    routes,
    routes_part,
    state_of,
    virtual_host,
)
from tests.support.objects import (
    Manifest,
    gateway,
    made,
    pod,
    server,
    service,
    snapshot_of,
    virtual_service,
)

PLAIN, SECURE = "http.8080", "https.8443.https-443-a.test.main.shop"
WEB = "outbound|80||web.shop.svc.cluster.local"
POD, OTHER = (Ref(CORE, "Pod", "istio-system", each) for each in ("gateway", "second"))
HCM: Json = {
    "use_remote_address": True,
    "normalize_path": True,
    "upgrade_configs": [{"upgrade_type": "websocket"}],
}
TO_WEB = {
    "match": {"prefix": "/"},
    "route": {"cluster": WEB},
    "metadata": noted("virtual-service", "shop", "web"),
}
OBJECTS = (
    service(
        "ingress",
        "istio-system",
        {"name": "http", "port": 80, "targetPort": 8080},
        {"name": "https", "port": 443, "targetPort": 8443},
    ),
    service("web", "shop", {"name": "http", "port": 80}, selector={"app": "web"}),
    gateway(
        "main",
        "shop",
        server(80, "HTTP", "a.test"),
        server(443, "HTTPS", "a.test", tls={"mode": "SIMPLE", "credentialName": "cert"}),
    ),
    virtual_service(
        "web",
        "shop",
        "a.test",
        gateways=["main"],
        http=[{"route": [{"destination": {"host": "web"}}]}],
    ),
    made(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        "web-1",
        "shop",
        labels={"kubernetes.io/service-name": "web"},
        addressType="IPv4",
        ports=[{"name": "http", "port": 80}],
        endpoints=[{"addresses": ["10.0.0.9"], "conditions": {"ready": True}}],
    ),
)


def plain() -> Json:
    return listener(8080, http_chain(PLAIN, **HCM))


def secure(*names: str) -> Json:
    tls = certificate("kubernetes://cert")
    tls["common_tls_context"]["alpn_protocols"] = ["h2", "http/1.1"]
    return listener(8443, http_chain(SECURE, *(names or ("a.test",)), tls=tls, **HCM))


def table(name: str, *entries: Json, domain: str = "a.test") -> Json:
    host = virtual_host(domain, *(entries or (TO_WEB,)))
    return routes(name, host, ignore_port_in_host_matching=True)


def envoy(
    *,
    ref: Ref = POD,
    listeners: tuple[Json, ...] | None = None,
    tables: tuple[Json, ...] | None = None,
    clusters: tuple[str, ...] = (WEB,),
    endpoints: int = 1,
) -> list[Reading]:
    """Return what the Envoy of a pod holds, by default what istiod would send."""
    opened = (plain(), secure()) if listeners is None else listeners
    held = (table(PLAIN), table(SECURE)) if tables is None else tables
    return [
        state_of(listeners_part(*opened), pod=ref),
        configuration_of(
            routes_part(*held),
            clusters_part(*({"name": each, "type": "EDS"} for each in clusters)),
            endpoints_part(**{each: ["HEALTHY"] * endpoints for each in clusters}),
            pod=ref,
        ),
    ]


def mesh_of(
    *readings: Reading, pods: tuple[Manifest, ...] = (), extra: tuple[Any, ...] = ()
) -> Mesh:
    snapshot = snapshot_of(*(pods or (pod(),)), *OBJECTS, *extra)
    taken_at = readings[0].envoys[0].taken_at if readings else snapshot.taken_at
    return Mesh(snapshot.at(taken_at).plus(*readings))


def gateway_of(mesh: Mesh) -> Workload:
    return next(each for each in workloads(mesh) if POD in {one.ref for one in each.pods})


def test_the_dump_of_these_tests_is_what_istiod_would_send():
    assert drifts(mesh_of(*envoy())) == ()


def test_without_envoys_the_objects_decide():
    mesh = mesh_of()
    workload = gateway_of(mesh)

    found = listener_in_force(mesh, workload, 8443)

    assert asked_pods(mesh, workload) == ()
    assert found is not None
    assert found.filter_chains[0].server_names == ("a.test",)
    assert domains_in_force(mesh, workload, PLAIN).find("a.test") == "a.test"
    assert virtual_host_in_force(mesh, workload, PLAIN, "a.test").routes
    assert cluster_in_force(mesh, workload, WEB).state is ClusterState.OK


def test_where_both_agree_parts_are_those_of_the_objects():
    mesh = mesh_of(*envoy())
    workload = gateway_of(mesh)

    found = listener_in_force(mesh, workload, 8443)
    host = virtual_host_in_force(mesh, workload, PLAIN, "a.test")

    assert asked_pods(mesh, workload) == (POD,)
    assert found is not None
    assert found.filter_chains[0].server is not None
    assert [each.made_by.path for each in host.routes] == ["/spec/http/0"]
    assert host.owners == (host.routes[0].owner,)


def test_a_listener_that_envoy_lacks_does_not_answer():
    mesh = mesh_of(*envoy(listeners=(plain(),)))
    workload = gateway_of(mesh)

    assert listener_in_force(mesh, workload, 8443) is None
    assert chains_in_force(mesh, workload, 8443).find("a.test", is_tls=True) is None
    assert chains_in_force(mesh, workload, 8080).find("", is_tls=False) is not None


def test_a_listener_that_envoy_refuses_is_refused_in_its_words():
    refused = {"failed_configuration": secure(), "details": "no such cipher"}
    dump = part(
        "ListenersConfigDump",
        dynamic_listeners=[
            {"name": "0.0.0.0_8080", "active_state": {"listener": plain()}},
            {"name": "0.0.0.0_8443", "error_state": refused},
        ],
    )
    mesh = mesh_of(state_of(dump), envoy()[1])

    found = listener_in_force(mesh, gateway_of(mesh), 8443)

    assert found is not None
    assert found.refused is not None
    assert found.refused.text == "no such cipher"
    (drift,) = drifts(mesh)
    assert (drift.difference.part, drift.refusal) == (Part.LISTENER, "no such cipher")


def test_a_host_that_envoy_has_not_yet_is_not_there():
    mesh = mesh_of(*envoy(tables=(table(PLAIN, domain="old.test"), table(SECURE))))
    workload = gateway_of(mesh)

    assert domains_in_force(mesh, workload, PLAIN).find("a.test") is None
    assert domains_in_force(mesh, workload, PLAIN).find("old.test") == "old.test"
    assert domains_in_force(mesh, workload, SECURE).find("a.test") == "a.test"


def test_an_older_version_of_a_route_answers_and_names_its_rule():
    older = {**TO_WEB, "route": {"cluster": "outbound|80||old.shop.svc.cluster.local"}}
    mesh = mesh_of(*envoy(tables=(table(PLAIN, older), table(SECURE))))

    (route,) = virtual_host_in_force(mesh, gateway_of(mesh), PLAIN, "a.test").routes

    assert isinstance(route.action, Forward)
    assert route.action.clusters[0].name == "outbound|80||old.shop.svc.cluster.local"
    assert route.made_by.path == "/spec/http/0"


def test_a_route_that_no_object_explains_is_that_of_the_pod():
    strange = {"match": {"path": "/x"}, "direct_response": {"status": 418}}
    mesh = mesh_of(*envoy(tables=(table(PLAIN, strange, TO_WEB), table(SECURE))))

    first, second = virtual_host_in_force(mesh, gateway_of(mesh), PLAIN, "a.test").routes

    assert first.action == DirectResponse(status=418)
    assert (first.made_by.ref, second.made_by.path) == (POD, "/spec/http/0")


def test_a_credential_that_was_not_kept_is_that_of_the_object():
    header = {"name": "authorization", "string_match": {"exact": "x"}}
    secret = {**TO_WEB, "match": {"prefix": "/", "headers": [header]}}
    rule = {
        "match": [{"headers": {"authorization": {"exact": "x"}}}],
        "route": [{"destination": {"host": "web"}}],
    }
    written = virtual_service("web", "shop", "a.test", gateways=["main"], http=[rule])
    snapshot = snapshot_of(
        pod(), *(each for each in OBJECTS if each["kind"] != "VirtualService"), written
    )
    readings = envoy(tables=(table(PLAIN, secret), table(SECURE, secret)))
    mesh = Mesh(snapshot.at(readings[0].envoys[0].taken_at).plus(*readings))

    (route,) = virtual_host_in_force(mesh, gateway_of(mesh), PLAIN, "a.test").routes

    (condition,) = route.match.headers
    assert condition.matcher is not None
    assert (condition.matcher.value, route.unknown_because) == ("x", "")


@pytest.mark.parametrize(
    ("clusters", "endpoints", "state"),
    [
        ((WEB,), 2, ClusterState.OK),
        ((WEB,), 0, ClusterState.NO_ENDPOINT),
        ((), 0, ClusterState.NO_CLUSTER),
    ],
)
def test_a_cluster_is_as_envoy_has_it(
    clusters: tuple[str, ...], endpoints: int, state: ClusterState
):
    mesh = mesh_of(*envoy(clusters=clusters, endpoints=endpoints))

    found = cluster_in_force(mesh, gateway_of(mesh), WEB)

    assert found.state is state
    assert found.service == Ref(CORE, "Service", "shop", "web")


PODS = (pod(), pod("second"))


def owned(name: str) -> Manifest:
    owner = {"kind": "ReplicaSet", "name": "gateway-5d9c7f6b8", "controller": True}
    return pod(name, ownerReferences=[owner], labels={"istio": "ingressgateway",
               "pod-template-hash": "5d9c7f6b8"})  # fmt: skip


TWO = (owned("gateway"), owned("second"))


def test_pods_that_disagree_leave_the_answer_unknown():
    readings = [*envoy(), *envoy(ref=OTHER, listeners=(plain(), secure("b.test")),
                tables=(table(PLAIN, domain="b.test"), table(SECURE)), endpoints=0)]  # fmt: skip
    mesh = mesh_of(*readings, pods=TWO)
    workload = gateway_of(mesh)
    words = "Envoy in Pod istio-system/gateway and in Pod istio-system/second hold different"

    found = listener_in_force(mesh, workload, 8443)

    assert asked_pods(mesh, workload) == (POD, OTHER)
    assert found is not None
    assert found.unknown_because == f"{words} configuration of port 8443"
    for domain in ("a.test", "b.test"):
        host = virtual_host_in_force(mesh, workload, PLAIN, domain)
        assert host.unknown_because == f"{words} configuration of {domain} in {PLAIN}"
    assert virtual_host_in_force(mesh, workload, SECURE, "a.test").unknown_because == ""
    assert cluster_in_force(mesh, workload, WEB).state is ClusterState.NO_ENDPOINT


@pytest.mark.parametrize("minutes", [-3, 3])
def test_a_dump_of_another_time_decides_nothing(minutes: int):
    readings = envoy(listeners=())
    mesh = mesh_of(*readings)
    moved = Mesh(mesh.snapshot.at(mesh.taken_at + timedelta(minutes=minutes)))

    assert asked_pods(moved, gateway_of(moved)) == ()
    assert listener_in_force(moved, gateway_of(moved), 8080) is not None
    assert drifts(moved) == ()


def test_a_pod_that_is_not_ready_decides_nothing():
    status = {"conditions": [{"type": "Ready", "status": "False"}]}
    mesh = mesh_of(*envoy(listeners=()), pods=(pod(status=status),))

    assert asked_pods(mesh, gateway_of(mesh)) == ()


def test_a_dump_without_a_part_decides_nothing():
    state, configuration = envoy(listeners=())
    without_clusters = configuration_of(routes_part(table(PLAIN)))

    for readings in ((state,), (configuration,), (state, without_clusters)):
        snapshot = snapshot_of(pod(), *OBJECTS)
        mesh = Mesh(snapshot.at(state.envoys[0].taken_at).plus(*readings))
        assert asked_pods(mesh, gateway_of(mesh)) == ()


def told(*readings: Reading, **objects: Any) -> list[tuple[Part, tuple[str, ...], str, bool]]:
    """Return what differs: part, names, where, and whether it is missing."""
    return [
        (
            each.difference.part,
            each.difference.names,
            each.difference.where,
            each.difference.is_missing,
        )
        for each in drifts(mesh_of(*readings, **objects))
    ]


def test_listed_parts_that_are_missing_or_extra_are_drift():
    assert told(*envoy(listeners=(plain(),))) == [(Part.LISTENER, ("port 8443",), "", True)]
    assert told(*envoy(listeners=(plain(), secure("b.test")))) == [
        (Part.FILTER_CHAIN, ("a.test",), "port 8443", True),
        (Part.FILTER_CHAIN, ("b.test",), "port 8443", False),
    ]
    assert told(*envoy(tables=(table(PLAIN, domain="b.test"), table(SECURE)))) == [
        (Part.DOMAIN, ("a.test",), PLAIN, True),
        (Part.DOMAIN, ("b.test",), PLAIN, False),
    ]
    assert told(*envoy(clusters=())) == [(Part.CLUSTER, (WEB,), "", True)]


def test_how_a_part_is_made_is_no_drift():
    other = {**TO_WEB, "match": {"prefix": "/other"}}

    assert told(*envoy(tables=(table(PLAIN, other), table(SECURE)))) == []


def test_drift_of_some_pods_says_so():
    mesh = mesh_of(*envoy(), *envoy(ref=OTHER, listeners=(plain(),)), pods=TWO)

    (drift,) = drifts(mesh)

    assert isinstance(drift, Drift)
    assert (drift.pods, drift.is_everywhere, drift.refusal) == ((OTHER,), False, "")
    assert not drift.is_settling


def test_a_gateway_that_is_new_may_be_under_way():
    young = gateway("new", "shop", server(8080, "HTTP", "new.test"), created="2026-03-01")
    mesh = mesh_of(*envoy(), extra=(young,))
    just_now = Mesh(mesh.snapshot.at(mesh.taken_at.replace(hour=0, minute=1)))

    assert all(not each.is_settling for each in drifts(mesh))
    assert all(each.is_settling for each in drifts(just_now))


@pytest.mark.parametrize(
    ("apply_to", "readings"),
    [
        ("LISTENER", {"listeners": ()}),
        ("FILTER_CHAIN", {"listeners": (plain(), secure("b.test"))}),
        ("VIRTUAL_HOST", {"tables": (table(PLAIN, domain="b.test"), table(SECURE))}),
        ("CLUSTER", {"clusters": ()}),
        (None, {"listeners": (), "clusters": ()}),
    ],
)
def test_what_an_envoy_filter_may_have_done_is_no_drift(apply_to: str, readings: Any):
    entry = {"applyTo": apply_to, "patch": {"operation": "REMOVE"}} if apply_to else "odd"
    patched = made(
        "networking.istio.io/v1alpha3",
        "EnvoyFilter",
        "x",
        "istio-system",
        spec={"configPatches": [entry]},
    )

    assert told(*envoy(**readings)) != []
    assert told(*envoy(**readings), extra=(patched,)) == []


def test_nothing_is_said_to_be_drift_where_objects_were_not_read():
    mesh = mesh_of(*envoy(listeners=()))
    kinds = (Pod, Service, IstioGateway, VirtualService)
    found = tuple(each for kind in kinds for each in mesh.all(kind))
    files = Snapshot(taken_at=mesh.taken_at, source="files", readings=[Reading(resources=found)])

    seen = Mesh(files.plus(*envoy(listeners=())))

    assert drifts(mesh) != ()
    assert asked_pods(seen, gateway_of(seen)) == (POD,)
    assert drifts(seen) == ()


def test_drift_needs_envoys_and_no_logs():
    assert Kind.ENVOY_CONFIGURATION in drifts.kinds
    assert Kind.POD_LOG not in drifts.kinds
    assert Kind.ENVOY not in listener_in_force.kinds
    assert Kind.ENVOY in listener_in_force.reads
