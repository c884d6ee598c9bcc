import pytest

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.api_gateways import api_servers
from istiodoctor.mesh.gateways.attachments import AttachmentState, attachments
from istiodoctor.mesh.gateways.listener_faults import ListenerFault
from istiodoctor.mesh.gateways.listener_secrets import faulty_listener
from istiodoctor.mesh.gateways.listeners import listeners, servers
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.workloads.api_releases import gateway_api_support
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading, Unread
from tests.support.objects import (
    GATEWAY_API,
    Manifest,
    api_gateway,
    api_route,
    gateway,
    grant,
    istiod,
    listener,
    made,
    mesh_of,
    pod,
    secret,
    server,
    service,
    snapshot_of,
)

Fault = ListenerFault
CERTIFICATE = {"certificateRefs": [{"name": "cert"}]}
PASS: Manifest = {"tls": {"mode": "Passthrough"}}
MADE = {"gateway.networking.k8s.io/gateway-name": "web"}
OPEN: Manifest = {"allowedListeners": {"namespaces": {"from": "All"}}}


def namespace(name: str, **labels: str) -> Manifest:
    return made("v1", "Namespace", name, "", labels=labels)


def faults(mesh: Mesh) -> dict[str, ListenerFault | None]:
    return {
        f"{each.gateway.name}/{each.section_name}": each.faulty.fault if each.faulty else None
        for each in api_servers(mesh)
    }


def by_section(mesh: Mesh) -> dict[str, Server]:
    return {each.section_name: each for each in api_servers(mesh)}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (listener("a"), listener("b"), Fault.HOSTNAME_CONFLICT),
        (listener("a", hostname="x.com"), listener("b"), None),
        (listener("a"), listener("b", 8080), None),
        (listener("a"), listener("b", 80, "TCP"), Fault.PROTOCOL_CONFLICT),
        (listener("a", 80, "TCP"), listener("b"), Fault.PROTOCOL_CONFLICT),
        (listener("a", 80, "TCP"), listener("b", 80, "TCP"), Fault.PROTOCOL_CONFLICT),
        (listener("a", 80, "TCP"), listener("b", 80, "UDP"), Fault.PROTOCOL_CONFLICT),
        (listener("a"), listener("b", 80, "TLS", **PASS), Fault.PROTOCOL_CONFLICT),
        (listener("a"), listener("b", 80, "TLS", "x.com", **PASS), None),
    ],
)
def test_of_two_listeners_that_cannot_be_beside_each_other_the_first_one_is_made(
    first: Manifest, second: Manifest, expected: ListenerFault | None
):
    mesh = mesh_of(api_gateway("web", "edge", first, second))

    assert faults(mesh) == {"web/a": None, "web/b": expected}


def test_a_listener_that_lost_stands_in_nobodys_way():
    entries = [listener("a", hostname="x.com"), listener("b", 80, "TCP"), listener("c")]

    assert faults(mesh_of(api_gateway("web", "edge", *entries))) == {
        "web/a": None,
        "web/b": Fault.PROTOCOL_CONFLICT,
        "web/c": None,
    }


def test_an_older_istiod_looks_for_no_conflicts():
    mesh = mesh_of(istiod("1.30.2"), api_gateway("web", "edge", listener("a"), listener("b")))

    assert faults(mesh) == {"web/a": None, "web/b": None}


FLAG = {"PILOT_ENABLE_ALPHA_GATEWAY_API": "true"}


@pytest.mark.parametrize(
    ("istiods", "refused"),
    [
        ([], set()),
        ([istiod("1.29.4")], {"web/tls", "web/tcp"}),
        ([istiod("1.29.4", **FLAG)], set()),
        ([istiod("1.30.2")], {"web/tcp"}),
        ([istiod("1.30.2", **FLAG)], set()),
        ([istiod("1.31.0")], set()),
        ([istiod("1.29.4"), istiod("1.31.0", "new")], set()),
        ([istiod("unknown")], set()),
    ],
)
def test_which_istiod_serves_tls_and_tcp(istiods: list[Manifest], refused: set[str]):
    ports = (listener("tls", 443, "TLS", **PASS), listener("tcp", 9000, "TCP"))
    mesh = mesh_of(*istiods, api_gateway("web", "edge", *ports, listener("http")))

    found = {name for name, fault in faults(mesh).items() if fault}
    assert found == refused
    assert not refused or set(faults(mesh).values()) == {None, Fault.UNSUPPORTED_PROTOCOL}


