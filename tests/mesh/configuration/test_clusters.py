"""Whether a cluster is sent to a gateway, and why not."""

from typing import Any

import pytest

from istiodoctor.mesh.configuration.cluster import ClusterName, UpstreamTlsMode
from istiodoctor.mesh.configuration.clusters import cluster
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.model.kind import CORE, ISTIO_NETWORKING, Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Snapshot, Unread
from tests.support.behind_gateway import (
    PORT,
    WEB,
    asked,
    gateway_workload,
    mesh_behind_gateway,
    mesh_config,
    state,
    web,
    without,
)
from tests.support.objects import (
    Manifest,
    destination_rule,
    endpoint,
    endpoint_slice,
    istiod,
    made,
    pod,
    route,
    service,
    service_entry,
    virtual_service,
)

OUTSIDE = "outbound|443||x.example.org"


def test_a_cluster_of_a_service_with_a_ready_pod_takes_requests():
    found = asked(mesh_behind_gateway(*web()), f"outbound|80||{WEB}")

    assert (found.state, found.reason, found.endpoints) == ("ok", "", 1)
    assert found.service == Ref(CORE, "Service", "app1", "web")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (f"outbound|81||{WEB}", "Service app1/web has no port 81, only 80"),
        (f"outbound|0||{WEB}", "Service app1/web has no port 0, only 80"),
        (
            "outbound|80||web.app2.svc.cluster.local",
            "Service app2/web does not exist, only app1/web",
        ),
        ("outbound|80||none.app1.svc.cluster.local", "Service app1/none does not exist"),
        (
            "outbound|80||WEB.app1.svc.cluster.local",
            "Service app1/WEB does not exist: names are compared with their case",
        ),
        (
            "outbound|80||web.app1",
            f"web.app1 is no full name: that of Service app1/web is {WEB}",
        ),
        (
            "outbound|80||web.app1.svc",
            f"web.app1.svc is no full name: that of Service app1/web is {WEB}",
        ),
        ("outbound|80||x.org", "no Service or ServiceEntry has the host x.org"),
        ("outbound|80||", "no Service or ServiceEntry has the host "),
        ("UnknownService", "the backend that the route refers to is none that istiod accepts"),
        ("outbound|80|v1|" + WEB, f"no DestinationRule defines subset v1 of {WEB}"),
        ("PassthroughCluster", "istiod makes no cluster PassthroughCluster for a gateway"),
        ("outbound|²||web", "istiod makes no cluster outbound|²||web for a gateway"),
    ],
)
def test_a_cluster_that_is_not_made_has_a_reason(name: str, reason: str):
    assert state(mesh_behind_gateway(*web()), name) == ("no-cluster", reason)


def test_the_port_of_a_protocol_that_envoy_does_not_proxy_has_no_cluster():
    mesh = mesh_behind_gateway(
        service("dns", "app1", {"name": "dns", "port": 53, "protocol": "UDP"}),
        service("both", "app1", {"port": 53, "protocol": "UDP"}, {"name": "tcp", "port": 53}),
    )

    assert state(mesh, "outbound|53||dns.app1.svc.cluster.local") == (
        "no-cluster",
        "port 53 of Service app1/dns is of UDP",
    )
    assert state(mesh, "outbound|53||both.app1.svc.cluster.local")[0] != "no-cluster"


def test_a_service_that_the_gateway_may_not_see_has_no_cluster():
    mesh = mesh_behind_gateway(*web(annotations={"networking.istio.io/exportTo": ".,app2"}))

    assert state(mesh, f"outbound|80||{WEB}") == (
        "no-cluster",
        'Service app1/web is not exported to istio-system (exportTo "., app2")',
    )


