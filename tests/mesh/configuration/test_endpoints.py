"""Which endpoints of a service take the requests to a cluster."""

from typing import Any

import pytest

from istiodoctor.model.kind import ISTIO_NETWORKING, Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Unread
from tests.support.behind_gateway import (
    PORT,
    WEB,
    asked,
    mesh_behind_gateway,
    state,
    web,
    without,
)
from tests.support.objects import (
    ISTIO,
    Manifest,
    destination_rule,
    endpoint,
    endpoint_slice,
    made,
    pod,
    service,
    service_entry,
    web_pod,
)

NAME = f"outbound|80||{WEB}"
SELECTED = {"app": "web"}


def served(*endpoints: Manifest, port: Any = PORT, **ports: int) -> list[Manifest]:
    """Return Service app1/web with these endpoints and a pod behind each name."""
    pods = [
        web_pod(each["targetRef"]["name"], ip=each["addresses"][0])
        for each in endpoints
        if "targetRef" in each
    ]
    return [
        service("web", "app1", port, selector=SELECTED),
        endpoint_slice("web", "app1", *endpoints, **(ports or {"http": 8080})),
        *pods,
    ]


@pytest.mark.parametrize(
    ("endpoints", "expected"),
    [
        ([endpoint("10.0.0.1", "a")], ("ok", "")),
        ([endpoint("10.0.0.1", "a", ready=True)], ("ok", "")),
        (
            [endpoint("10.0.0.1", "a", ready=False), endpoint("10.0.0.2", "b", ready=True)],
            ("ok", ""),
        ),
        (
            [
                endpoint("10.0.0.1", "a", ready=False, terminating=False),
                endpoint("10.0.0.2", "b", ready=False),
            ],
            ("no-endpoint", "Service app1/web has no ready endpoint: 2 are not ready"),
        ),
        (
            [
                endpoint("10.0.0.1", "a", ready=False, serving=True, terminating=True),
                endpoint("10.0.0.2", "b", ready=False, terminating=False),
                endpoint("10.0.0.3", "c", ready=False, terminating=False),
            ],
            (
                "no-endpoint",
                "Service app1/web has no ready endpoint: 2 are not ready, 1 is terminating",
            ),
        ),
        ([], ("no-endpoint", "Service app1/web has no endpoints: no pod has the labels app=web")),
    ],
)
def test_only_ready_endpoints_take_requests(endpoints: list[Manifest], expected: tuple[str, str]):
    assert state(mesh_behind_gateway(*served(*endpoints)), NAME) == expected


def test_an_endpoint_whose_pod_does_not_exist_is_left_out():
    own = service("web", "app1", PORT, selector=SELECTED)
    slices = endpoint_slice("web", "app1", endpoint("10.0.0.1", "gone"), http=8080)
    ended = web_pod("gone", phase="Failed")
    mesh = mesh_behind_gateway(own, slices)
    reason = "Service app1/web has no ready endpoint: 1 is without a pod"

    assert state(mesh, NAME) == ("no-endpoint", reason)
    assert state(mesh_behind_gateway(own, slices, ended), NAME) == ("no-endpoint", reason)
    assert state(without(mesh, Unread(kind=Kind.POD, namespace="app1")), NAME) == ("ok", "")


def test_an_empty_slice_beside_pods_says_no_more_than_that():
    mesh = mesh_behind_gateway(*served(), web_pod("starting", ready=False))

    assert state(mesh, NAME) == ("no-endpoint", "Service app1/web has no endpoints")


@pytest.mark.parametrize(
    ("port", "ports", "expected"),
    [
        ({"name": "http", "port": 80}, {"http": 8080}, ("ok", "")),
        ({"port": 80}, {"": 8080}, ("ok", "")),
        (
            {"name": "http", "port": 80, "targetPort": "web"},
            {"https": 8443},
            (
                "no-endpoint",
                'Service app1/web has no endpoint for port 80: no pod has a port named "web"',
            ),
        ),
        (
            {"name": "http", "port": 80, "targetPort": "²"},
            {"https": 8443},
            (
                "no-endpoint",
                'Service app1/web has no endpoint for port 80: no pod has a port named "²"',
            ),
        ),
        (
            {"name": "http", "port": 80, "targetPort": 8080},
            {"web": 8080},
            (
                "no-endpoint",
                "Service app1/web has no endpoint for port 80: none of its endpoints has a port"
                ' named "http"',
            ),
        ),
        (
            {"port": 80},
            {"http": 8080},
            (
                "no-endpoint",
                "Service app1/web has no endpoint for port 80: none of its endpoints has a port"
                " without a name",
            ),
        ),
        ({"name": "http", "port": 80}, {"http": 0}, ("no-endpoint", None)),
    ],
)
def test_endpoints_are_found_by_the_name_of_the_port(
    port: Manifest, ports: dict[str, int], expected: tuple[str, str | None]
):
    mesh = mesh_behind_gateway(*served(endpoint("10.0.0.1", "a"), port=port, **ports))
    found, reason = state(mesh, NAME)

    assert found == expected[0]
    assert expected[1] in (reason, None)