@pytest.mark.parametrize(
    ("release", "state"),
    [
        ("1.29.4", AttachmentState.KIND_NOT_READ),
        ("1.30.2", AttachmentState.ATTACHED),
    ],
)
def test_an_older_istiod_reads_no_tls_routes(release: str, state: AttachmentState):
    mesh = mesh_of(
        istiod(release),
        api_gateway("web", "edge", listener("tls", 443, "TLS", **PASS)),
        api_route("TLSRoute", "r", "app", {"backendRefs": [{"name": "app", "port": 443}]}),
    )

    assert [each.state for each in attachments(mesh)] == [state]


@pytest.mark.parametrize(
    ("releases", "status"),
    [
        ((), 500),
        (("1.29.4",), 500),
        (("1.30.2",), 404),
        (("1.31.0",), 500),
        (("1.30.2", "1.31.0"), 500),
    ],
)
def test_a_rule_without_backends_answers_404_in_one_release(
    releases: tuple[str, ...], status: int
):
    istiods = [istiod(each, each) for each in releases]

    assert gateway_api_support(mesh_of(*istiods)).status_without_backends == status


def listener_set(
    name: str, *listeners: Manifest, created: str = "", where: str = "edge"
) -> Manifest:
    spec = {"parentRef": {"name": "web", "namespace": "edge"}, "listeners": list(listeners)}
    return made(GATEWAY_API, "ListenerSet", name, where, created=created, spec=spec)


def test_the_gateways_own_listeners_come_before_those_of_sets_and_older_sets_first():
    mesh = mesh_of(
        api_gateway("web", "edge", listener("a"), created="2026-03-01", **OPEN),
        listener_set("new", listener("b", 81), created="2026-02-01"),
        listener_set("old", listener("c"), listener("d", 81), created="2026-01-01"),
    )

    assert faults(mesh) == {
        "web/a": None,
        "old/c": Fault.HOSTNAME_CONFLICT,
        "old/d": None,
        "new/b": Fault.HOSTNAME_CONFLICT,
    }


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (listener("a", 443, "HTTPS"), Fault.MISSING_TLS),
        (listener("a", 443, "TLS"), Fault.MISSING_TLS),
        (listener("a", 80, "http"), Fault.UNSUPPORTED_PROTOCOL),
        (listener("a", 53, "UDP"), Fault.UNSUPPORTED_PROTOCOL),
        (listener("a", 0), Fault.MISSING_PORT),
        (listener("a", 443, "TLS", **PASS), None),
        (listener("a", 443, "HTTPS", tls={"certificateRefs": []}), None),
        (
            listener("a", 443, "HTTPS", tls={"certificateRefs": [{"name": "c"}] * 3}),
            Fault.INVALID_CERTIFICATE,
        ),
        (
            listener("a", 443, "HTTPS", tls={"certificateRefs": [{"name": "c", "kind": "X"}]}),
            Fault.INVALID_CERTIFICATE,
        ),
        (
            listener(
                "a", 443, "HTTPS", tls={"certificateRefs": [{"name": "c", "namespace": "other"}]}
            ),
            Fault.INVALID_CERTIFICATE,
        ),
    ],
)
def test_a_listener_that_istiod_refuses_says_why(entry: Manifest, expected: ListenerFault | None):
    assert faults(mesh_of(api_gateway("web", "edge", entry))) == {"web/a": expected}


def test_a_listener_of_a_set_needs_no_port_for_http():
    entries = [
        listener("h", 0),
        listener("s", 0, "HTTPS", tls=CERTIFICATE),
        listener("t", 0, "TCP"),
    ]
    mesh = mesh_of(api_gateway("web", "edge", **OPEN), listener_set("more", *entries))

    assert {name: each.port for name, each in by_section(mesh).items()} == {
        "h": 80,
        "s": 443,
        "t": 0,
    }
    assert faults(mesh)["more/t"] is Fault.MISSING_PORT


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([{"value": "10.0.0.1"}, {"value": "10.0.0.2"}], Fault.UNSUPPORTED_ADDRESS),
        ([{"type": "NamedAddress", "value": "x"}], Fault.UNSUPPORTED_ADDRESS),
        ([{"value": "10.0.0.1"}], None),
        ([{"value": "10.0.0.1"}, {"type": "Hostname", "value": "x"}], None),
    ],
)
def test_addresses_that_name_no_service_leave_nothing_of_a_gateway(
    addresses: list[Manifest], expected: ListenerFault | None
):
    mesh = mesh_of(api_gateway("web", "edge", listener("a"), addresses=addresses))

    assert faults(mesh) == {"web/a": expected}