def test_an_external_name_has_no_cluster_unless_a_service_entry_makes_it():
    spec = {"type": "ExternalName", "externalName": "x.example.org", "ports": [{"port": 443}]}
    alias = made("v1", "Service", "ext", "app1", spec=spec)
    alone = mesh_behind_gateway(alias)
    both = mesh_behind_gateway(alias, service_entry("x", "app1", "x.example.org"))

    assert state(alone, OUTSIDE) == (
        "no-cluster",
        "ExternalName Service app1/ext stands for x.example.org, which is no host of a"
        " ServiceEntry",
    )
    assert state(alone, "outbound|443||ext.app1.svc.cluster.local") == (
        "no-cluster",
        "Service app1/ext is another name for x.example.org and has no cluster of its own",
    )
    assert state(both, OUTSIDE) == ("ok", "")


def test_external_names_that_name_each_other_end():
    def alias(name: str, target: str) -> Manifest:
        spec = {"type": "ExternalName", "externalName": target, "ports": [{"port": 443}]}
        return made("v1", "Service", name, "app1", spec=spec)

    mesh = mesh_behind_gateway(
        alias("a", "b.app1.svc.cluster.local"), alias("b", "a.app1.svc.cluster.local")
    )

    assert state(mesh, "outbound|443||b.app1.svc.cluster.local") == (
        "no-cluster",
        "Service app1/b is another name for a.app1.svc.cluster.local and has no cluster of its"
        " own",
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"resolution": "DNS"}, ("ok", "")),
        (
            {"resolution": "DNS", "endpoints": [{"address": "y.example.org"}]},
            ("ok", ""),
        ),
        ({"resolution": "DNS_ROUND_ROBIN"}, ("ok", "")),
        (
            {"resolution": "NONE"},
            (
                "no-endpoint",
                "ServiceEntry app1/x has resolution NONE: it gives a gateway no address to send"
                " requests to",
            ),
        ),
        ({"resolution": ""}, ("no-endpoint", None)),
        ({"resolution": "STATIC"}, ("no-endpoint", "ServiceEntry app1/x has no endpoints")),
        (
            {"resolution": "STATIC", "endpoints": [{"address": "192.0.2.1"}]},
            ("ok", ""),
        ),
        (
            {"resolution": "STATIC", "endpoints": [{"address": "unix:///run/x"}]},
            ("ok", ""),
        ),
        (
            {"resolution": "STATIC", "endpoints": [{"address": "y.example.org"}]},
            ("no-endpoint", None),
        ),
        (
            {"resolution": "DNS", "workloadSelector": {"labels": {"app": "vm"}}},
            ("no-cluster", "ServiceEntry app1/x is resolved by DNS and has no endpoint"),
        ),
        ({"exportTo": ["app1"]}, ("no-cluster", None)),
    ],
)
def test_a_service_entrys_resolution_says_where_its_endpoints_come_from(
    fields: dict[str, Any], expected: tuple[str, str | None]
):
    found, reason = state(
        mesh_behind_gateway(service_entry("x", "app1", "x.example.org", **fields)), OUTSIDE
    )

    assert found == expected[0]
    assert expected[1] in (reason, None)


def test_a_wildcard_of_a_service_entry_makes_a_cluster_of_that_name_only():
    mesh = mesh_behind_gateway(service_entry("x", "app1", "*.example.org", resolution="NONE"))

    assert state(mesh, OUTSIDE) == (
        "no-cluster",
        "ServiceEntry app1/x makes a cluster of its host *.example.org and of no name below it",
    )
    assert state(mesh, "outbound|443||*.example.org")[0] == "no-endpoint"


@pytest.mark.parametrize(
    ("protocol", "subset", "expected"),
    [
        ("TLS", "", "ok"),
        ("HTTP", "", "ok"),
        ("TCP", "", "no-cluster"),
        ("TLS", "v1", "no-cluster"),
    ],
)
def test_a_wildcard_resolved_as_it_is_asked_for_has_clusters_of_some_protocols(
    protocol: str, subset: str, expected: str
):
    ports = [{"number": 443, "name": "a", "protocol": protocol}]
    entry = service_entry("x", "app1", "*.x.org", resolution="DYNAMIC_DNS", ports=ports)
    rule = destination_rule("x", "app1", "*.x.org", "v1")

    name = f"outbound|443|{subset}|*.x.org"

    assert state(mesh_behind_gateway(entry, rule), name)[0] == expected


