import pytest

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.chain_index import tls_server_for
from istiodoctor.mesh.gateways.listeners import dropped, listeners, servers
from istiodoctor.mesh.gateways.merging import Dropped, DropReason, Listener
from istiodoctor.mesh.gateways.servers import ServerHost
from tests.support.objects import (
    INGRESS,
    Manifest,
    gateway,
    https,
    istiod,
    mesh_of,
    pod,
    server,
    service,
)

OLD, NEW, NEWEST = "2025-01-01", "2025-02-01", "2025-03-01"
REDIRECT = {"httpsRedirect": True}


def only_listener(mesh: Mesh) -> Listener:
    (found,) = listeners(mesh)
    return found


def kept(listener: Listener) -> list[str]:
    return [f"{each.gateway.name}#{each.index}" for each in listener.servers]


def drops(*dropped: Dropped) -> list[tuple[str, DropReason, str | None, tuple[str, ...]]]:
    return [
        (
            f"{each.server.gateway.name}#{each.server.index}",
            each.reason,
            f"{each.winner.gateway.name}#{each.winner.index}" if each.winner else None,
            each.hosts,
        )
        for each in dropped
    ]


def test_a_selector_takes_pods_of_every_namespace():
    mesh = mesh_of(pod("a", "edge"), pod("b"), gateway("web", "shop", https("a.com")))

    assert [str(each.workload) for each in listeners(mesh)] == [
        "Pod edge/a",
        "Pod istio-system/b",
    ]


def test_a_selector_asks_for_all_its_labels():
    selector = INGRESS | {"zone": "1"}
    mesh = mesh_of(
        pod("a"),
        pod("b", labels=selector),
        gateway("web", "shop", https("a.com"), selector=selector),
    )

    assert str(only_listener(mesh).workload) == "Pod istio-system/b"


def test_an_empty_selector_takes_every_gateway_and_no_other_pod():
    app = pod("app", "shop", labels={"app": "shop"}, spec={"containers": [{"name": "app"}]})
    mesh = mesh_of(
        pod("a"),
        pod("b", "edge", labels={"app": "x"}),
        app,
        gateway("w", "shop", https("a.com"), selector={}),
    )

    assert [str(each.workload) for each in listeners(mesh)] == [
        "Pod edge/b",
        "Pod istio-system/a",
    ]


def test_an_istiod_that_confines_gateways_gives_pods_those_of_their_namespace():
    mesh = mesh_of(
        istiod(PILOT_SCOPE_GATEWAY_TO_NAMESPACE="true"),
        pod(),
        gateway("near", "istio-system", https("a.com")),
        gateway("far", "shop", https("b.com")),
    )

    listener = only_listener(mesh)
    assert kept(listener) == ["near#0"]
    assert [(each.server.gateway.name, each.reason) for each in listener.dropped] == [
        ("far", DropReason.OUTSIDE_SCOPE)
    ]


def test_servers_share_a_listener_by_the_port_in_the_pod():
    ports = [{"name": "https", "port": 443, "targetPort": 8443}]
    mesh = mesh_of(
        pod(),
        service("ingress", "istio-system", *ports),
        gateway("a", "shop", https("a.com"), created=OLD),
        gateway("b", "shop", server(8443, "HTTPS", "b.com", tls={"mode": "SIMPLE"}), created=NEW),
    )

    listener = only_listener(mesh)
    assert (listener.port, kept(listener)) == (8443, ["a#0", "b#0"])


def test_the_older_gateway_comes_first_then_the_name_then_the_namespace():
    mesh = mesh_of(
        pod(),
        gateway("b", "x", https("1.com"), created=OLD),
        gateway("c", "a", https("2.com"), created=NEW),
        gateway("a", "z", https("3.com"), created=NEW),
        gateway("a", "y", https("4.com"), created=NEW),
    )

    assert [each.gateway.path for each in only_listener(mesh).servers] == [
        "x/b",
        "y/a",
        "z/a",
        "a/c",
    ]


def test_a_repeated_host_drops_the_whole_later_server_with_its_other_hosts():
    mesh = mesh_of(
        pod(),
        gateway("old", "shop", https("a.com", "b.com"), created=OLD),
        gateway("new", "shop", https("b.com", "c.com"), created=NEW),
    )

    listener = only_listener(mesh)
    assert (kept(listener), drops(*listener.dropped)) == (
        ["old#0"],
        [("new#0", DropReason.DUPLICATE_HOSTS, "old#0", ("b.com",))],
    )