WORKING = secret("cert", "edge")
MISMATCHED = secret(
    "cert", "edge", **{"tls.crt": "certificate for a.com", "tls.key": "key of b.com"}
)


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([WORKING], None),
        ([], Fault.INVALID_CERTIFICATE),
        ([MISMATCHED], Fault.INVALID_CERTIFICATE),
        ([secret("cert", "edge", "ca.crt")], Fault.INVALID_CERTIFICATE),
    ],
)
def test_a_listener_whose_certificate_istiod_cannot_use_is_not_made(
    objects: list[Manifest], expected: ListenerFault | None
):
    entry = listener("a", 443, "HTTPS", tls=CERTIFICATE)
    mesh = mesh_of(api_gateway("web", "edge", entry), *objects)

    (found,) = api_servers(mesh)
    faulty = faulty_listener(mesh, found)
    assert (faulty.fault if faulty else None) is expected


def test_one_certificate_that_works_is_enough():
    entry = listener(
        "a", 443, "HTTPS", tls={"certificateRefs": [{"name": "gone"}, {"name": "cert"}]}
    )
    mesh = mesh_of(api_gateway("web", "edge", entry), WORKING)

    (found,) = api_servers(mesh)
    assert faulty_listener(mesh, found) is None


def test_a_certificate_that_was_not_read_is_held_against_nobody():
    entry = listener("a", 443, "HTTPS", tls=CERTIFICATE)
    unread = Unread(kind=Kind.SECRET, namespace="edge")
    mesh = Mesh(snapshot_of(api_gateway("web", "edge", entry)).plus(Reading(unread=(unread,))))

    (found,) = api_servers(mesh)
    assert faulty_listener(mesh, found) is None


def test_what_is_not_made_is_dropped_with_its_fault():
    mesh = mesh_of(
        pod(namespace="edge", labels=MADE),
        service("web-istio", "edge", 80, 443, selector=MADE),
        api_gateway("web", "edge", listener("a"), listener("b", 443, "HTTPS", tls=CERTIFICATE)),
    )

    assert {
        each.port: (
            [found.section_name for found in each.servers],
            [(found.reason, found.faulty and found.faulty.fault) for found in each.dropped],
        )
        for each in listeners(mesh)
    } == {
        80: (["a"], []),
        443: ([], [("faulty-listener", Fault.INVALID_CERTIFICATE)]),
    }


def selecting(**selector: object) -> Manifest:
    return listener(
        "a",
        hostname="x.com",
        allowedRoutes={"namespaces": {"from": "Selector", "selector": selector}},
    )


NAME = "kubernetes.io/metadata.name"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (listener("a", hostname="x.com"), ("x.com",)),
        (listener("a"), ("*",)),
        (listener("a", hostname="x.com", allowedRoutes={}), ("edge/x.com",)),
        (selecting(matchLabels={"team": "a"}), ("app1/x.com", "app2/x.com")),
        (selecting(matchLabels={NAME: "app2"}), ("app2/x.com",)),
        (
            selecting(matchExpressions=[{"key": NAME, "operator": "In", "values": ["app1"]}]),
            ("app1/x.com",),
        ),
        (selecting(matchLabels={"team": "z"}), ("~/x.com",)),
        (selecting(matchExpressions=[{"key": "team", "operator": "Odd"}]), ("~/x.com",)),
        (selecting(matchExpressions=[{"key": "team", "operator": "NotIn"}]), ("~/x.com",)),
    ],
)
def test_the_hosts_of_a_listener_bear_the_namespaces_that_it_takes_routes_from(
    entry: Manifest, expected: tuple[str, ...]
):
    mesh = mesh_of(
        namespace("app2", team="a"),
        namespace("app1", team="a"),
        namespace("edge"),
        api_gateway("web", "edge", entry),
    )

    (found,) = api_servers(mesh)
    assert (found.host_texts, found.unknown_because) == (expected, "")


@pytest.mark.parametrize(
    ("entry", "is_known"),
    [
        (selecting(matchLabels={"team": "a"}), False),
        (selecting(matchLabels={NAME: "app1"}), True),
        (selecting(matchLabels={NAME: "app1", "team": "a"}), False),
        (listener("a"), True),
    ],
)
def test_a_selector_over_names_needs_no_labels(entry: Manifest, is_known: bool):
    snapshot = snapshot_of(api_gateway("web", "edge", entry))
    mesh = Mesh(snapshot.plus(Reading(unread=(Unread(kind=Kind.NAMESPACE),))))

    (found,) = api_servers(mesh)
    assert (found.unknown_because == "") is is_known


def test_each_listener_is_a_gateway_of_its_own_ordered_by_age_and_name():
    mesh = mesh_of(
        api_gateway("web", "edge", listener("z"), listener("b", 81), created="2026-01-02"),
        api_gateway("old", "edge", listener("y"), created="2026-01-01"),
        gateway("mid", "edge", server(80, "HTTP", "*"), created="2026-01-02"),
    )

    assert [each.gateway_name for each in servers(mesh)] == [
        "edge/old~istio-autogenerated-k8s-gateway~y",
        "edge/mid",
        "edge/web~istio-autogenerated-k8s-gateway~b",
        "edge/web~istio-autogenerated-k8s-gateway~z",
    ]