def test_a_subset_of_a_host_that_dns_resolves_has_a_cluster_only_with_labelled_endpoints():
    labelled = [{"address": "y.example.org", "labels": {"version": "v1"}}]
    rule = destination_rule("x", "app1", "x.example.org", "v1", "v2")
    host = mesh_behind_gateway(service_entry("x", "app1", "x.example.org"), rule)
    both = mesh_behind_gateway(
        service_entry("x", "app1", "x.example.org", endpoints=labelled), rule
    )

    assert state(host, "outbound|443|v1|x.example.org") == (
        "no-cluster",
        "ServiceEntry app1/x is resolved by DNS and has no endpoint with the labels of the subset",
    )
    assert state(both, "outbound|443|v1|x.example.org") == ("ok", "")
    assert state(both, "outbound|443|v2|x.example.org")[0] == "no-cluster"


def test_a_passthrough_load_balancer_leads_a_gateway_nowhere():
    policy = {"loadBalancer": {"simple": "PASSTHROUGH"}}
    rules = [
        destination_rule("web", "app1", WEB, "v1", trafficPolicy=policy),
        destination_rule("own", "app2", "web.app2.svc.cluster.local", "v1"),
    ]
    mesh = mesh_behind_gateway(*web(), *rules)
    reason = (
        "Service app1/web: it leads to the address that was asked for, and a gateway knows none"
    )

    assert state(mesh, f"outbound|80||{WEB}") == ("no-endpoint", reason)
    assert state(mesh, f"outbound|80|v1|{WEB}") == ("no-endpoint", reason)


def test_a_load_balancer_of_another_port_does_not_matter():
    other = [{"port": {"number": 81}, "loadBalancer": {"simple": "PASSTHROUGH"}}]
    own = [{"port": {"number": 80}, "loadBalancer": {"simple": "RANDOM"}}]
    wide = {"loadBalancer": {"simple": "PASSTHROUGH"}, "portLevelSettings": own}
    rules = [destination_rule("web", "app1", WEB, trafficPolicy={"portLevelSettings": other})]
    narrow = [destination_rule("web", "app1", WEB, trafficPolicy=wide)]

    assert state(mesh_behind_gateway(*web(), *rules), f"outbound|80||{WEB}")[0] == "ok"
    assert state(mesh_behind_gateway(*web(), *narrow), f"outbound|80||{WEB}")[0] == "ok"


@pytest.mark.parametrize(
    ("unread", "name", "expected"),
    [
        (
            Unread(kind=Kind.SERVICE, namespace="app2"),
            "outbound|80||web.app2.svc.cluster.local",
            ("unknown", "Service app2/web was not read"),
        ),
        (Unread(kind=Kind.SERVICE, namespace="app2"), f"outbound|80||{WEB}", ("ok", "")),
        (Unread(kind=Kind.SERVICE_ENTRY), f"outbound|80||{WEB}", ("ok", "")),
        (Unread(kind=Kind.SERVICE_ENTRY), f"outbound|81||{WEB}", None),
        (
            Unread(kind=Kind.SERVICE_ENTRY),
            OUTSIDE,
            ("unknown", "not every ServiceEntry was read"),
        ),
        (
            Unread(kind=Kind.DESTINATION_RULE),
            f"outbound|80|v1|{WEB}",
            ("unknown", "not every DestinationRule in istio-system was read"),
        ),
        (
            Unread(kind=Kind.DESTINATION_RULE, namespace="app1"),
            f"outbound|80|v1|{WEB}",
            ("unknown", "not every DestinationRule in app1 was read"),
        ),
        (Unread(kind=Kind.DESTINATION_RULE, namespace="app2"), f"outbound|80|v1|{WEB}", None),
        (Unread(kind=Kind.DESTINATION_RULE), f"outbound|80||{WEB}", ("ok", "")),
    ],
)
def test_an_absence_among_what_was_not_read_is_unknown(
    unread: Unread, name: str, expected: tuple[str, str] | None
):
    found = state(without(mesh_behind_gateway(*web()), unread), name)

    assert found == expected or (expected is None and found[0] == "no-cluster")