def test_a_slice_without_ports_serves_none():
    mesh = mesh_behind_gateway(*served(endpoint("10.0.0.1", "a")))
    mesh_without = mesh_behind_gateway(
        service("web", "app1", PORT, selector=SELECTED),
        endpoint_slice("web", "app1", endpoint("10.0.0.1")),
    )

    assert state(mesh, NAME) == ("ok", "")
    assert state(mesh_without, NAME)[0] == "no-endpoint"


def test_endpoints_of_all_slices_count_and_each_address_once():
    first = endpoint_slice("web", "app1", endpoint("10.0.0.1", ready=False), http=8080)
    second = endpoint_slice("web", "app1", endpoint("10.0.0.1"), endpoint("10.0.0.2"), http=8080)
    second["metadata"]["name"] = "web-2"
    mesh = mesh_behind_gateway(service("web", "app1", PORT), first, second)

    assert asked(mesh, NAME).endpoints == 2


def test_slices_of_names_and_of_other_clusters_do_not_count():
    names = endpoint_slice("web", "app1", endpoint("x.example.org"), http=8080)
    names["addressType"] = "FQDN"
    imported = endpoint_slice("web", "app1", endpoint("10.0.0.1"), http=8080)
    imported["metadata"]["name"] = "imported"
    imported["metadata"]["labels"]["multicluster.kubernetes.io/service-name"] = "web"
    own = service("web", "app1", PORT, selector={})

    assert state(mesh_behind_gateway(own, names, imported), NAME) == (
        "no-endpoint",
        "Service app1/web has no endpoints: it has no selector, and nobody made an EndpointSlice"
        " with addresses for it",
    )


def test_a_service_with_a_selector_and_no_slice_at_all_was_not_read_whole():
    mesh = mesh_behind_gateway(service("web", "app1", PORT, selector=SELECTED))

    assert state(mesh, NAME) == ("unknown", "no EndpointSlice of Service app1/web was read")


@pytest.mark.parametrize(
    ("unread", "expected"),
    [
        (Kind.ENDPOINT_SLICE, "not every EndpointSlice of Service app1/web was read"),
        (Kind.WORKLOAD_ENTRY, "not every WorkloadEntry in app1 was read"),
    ],
)
def test_an_endpoint_may_be_among_what_was_not_read(unread: Kind, expected: str):
    none = mesh_behind_gateway(*served(endpoint("10.0.0.1", "a", ready=False)))
    one = mesh_behind_gateway(*web())

    assert state(without(none, Unread(kind=unread)), NAME) == ("unknown", expected)
    assert state(without(one, Unread(kind=unread)), NAME) == ("ok", "")


def test_a_subset_takes_the_ready_endpoints_whose_pods_have_its_labels():
    rule = destination_rule("d", "app1", WEB, "v1", "v2", "v3")
    rule["spec"]["subsets"].append({"name": "all"})
    mesh = mesh_behind_gateway(
        service("web", "app1", PORT, selector=SELECTED),
        web_pod("a", labels={"app": "web", "version": "v1"}),
        web_pod("b", labels={"app": "web", "version": "v2"}, ip="10.0.0.2"),
        endpoint_slice(
            "web",
            "app1",
            endpoint("10.0.0.1", "a"),
            endpoint("10.0.0.2", "b", ready=False, terminating=False),
            http=8080,
        ),
        rule,
    )

    assert asked(mesh, f"outbound|80|v1|{WEB}").endpoints == 1
    assert asked(mesh, f"outbound|80|all|{WEB}").endpoints == 1
    assert state(mesh, f"outbound|80|v2|{WEB}") == (
        "no-endpoint",
        "Service app1/web has no ready endpoint with the labels version=v2",
    )
    assert state(mesh, f"outbound|80|v3|{WEB}")[0] == "no-endpoint"