@pytest.mark.parametrize(
    ("kinds", "kind", "expected"),
    [
        ([], "HTTPRoute", "attached"),
        ([], "GRPCRoute", "attached"),
        ([{"kind": "GRPCRoute"}], "HTTPRoute", "kind-not-allowed"),
        ([{"kind": "GRPCRoute"}], "GRPCRoute", "attached"),
        ([{"kind": "HTTPRoute", "group": "example.com"}], "HTTPRoute", "kind-not-allowed"),
        ([{"kind": "TLSRoute"}], "HTTPRoute", "kind-not-allowed"),
        ([], "TLSRoute", "no-listener"),
    ],
)
def test_a_listener_takes_the_kinds_of_routes_that_its_protocol_and_list_have(
    kinds: list[Manifest], kind: str, expected: str
):
    allowed = {"namespaces": {"from": "All"}, "kinds": kinds}
    mesh = mesh_of(
        api_gateway("web", "edge", listener("a", allowedRoutes=allowed)),
        api_route(kind, "r", "app", {"backendRefs": [{"name": "app", "port": 80}]}),
    )

    assert [each.state for each in attachments(mesh)] == [expected]


def test_a_route_whose_hostnames_narrower_listeners_have_is_isolated():
    own = {"namespaces": {"from": "Same"}}
    mesh = mesh_of(
        api_gateway(
            "web", "edge", listener("any"), listener("one", hostname="a.com", allowedRoutes=own)
        ),
        api_route(
            "HTTPRoute",
            "r",
            "app",
            hostnames=["a.com"],
            parents=({"name": "web", "namespace": "edge", "sectionName": "any"},),
        ),
    )

    assert [each.state for each in attachments(mesh)] == ["isolated"]


@pytest.mark.parametrize(
    ("version", "flag", "expected"),
    [
        ("1.31.0", {}, ["web"]),
        ("1.30.0", {}, ["mine", "other", "web"]),
        ("1.31.0", {"PILOT_ENABLE_STRICT_GATEWAY_MERGING": "false"}, ["mine", "other", "web"]),
    ],
)
def test_beside_pods_that_istiod_made_gateways_of_other_namespaces_do_not_count(
    version: str, flag: dict[str, str], expected: list[str]
):
    mesh = mesh_of(
        istiod(version, **flag),
        pod(namespace="edge", labels=MADE),
        service("web-istio", "edge", 80, selector=MADE),
        api_gateway("web", "edge", listener("a")),
        gateway("other", "app", server(80, "HTTP", "x.com"), selector=MADE),
        gateway("mine", "edge", server(80, "HTTP", "y.com"), selector=MADE),
    )

    kept = sorted({found.gateway.name for each in listeners(mesh) for found in each.servers})
    assert kept == (["mine", "web"] if expected == ["web"] else expected)


def test_a_selector_of_allowed_listeners_is_followed():
    allowed: Manifest = {
        "namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}
    }
    mesh = mesh_of(
        namespace("in", team="a"),
        namespace("out"),
        api_gateway("web", "edge", listener("a"), allowedListeners=allowed),
        listener_set("yes", listener("b", 81), where="in"),
        listener_set("no", listener("c", 82), where="out"),
    )

    assert sorted(by_section(mesh)) == ["a", "b"]


def test_a_grant_of_the_gateway_is_none_of_the_listener_set():
    entry = listener(
        "b", 443, "HTTPS", tls={"certificateRefs": [{"name": "cert", "namespace": "certs"}]}
    )
    mesh = mesh_of(
        api_gateway("web", "edge", **OPEN),
        listener_set("more", entry),
        grant("certs", "edge", kind="Gateway"),
    )

    assert faults(mesh) == {"more/b": Fault.INVALID_CERTIFICATE}


@pytest.mark.parametrize("name", ["", "²", "a~b", "/", "x" * 900])
def test_odd_names_of_listeners_break_nothing(name: str):
    odd = listener(name, -1, name, name, tls={"mode": name, "options": {name: name}})
    mesh = mesh_of(
        pod(namespace="edge", labels=MADE),
        api_gateway(
            "web", "edge", odd, odd | {"name": "b"}, addresses=[{"type": name, "value": name}]
        ),
        api_route("HTTPRoute", "r", "app"),
    )

    assert len(api_servers(mesh)) == 2
    assert isinstance(listeners(mesh), tuple)