def test_nothing_is_certain_of_a_cluster_that_plain_manifests_do_not_show():
    whole = mesh_behind_gateway(pod())
    plain = Snapshot(taken_at=whole.taken_at, source="files")
    mesh = Mesh(plain)

    found = cluster(mesh, gateway_workload(whole), f"outbound|80||{WEB}")

    assert (found.state, found.reason, found.service) == (
        "unknown",
        "Service app1/web is not among the files",
        None,
    )


def test_the_namespace_of_an_unread_root_may_hold_the_rule():
    whole = mesh_behind_gateway(*web(), destination_rule("web", "config", WEB, "v1"))
    unread = Unread(kind=Kind.CONFIG_MAP, namespace="istio-system", name="istio")

    assert state(whole, f"outbound|80|v1|{WEB}")[0] == "no-cluster"
    assert state(without(whole, unread), f"outbound|80|v1|{WEB}") == (
        "unknown",
        "ConfigMap istio-system/istio was not read",
    )


def envoy_filter(operation: Any, context: Any = "GATEWAY", **fields: Any) -> Manifest:
    patch = {
        "applyTo": "CLUSTER",
        "match": {"context": context, "cluster": fields.pop("cluster", {})},
        "patch": {"operation": operation, "value": fields.pop("value", {})},
    }
    spec = {"configPatches": [patch], **fields}
    return made("networking.istio.io/v1alpha3", "EnvoyFilter", "f", "istio-system", spec=spec)


@pytest.mark.parametrize(
    ("patch", "name", "expected"),
    [
        (envoy_filter("ADD", value={"name": OUTSIDE}), OUTSIDE, "unknown"),
        (envoy_filter("ADD", value={"name": "other"}), OUTSIDE, "no-cluster"),
        (envoy_filter("ADD", value="odd"), OUTSIDE, "unknown"),
        (envoy_filter("ADD", "SIDECAR_OUTBOUND", value={"name": OUTSIDE}), OUTSIDE, "no-cluster"),
        (envoy_filter("ADD", 5, value={"name": OUTSIDE}), OUTSIDE, "unknown"),
        (envoy_filter(["ADD"], value={"name": OUTSIDE}), OUTSIDE, "unknown"),
        (
            envoy_filter("ADD", workloadSelector={"labels": {"a": "b"}}),
            OUTSIDE,
            "no-cluster",
        ),
        (envoy_filter("REMOVE"), f"outbound|80||{WEB}", "unknown"),
        (envoy_filter("REMOVE", cluster={"service": "other"}), f"outbound|80||{WEB}", "ok"),
        (envoy_filter("REMOVE", cluster={"service": WEB}), f"outbound|80||{WEB}", "unknown"),
        (envoy_filter("MERGE"), f"outbound|80||{WEB}", "ok"),
    ],
)
def test_envoy_filters_may_add_clusters_and_take_them_away(
    patch: Manifest, name: str, expected: str
):
    assert state(mesh_behind_gateway(*web(), patch), name)[0] == expected


@pytest.mark.parametrize(("host", "expected"), [("ext", "no-cluster"), ("x.example.org", "ok")])
def test_filtered_clusters_are_those_that_routes_name(host: str, expected: str):
    spec = {"type": "ExternalName", "externalName": "x.example.org", "ports": [{"port": 443}]}
    mesh = mesh_behind_gateway(
        istiod(PILOT_FILTER_GATEWAY_CLUSTER_CONFIG="true"),
        made("v1", "Service", "ext", "app1", spec=spec),
        service_entry("x", "app1", "x.example.org"),
        virtual_service("v", "app1", "a.example.com", gateways=["g"], http=[route(host)]),
    )

    assert state(mesh, OUTSIDE)[0] == expected


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (f"outbound|80|v1|{WEB}", (80, "v1", WEB)),
        ("outbound_.80_._.a_.b", None),
        (f"outbound_.80_.v1_.{WEB}", (80, "v1", WEB)),
        ("outbound|80||a|b", None),
        ("outbound|²||web", None),
        ("outbound|٣||web", None),
        (f"outbound|{'9' * 5000}||web", None),
        ("outbound|-1||web", None),
        ("inbound|80||", None),
        ("", None),
    ],
)
def test_a_clusters_name_is_read_as_istiod_writes_it(
    name: str, parts: tuple[int, str, str] | None
):
    found = ClusterName.parsed(name)

    assert (found and (found.port, found.subset, found.host)) == parts
    assert found is None or str(found) == name