def test_the_hosts_of_a_dropped_server_are_free_for_the_next():
    mesh = mesh_of(
        pod(),
        gateway("a", "shop", https("a.com"), created=OLD),
        gateway("b", "shop", https("a.com", "b.com"), created=NEW),
        gateway("c", "shop", https("b.com"), created=NEWEST),
    )

    assert kept(only_listener(mesh)) == ["a#0", "c#0"]


def test_a_host_under_a_wildcard_is_no_duplicate():
    mesh = mesh_of(pod(), gateway("a", "shop", https("*.a.com"), https("x.a.com"), https("*")))

    assert kept(only_listener(mesh)) == ["a#0", "a#1", "a#2"]


def test_a_host_twice_in_one_server_is_no_duplicate():
    mesh = mesh_of(pod(), gateway("a", "shop", https("a.com", "a.com")))

    assert kept(only_listener(mesh)) == ["a#0"]


def test_redirecting_http_servers_go_through_the_check_for_duplicates():
    mesh = mesh_of(
        pod(),
        gateway("a", "shop", server(80, "HTTP", "a.com", tls=REDIRECT), created=OLD),
        gateway("b", "shop", server(80, "HTTP", "a.com", "b.com", tls=REDIRECT), created=NEW),
    )

    assert drops(*dropped(mesh)) == [("b#0", DropReason.DUPLICATE_HOSTS, "a#0", ("a.com",))]


@pytest.mark.parametrize("tls", [[None, None], [REDIRECT, None], [None, REDIRECT]])
def test_plain_http_servers_with_one_host_are_merged_unless_both_redirect(tls: list[Manifest]):
    mesh = mesh_of(
        pod(),
        gateway("a", "shop", server(80, "HTTP", "a.com", tls=tls[0]), created=OLD),
        gateway("b", "shop", server(80, "HTTP", "a.com", tls=tls[1]), created=NEW),
    )

    assert kept(only_listener(mesh)) == ["a#0", "b#0"]


@pytest.mark.parametrize("protocol", ["HTTP", "http", "HTTP2", "GRPC", "GRPC-Web"])
def test_all_sorts_of_plain_http_are_merged(protocol: str):
    mesh = mesh_of(
        pod(), gateway("a", "shop", server(80, "HTTP", "a.com"), server(80, protocol, "b.com"))
    )

    assert kept(only_listener(mesh)) == ["a#0", "a#1"]


@pytest.mark.parametrize(
    ("hosts", "others", "expected"),
    [
        (["./a.com"], ["shop/a.com"], ("shop/a.com",)),
        (["*/a.com"], ["a.com"], ("a.com",)),
        (["*/*"], ["*"], ("*",)),
        (["one/a.com"], ["two/a.com"], ()),
        (["one/a.com"], ["a.com"], ()),
        (["A.com"], ["a.com"], ()),  # istiod compares the texts; Envoy refuses what comes of it
    ],
)
def test_duplicates_are_compared_with_their_namespace_in_normal_form(
    hosts: list[str], others: list[str], expected: tuple[str, ...]
):
    mesh = mesh_of(
        pod(),
        gateway("a", "shop", https(*hosts), created=OLD),
        gateway("b", "shop", https(*others), created=NEW),
    )

    assert [each.hosts for each in dropped(mesh)] == ([expected] if expected else [])


def test_a_host_keeps_the_namespace_that_restricts_it():
    (found,) = servers(
        mesh_of(gateway("a", "shop", https("./A.com", "*/b.com", "x/*", "~/c.com")))
    )

    assert found.hosts == (
        ServerHost("shop", "a.com"),
        ServerHost("*", "b.com"),
        ServerHost("x", "*"),
    )


def test_a_different_bind_is_a_different_listener():
    mesh = mesh_of(
        pod(),
        gateway("a", "shop", https("a.com"), https("a.com", bind="10.0.0.1")),
        gateway("b", "shop", server(443, "HTTP", "a.com", bind="10.0.0.2")),
    )

    assert [(each.bind, kept(each)) for each in listeners(mesh)] == [
        ("", ["a#0"]),
        ("10.0.0.1", ["a#1"]),
        ("10.0.0.2", ["b#0"]),
    ]