def test_an_endpoint_without_a_pod_of_its_own_has_the_labels_of_the_pod_at_its_address():
    mesh = mesh_behind_gateway(
        service("web", "app1", PORT, selector={}),
        web_pod("a", labels={"version": "v1"}, ip="10.0.0.1"),
        web_pod("b", namespace="app2", labels={"version": "v2"}, ip="10.0.0.2"),
        endpoint_slice("web", "app1", endpoint("10.0.0.1"), endpoint("10.0.0.2"), http=8080),
        destination_rule("d", "app1", WEB, "v1", "v2"),
    )

    assert asked(mesh, f"outbound|80|v1|{WEB}").endpoints == 1
    assert state(mesh, f"outbound|80|v2|{WEB}")[0] == "no-endpoint"


def test_which_endpoints_a_subset_takes_is_unknown_without_their_pods():
    mesh = mesh_behind_gateway(*web(), destination_rule("d", "app1", WEB, "v1"))
    unread = without(mesh, Unread(kind=Kind.POD, namespace="app1", name="web-1"))
    hidden = without(
        mesh_behind_gateway(web()[0], web()[2], destination_rule("d", "app1", WEB, "v1")),
        Unread(kind=Kind.POD, namespace="app1"),
    )

    assert state(unread, f"outbound|80|v1|{WEB}")[0] == "ok"
    assert state(hidden, f"outbound|80|v1|{WEB}") == (
        "unknown",
        "which endpoints of Service app1/web its subset takes is not known",
    )


def test_where_pods_run_is_no_label_of_theirs():
    here = {"name": "here", "labels": {"topology.kubernetes.io/region": "eu"}}
    other = {"name": "other", "labels": {**here["labels"], "version": "v9"}}  # type: ignore[dict-item]
    rule = destination_rule("d", "app1", WEB, subsets=[here, other])
    mesh = mesh_behind_gateway(*web(), rule)

    assert state(mesh, f"outbound|80|here|{WEB}")[0] == "unknown"
    assert state(mesh, f"outbound|80|other|{WEB}")[0] == "no-endpoint"


def test_a_pod_that_is_marked_as_draining_takes_no_new_requests():
    objects = web()
    objects[1]["metadata"]["labels"]["istio.io/draining"] = "yes"

    assert state(mesh_behind_gateway(*objects), NAME) == (
        "no-endpoint",
        "Service app1/web has no ready endpoint: 1 is draining",
    )


@pytest.mark.parametrize(
    ("gateways", "expected"),
    [
        (["n1"], "ok"),
        (["n2"], "no-endpoint"),
        (["n1", "n2"], "unknown"),
        ([""], "unknown"),
    ],
)
def test_a_service_may_be_for_its_own_node_alone(gateways: list[str], expected: str):
    owner = [{"kind": "DaemonSet", "name": "gateway", "controller": True}]
    mesh = mesh_behind_gateway(
        *(
            pod(f"gateway-{index}", spec={"nodeName": node}, ownerReferences=owner)
            for index, node in enumerate(gateways)
        ),
        service(
            "web",
            "app1",
            PORT,
            selector=SELECTED,
            spec={"internalTrafficPolicy": "Local"},
        ),
        web_pod("a", node="n1"),
        endpoint_slice("web", "app1", endpoint("10.0.0.1", "a"), http=8080),
    )

    assert state(mesh, NAME)[0] == expected


def test_a_waypoint_may_answer_for_a_service():
    objects = web(labels={"istio.io/ingress-use-waypoint": "true"})

    assert state(mesh_behind_gateway(*objects), NAME) == (
        "unknown",
        "Service app1/web may be reached through its waypoint",
    )


def workload_entry(address: str = "192.0.2.1", **fields: Any) -> Manifest:
    spec = {"address": address, "ports": fields.pop("ports", {})}
    fields.setdefault("labels", SELECTED)
    return made(ISTIO, "WorkloadEntry", "vm", fields.pop("namespace", "app1"), spec=spec, **fields)