def test_what_passes_through_by_sni_leads_to_endpoints_with_a_sidecar_only():
    sidecar = {"app": "web", "security.istio.io/tlsMode": "istio"}
    plain, meshed = web(), web()
    meshed[1]["metadata"]["labels"] = sidecar
    off = destination_rule("d", "app1", WEB, trafficPolicy={"tls": {"mode": "SIMPLE"}})
    name = f"outbound_.80_._.{WEB}"
    outside = service_entry("x", "app1", "x.example.org")

    assert state(mesh_behind_gateway(*plain), name) == (
        "no-endpoint",
        "Service app1/web has no endpoint with a sidecar",
    )
    assert state(mesh_behind_gateway(*meshed), name) == ("ok", "")
    assert state(mesh_behind_gateway(*meshed, off), name) == (
        "no-endpoint",
        "DestinationRule app1/d has TLS mode SIMPLE where only ISTIO_MUTUAL is passed on",
    )
    assert state(mesh_behind_gateway(outside), "outbound_.443_._.x.example.org") == (
        "no-cluster",
        "ServiceEntry app1/x is outside of the mesh",
    )


def tls(mode: str) -> dict[str, Any]:
    return {"tls": {"mode": mode}}


@pytest.mark.parametrize(
    ("policy", "subset", "expected"),
    [
        (None, None, (None, None)),
        (tls("SIMPLE"), None, (UpstreamTlsMode.SIMPLE, "/spec/trafficPolicy/tls")),
        ({"tls": {}}, None, (UpstreamTlsMode.DISABLE, "/spec/trafficPolicy/tls")),
        ({"tls": {"mode": "²"}}, None, (None, None)),
        (
            {**tls("SIMPLE"), "portLevelSettings": [{"port": {"number": 80}}]},
            None,
            (None, None),
        ),
        (
            {"portLevelSettings": [{"port": {"number": 80}, **tls("MUTUAL")}]},
            None,
            (UpstreamTlsMode.MUTUAL, "/spec/trafficPolicy/portLevelSettings/0/tls"),
        ),
        (
            tls("SIMPLE"),
            tls("MUTUAL"),
            (UpstreamTlsMode.MUTUAL, "/spec/subsets/0/trafficPolicy/tls"),
        ),
        (
            tls("SIMPLE"),
            {"loadBalancer": {"simple": "RANDOM"}},
            (UpstreamTlsMode.SIMPLE, "/spec/trafficPolicy/tls"),
        ),
        (
            tls("SIMPLE"),
            {"portLevelSettings": [{"port": {"number": 80}}]},
            (None, None),
        ),
    ],
)
def test_tls_to_the_endpoints_is_what_the_rule_says_for_the_port_and_subset(
    policy: Any, subset: Any, expected: tuple[UpstreamTlsMode | None, str | None]
):
    subsets = [{"name": "v1", "labels": {"version": "v1"}, "trafficPolicy": subset}]
    rule = destination_rule("d", "app1", WEB, subsets=subsets, trafficPolicy=policy)
    found = asked(mesh_behind_gateway(*web(), rule), f"outbound|80|v1|{WEB}")

    assert (found.tls and found.tls.mode, found.tls and found.tls.place.path) == expected
    assert found.made_by == Ref(ISTIO_NETWORKING, "DestinationRule", "app1", "d")