def test_https_servers_of_one_gateway_need_distinct_port_names():
    mesh = mesh_of(
        pod(),
        gateway("a", "shop", https("a.com", name="https"), https("b.com", name="https")),
        gateway("b", "shop", https("c.com", name="https")),
    )

    listener = only_listener(mesh)
    assert (kept(listener), drops(*listener.dropped)) == (
        ["a#0", "b#0"],
        [("a#1", DropReason.DUPLICATE_PORT_NAME, "a#0", ())],
    )


def test_passthrough_servers_may_share_a_port_name():
    tls = {"mode": "PASSTHROUGH"}
    mesh = mesh_of(
        pod(),
        gateway(
            "a",
            "shop",
            server(443, "TLS", "a.com", tls=tls, name="tls"),
            server(443, "TLS", "b.com", tls=tls, name="tls"),
        ),
    )

    assert kept(only_listener(mesh)) == ["a#0", "a#1"]


PLAIN = gateway("plain", "shop", server(443, "HTTP", "p.com"), created=OLD)
TLS = gateway("tls", "shop", https("t.com"), created=OLD)
LATE_PLAIN = gateway("late", "shop", server(443, "HTTP", "l.com"), created=NEW)
LATE_TLS = gateway("late", "shop", https("l.com"), created=NEW)
LAST_PLAIN = gateway("last", "shop", server(443, "HTTP", "z.com"), created=NEWEST)
LAST_TLS = gateway("last", "shop", https("z.com"), created=NEWEST)
TCP = gateway("tcp", "shop", server(443, "TCP", "*"), created=OLD)
LATE_TCP = gateway("late", "shop", server(443, "TCP", "*"), created=NEW)
CONFLICT = DropReason.CONFLICTING_PROTOCOL


@pytest.mark.parametrize(
    ("version", "gateways", "expected", "dropped"),
    [
        ("1.27.3", [PLAIN, LATE_TLS], ["plain#0"], [("late#0", "plain#0")]),
        ("1.27.4", [PLAIN, LATE_TLS], ["plain#0"], [("late#0", "plain#0")]),
        ("1.27.3", [TLS, LATE_PLAIN], ["tls#0"], [("late#0", "tls#0")]),
        ("1.28.0", [TLS, LATE_PLAIN], ["tls#0"], [("late#0", "tls#0")]),
        ("latest", [TLS, LATE_PLAIN], ["tls#0", "late#0"], []),
        ("1.27.4", [TLS, LATE_PLAIN], ["tls#0", "late#0"], []),
        ("1.28.1", [TLS, LATE_PLAIN], ["tls#0", "late#0"], []),
        ("1.28.1", [TLS, LATE_PLAIN, LAST_TLS], ["tls#0", "late#0"], [("last#0", "late#0")]),
        ("1.28.1", [TLS, LATE_PLAIN, LAST_PLAIN], ["tls#0", "late#0", "last#0"], []),
        ("1.27.3", [TLS, LATE_PLAIN, LAST_TLS], ["tls#0", "last#0"], [("late#0", "tls#0")]),
        ("1.27.3", [PLAIN, LATE_TCP], ["plain#0"], [("late#0", "plain#0")]),
        ("1.27.3", [TCP, LATE_PLAIN], ["tcp#0"], [("late#0", "tcp#0")]),
        ("1.27.3", [TCP, LATE_TCP], ["tcp#0"], [("late#0", "tcp#0")]),
        ("1.27.3", [TLS, LATE_TCP], ["tls#0"], [("late#0", "tls#0")]),
        ("1.28.1", [TLS, LATE_TCP], ["tls#0", "late#0"], []),
    ],
)
def test_one_port_speaks_one_protocol_and_the_version_decides_who_wins(
    version: str, gateways: list[Manifest], expected: list[str], dropped: list[tuple[str, str]]
):
    listener = only_listener(mesh_of(istiod(version), pod(), *gateways))

    assert kept(listener) == expected
    assert drops(*listener.dropped) == [(loser, CONFLICT, winner, ()) for loser, winner in dropped]