@pytest.mark.parametrize(
    ("entry", "target", "expected"),
    [
        (workload_entry(), 8080, "ok"),
        (workload_entry(), None, "ok"),
        (workload_entry(), "web", "no-endpoint"),
        (workload_entry(ports={"web": 9090}), "web", "ok"),
        (workload_entry("vm.example.org"), 8080, "no-endpoint"),
        (workload_entry(labels={"app": "other"}), 8080, "no-endpoint"),
        (workload_entry(namespace="app2"), 8080, "no-endpoint"),
        (
            workload_entry(annotations={"proxy.istio.io/health-checks-enabled": "true"}),
            8080,
            "no-endpoint",
        ),
        (
            workload_entry(
                annotations={"proxy.istio.io/health-checks-enabled": "true"},
                status={"conditions": [{"type": "Healthy", "status": "True"}]},
            ),
            8080,
            "ok",
        ),
    ],
)
def test_a_service_selects_workload_entries_beside_pods(
    entry: Manifest, target: Any, expected: str
):
    port = {**PORT, "targetPort": target} if target else PORT
    own = service("web", "app1", port, selector=SELECTED)
    mesh = mesh_behind_gateway(own, endpoint_slice("web", "app1"), entry)

    assert state(mesh, NAME)[0] == expected


@pytest.mark.parametrize(
    ("resolution", "workload", "expected"),
    [
        ("STATIC", workload_entry(), "ok"),
        ("STATIC", workload_entry("vm.example.org"), "no-endpoint"),
        ("DNS", workload_entry("vm.example.org"), "ok"),
        ("STATIC", web_pod("a"), "ok"),
        ("STATIC", web_pod("a", ready=False), "no-endpoint"),
        ("STATIC", web_pod("a", namespace="app2"), "no-endpoint"),
        ("STATIC", web_pod("a", labels={"app": "other"}), "no-endpoint"),
    ],
)
def test_a_service_entry_selects_workload_entries_and_pods_of_its_namespace(
    resolution: str, workload: Manifest, expected: str
):
    entry = service_entry(
        "x",
        "app1",
        "x.example.org",
        resolution=resolution,
        workloadSelector={"labels": SELECTED},
    )

    assert state(mesh_behind_gateway(entry, workload), "outbound|443||x.example.org")[0] == (
        expected
    )


def test_a_service_entry_of_a_services_name_and_namespace_adds_its_endpoints():
    ports = [{"number": 9999, "name": "http", "protocol": "HTTP"}]
    fields = {"resolution": "STATIC", "endpoints": [{"address": "192.0.2.1"}], "ports": ports}
    own = [service("web", "app1", PORT, selector=SELECTED), endpoint_slice("web", "app1")]
    same = service_entry("x", "app1", WEB, **fields)
    other = service_entry("x", "app2", WEB, **fields)

    assert state(mesh_behind_gateway(*own, same), NAME) == ("ok", "")
    assert state(mesh_behind_gateway(*own, other), NAME)[0] == "no-endpoint"


def test_service_entries_of_one_host_and_namespace_share_their_endpoints():
    mesh = mesh_behind_gateway(
        service_entry("a", "app1", "x.example.org", resolution="STATIC", created="2026-01-01"),
        service_entry(
            "b",
            "app1",
            "x.example.org",
            resolution="STATIC",
            endpoints=[{"address": "192.0.2.1"}, {"address": "192.0.2.2"}],
            created="2026-01-02",
        ),
    )

    assert asked(mesh, "outbound|443||x.example.org").endpoints == 2


def test_a_headless_service_is_sent_with_its_endpoints():
    objects = web(spec={"clusterIP": "None"})

    assert asked(mesh_behind_gateway(*objects), NAME).endpoints == 1


def test_a_service_entry_seen_in_place_of_its_service_has_the_services_endpoints():
    ports = [{"number": 80, "name": "http", "protocol": "HTTP"}]
    objects = web(annotations={"networking.istio.io/exportTo": "."})
    entry = service_entry("x", "app1", WEB, resolution="STATIC", ports=ports)
    mesh = mesh_behind_gateway(*objects, entry)

    assert (asked(mesh, NAME).service, asked(mesh, NAME).endpoints) == (
        Ref(ISTIO_NETWORKING, "ServiceEntry", "app1", "x"),
        1,
    )


def test_a_selected_workload_that_is_marked_as_draining_takes_no_new_requests():
    draining = {**SELECTED, "istio.io/draining": "1"}
    own = [service("web", "app1", PORT, selector=SELECTED), endpoint_slice("web", "app1")]

    assert state(mesh_behind_gateway(*own, workload_entry(labels=draining)), NAME) == (
        "no-endpoint",
        "Service app1/web has no ready endpoint: 1 is draining",
    )