def test_odd_objects_break_no_cluster():
    odd = service("web", "app1", {**PORT, "targetPort": "²"}, selector={"": ""})
    mesh = mesh_behind_gateway(
        odd,
        endpoint_slice("web", "app1", endpoint("²"), endpoint(""), endpoint("10.0.0.9"), http=0),
        service_entry("x", "app1", "", "*", "²", WEB, resolution="²", ports=[{}, {"number": -1}]),
        destination_rule("d", "app1", "", "", "²"),
        destination_rule("e", "app1", "*", "v1", workloadSelector={}),
        mesh_config("- no mapping"),
    )

    for name in ("", "outbound|80|²|" + WEB, f"outbound|80||{WEB}", "outbound|0||*", OUTSIDE):
        assert asked(mesh, name).state.value in ("no-cluster", "no-endpoint", "unknown")


def test_a_cluster_needs_services_and_routes_alone_and_says_what_else_it_reads():
    mesh = mesh_behind_gateway(
        istiod(PILOT_FILTER_GATEWAY_CLUSTER_CONFIG="true"),
        *web(),
        service("empty", "app1", 80, selector={"app": "none"}),
        endpoint_slice("empty", "app1"),
        service_entry("x", "app1", "x.example.org", workloadSelector={"labels": {}}),
        destination_rule("d", "app1", WEB, "v1"),
        mesh_config("discoverySelectors: [{}]"),
        envoy_filter("ADD", value={"name": "x"}),
        made(
            "v1",
            "Service",
            "ext",
            "app1",
            spec={"type": "ExternalName", "externalName": "x.example.org"},
        ),
    )
    workload = gateway_workload(mesh)

    with mesh.recording() as record:
        for name in (f"80|v1|{WEB}", f"80|v2|{WEB}", "443||x.example.org", "80||y", "81||" + WEB):
            cluster(mesh, workload, f"outbound|{name}")
        cluster(mesh, workload, "outbound|80||empty.app1.svc.cluster.local")

    assert record.undeclared == frozenset()
    assert cluster.kinds == {Kind.SERVICE, Kind.VIRTUAL_SERVICE}


def test_of_service_entries_of_one_age_it_is_not_known_which_is_taken():
    def pair(first: str, second: str, **fields: Any) -> Mesh:
        ages = [{"created": each} if each else {} for each in (first, second)]
        return mesh_behind_gateway(
            service_entry("a", "app1", "x.example.org", **ages[0]),
            service_entry("b", "app2", "x.example.org", **ages[1], **fields),
        )

    other = {"resolution": "NONE"}
    unknown = (
        "unknown",
        "whether ServiceEntry app1/a or ServiceEntry app2/b is older is not known",
    )

    assert state(pair("2026-01-01", "2026-01-02", **other), OUTSIDE) == ("ok", "")
    assert state(pair("2026-01-01", "2026-01-01", **other), OUTSIDE) == ("ok", "")
    assert state(pair("", "", **other), OUTSIDE) == unknown
    assert state(pair("", "", resolution="DNS_ROUND_ROBIN"), OUTSIDE) == ("ok", "")


def test_endpoints_of_a_service_that_hides_from_all_are_not_known():
    objects = web(annotations={"networking.istio.io/exportTo": "~,*"})

    assert state(mesh_behind_gateway(*objects), f"outbound|80||{WEB}") == (
        "unknown",
        'Service app1/web has "~" in its exportTo: istiod may pass over its endpoints',
    )


@pytest.mark.parametrize(("age", "expected"), [("2026-01-02", "ok"), ("2026-01-01", "no-cluster")])
def test_a_host_that_dns_resolves_has_the_pods_of_an_unseen_service_of_its_name(
    age: str, expected: str
):
    """The younger of the two says under which names of ports the endpoints are filed."""
    ports = [{"number": 80, "name": "other", "protocol": "HTTP"}]
    hidden = {"networking.istio.io/exportTo": "."}
    mesh = mesh_behind_gateway(
        *web(annotations=hidden, created=age),
        service_entry(
            "x",
            "app1",
            WEB,
            ports=ports,
            created="2026-01-01" if age > "2026-01-01" else "2026-01-02",
        ),
        destination_rule("d", "app1", WEB, "v1"),
    )

    assert state(mesh, f"outbound|80|v1|{WEB}")[0] == expected