def test_a_server_dropped_for_its_protocol_has_taken_its_hosts_all_the_same():
    mesh = mesh_of(
        pod(),
        PLAIN,
        gateway("late", "shop", https("a.com"), created=NEW),
        gateway("last", "shop", https("a.com"), created=NEWEST),
    )

    assert drops(*dropped(mesh)) == [
        ("late#0", CONFLICT, "plain#0", ()),
        ("last#0", DropReason.DUPLICATE_HOSTS, "late#0", ("a.com",)),
    ]


@pytest.mark.parametrize("protocol", ["HTTPS", "TLS"])
def test_a_server_that_wants_tls_and_says_nothing_of_it_is_left_out(protocol: str):
    mesh = mesh_of(pod(), gateway("a", "shop", server(443, protocol, "a.com")))

    assert drops(*dropped(mesh)) == [("a#0", DropReason.MISSING_TLS, None, ())]


@pytest.mark.parametrize(
    ("port", "expected"),
    [(443, [("a#0", DropReason.PRIVILEGED_PORT, None, ())]), (1024, []), (8443, [])],
)
def test_an_unprivileged_pod_skips_ports_below_1024(
    port: int, expected: list[tuple[str, DropReason, None, tuple[()]]]
):
    entry = {"name": "https", "port": 443, "targetPort": port}
    mesh = mesh_of(
        pod(env={"ISTIO_META_UNPRIVILEGED_POD": "true"}),
        service("ingress", "istio-system", entry),
        gateway("a", "shop", https("a.com")),
    )

    assert drops(*dropped(mesh)) == expected


@pytest.mark.parametrize(
    ("ages", "expected"), [((OLD, NEW), True), ((None, NEW), False), ((None, None), False)]
)
def test_age_decides_only_where_creation_times_are_known(
    ages: tuple[str | None, str | None], expected: bool
):
    mesh = mesh_of(
        pod(),
        gateway("a", "shop", https("a.com"), created=ages[0]),
        gateway("b", "shop", https("a.com"), created=ages[1]),
    )

    assert [each.age_is_known for each in dropped(mesh)] == [expected]


def test_within_one_gateway_the_order_needs_no_age():
    mesh = mesh_of(pod(), gateway("a", "shop", https("a.com"), https("a.com", name="other")))

    assert [each.age_is_known for each in dropped(mesh)] == [True]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.com", "a#0"),
        ("A.com", "a#0"),
        ("x.a.com", "a#1"),
        ("x.y.a.com", "a#1"),
        ("x.b.a.com", "a#2"),
        ("b.com", "a#3"),
        ("", "a#3"),
    ],
)
def test_sni_reaches_the_exact_server_then_the_longest_wildcard_then_the_catch_all(
    name: str, expected: str
):
    hosts = ["a.com", "*.a.com", "*.b.a.com", "*"]
    mesh = mesh_of(pod(), gateway("a", "shop", *(https(host) for host in hosts)))

    found = tls_server_for(mesh, only_listener(mesh), name)
    assert found is not None
    assert f"{found.gateway.name}#{found.index}" == expected


@pytest.mark.parametrize("name", ["", "other.com", "a.com"])
def test_without_a_server_for_it_a_connection_reaches_none(name: str):
    mesh = mesh_of(pod(), gateway("a", "shop", https("*.a.com")))

    assert tls_server_for(mesh, only_listener(mesh), name) is None


def test_a_namespace_before_a_host_is_no_part_of_the_sni():
    mesh = mesh_of(pod(), gateway("a", "shop", https("shop/a.com")))

    assert tls_server_for(mesh, only_listener(mesh), "a.com") is servers(mesh)[0]


def test_of_equal_hosts_for_two_namespaces_the_older_server_answers():
    mesh = mesh_of(
        pod(),
        gateway("b", "shop", https("two/a.com"), created=OLD),
        gateway("a", "shop", https("one/a.com"), created=NEW),
    )

    found = tls_server_for(mesh, only_listener(mesh), "a.com")
    assert found is not None
    assert found.gateway.name == "b"


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        ({"credentialName": "cert"}, "PASSTHROUGH"),
        ({"mode": "SIMPLE"}, "SIMPLE"),
        (None, None),
    ],
)
def test_the_mode_left_out_is_passthrough(tls: Manifest | None, expected: str | None):
    (found,) = servers(mesh_of(gateway("a", "shop", server(443, "HTTPS", "a.com", tls=tls))))

    assert (found.mode, found.mode_is_explicit) == (expected, bool(tls and "mode" in tls))
