from typing import Any

import pytest

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import credential_uses
from istiodoctor.mesh.gateways.api_gateway_pods import api_gateway_workloads
from istiodoctor.mesh.gateways.api_gateways import api_gateways
from istiodoctor.mesh.gateways.attachments import AttachmentState, attachments
from istiodoctor.mesh.gateways.credential_references import Form, Purpose
from istiodoctor.mesh.gateways.listeners import listeners, servers
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading, Unread
from tests.support.objects import (
    GATEWAY_API,
    Manifest,
    grant,
    made,
    mesh_of,
    pod,
    secret,
    service,
    snapshot_of,
)

State = AttachmentState
TERMINATE = {"certificateRefs": [{"name": "cert"}]}
MODE = "gateway.istio.io/tls-terminate-mode"
MADE = {"gateway.networking.k8s.io/gateway-name": "web"}


def listener(name: str = "https", **fields: Any) -> Manifest:
    return {"name": name, "port": 443, "protocol": "HTTPS", "tls": TERMINATE} | fields


def web(*listeners: Manifest, namespace: str = "edge", **spec: Any) -> Manifest:
    whole = {"gatewayClassName": "istio", "listeners": list(listeners or [listener()])} | spec
    return made(GATEWAY_API, "Gateway", "web", namespace, spec=whole)


def route(kind: str = "HTTPRoute", namespace: str = "edge", **spec: Any) -> Manifest:
    spec.setdefault("parentRefs", [{"name": "web", "namespace": "edge"}])
    return made(GATEWAY_API, kind, "route", namespace, spec=spec)


def listener_set(
    kind: str = "ListenerSet", namespace: str = "edge", name: str = "set", **spec: Any
) -> Manifest:
    group = "gateway.networking.x-k8s.io/v1alpha1" if kind == "XListenerSet" else GATEWAY_API
    own = listener("own", hostname="own.example.com")
    whole = {"parentRef": {"name": "web", "namespace": "edge"}, "listeners": [own]}
    return made(group, kind, name, namespace, spec=whole | spec)


def states(mesh: Mesh) -> list[AttachmentState]:
    return [each.state for each in attachments(mesh)]


@pytest.mark.parametrize(
    ("name", "classes", "expected"),
    [
        ("istio", [], True),
        ("istio-remote", [], False),
        ("nginx", [], False),
        ("ours", [("ours", "istio.io/gateway-controller")], True),
        ("ours", [("ours", "example.com/controller")], False),
    ],
)
def test_a_gateway_is_istios_by_its_class(
    name: str, classes: list[tuple[str, str]], expected: bool
):
    made_classes = [
        made(GATEWAY_API, "GatewayClass", each, "", spec={"controllerName": controller})
        for each, controller in classes
    ]
    mesh = mesh_of(web(gatewayClassName=name), *made_classes)

    assert bool(api_gateways(mesh)) is expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "SIMPLE"),
        ({"tls": TERMINATE | {"mode": "Terminate"}}, "SIMPLE"),
        ({"protocol": "TLS", "tls": {"mode": "Passthrough"}}, "PASSTHROUGH"),
        ({"tls": TERMINATE | {"options": {MODE: "MUTUAL"}}}, "MUTUAL"),
        ({"tls": TERMINATE | {"options": {MODE: "OPTIONAL_MUTUAL"}}}, "OPTIONAL_MUTUAL"),
        ({"tls": {"options": {MODE: "ISTIO_MUTUAL"}}}, "ISTIO_MUTUAL"),
        ({"tls": {"options": {MODE: "ISTIO_SIMPLE"}}}, "SIMPLE"),
        ({"tls": TERMINATE | {"options": {MODE: "SOMETHING"}}}, "SIMPLE"),
        (
            {"tls": TERMINATE | {"frontendValidation": {"caCertificateRefs": [{"name": "ca"}]}}},
            "MUTUAL",
        ),
        ({"protocol": "HTTP", "tls": None}, None),
        ({"protocol": "HTTPS", "tls": None}, None),
    ],
)
def test_a_listener_has_the_mode_of_its_options(fields: Manifest, expected: str | None):
    (found,) = servers(mesh_of(web(listener(**fields))))

    assert found.mode == expected


def references(mesh: Mesh) -> list[tuple[Form, str, Purpose, bool | None]]:
    (found,) = servers(mesh)
    return [
        (each.form, f"{each.namespace}/{each.name}", each.purpose, each.granted)
        for each in found.credentials
    ]


VERIFIED = Form.KUBERNETES_GATEWAY


@pytest.mark.parametrize(
    ("reference", "grants", "expected"),
    [
        ({"name": "cert"}, [], (VERIFIED, "edge/cert", Purpose.SERVER, True)),
        (
            {"name": "cert", "namespace": "certs"},
            [],
            (VERIFIED, "certs/cert", Purpose.SERVER, False),
        ),
        (
            {"name": "cert", "namespace": "certs"},
            [grant("certs", "edge")],
            (VERIFIED, "certs/cert", Purpose.SERVER, True),
        ),
        (
            {"name": "cert", "namespace": "certs"},
            [grant("certs", "edge", kind="ListenerSet")],
            (VERIFIED, "certs/cert", Purpose.SERVER, False),
        ),
        (
            {"name": "cert", "kind": "ConfigMap"},
            [],
            (Form.INVALID, "edge/cert", Purpose.SERVER, True),
        ),
        (
            {"name": "cert", "group": "vault.example.com"},
            [],
            (Form.INVALID, "edge/cert", Purpose.SERVER, True),
        ),
    ],
)
def test_a_certificate_reference_is_to_a_secret_of_its_own_namespace_or_granted(
    reference: Manifest, grants: list[Manifest], expected: tuple[Form, str, Purpose, bool]
):
    mesh = mesh_of(web(listener(tls={"certificateRefs": [reference]})), *grants)

    assert references(mesh) == [expected]


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        (TERMINATE | {"options": {MODE: "MUTUAL"}}, [("cert", VERIFIED)]),
        (
            TERMINATE | {"frontendValidation": {"caCertificateRefs": [{"name": "ca"}]}},
            [("ca", VERIFIED)],
        ),
        (
            TERMINATE
            | {"frontendValidation": {"caCertificateRefs": [{"name": "ca", "kind": "ConfigMap"}]}},
            [("ca", Form.CONFIG_MAP)],
        ),
        (TERMINATE, []),
    ],
)
def test_the_authority_is_the_validations_or_that_of_the_first_certificate(
    tls: Manifest, expected: list[tuple[str, Form]]
):
    (found,) = servers(mesh_of(web(listener(tls=tls))))

    assert [
        (each.name, each.form) for each in found.credentials if each.purpose is Purpose.CLIENT_CA
    ] == expected


@pytest.mark.parametrize("mode", ["ISTIO_SIMPLE", "ISTIO_MUTUAL"])
def test_a_listener_with_the_meshs_certificate_asks_for_no_other(mode: str):
    assert references(mesh_of(web(listener(tls=TERMINATE | {"options": {MODE: mode}})))) == []


def test_the_secret_of_a_listener_is_looked_up_beside_the_gateway_object():
    mesh = mesh_of(pod(namespace="edge", labels=MADE), web(), secret("cert", "edge"))

    assert [(each.namespace, each.state) for each in credential_uses(mesh)] == [("edge", "found")]


def workloads(mesh: Mesh) -> list[str]:
    (found,) = api_gateways(mesh)
    return [str(each) for each in api_gateway_workloads(mesh, found.ref)]


@pytest.mark.parametrize(
    "label", ["gateway.networking.k8s.io/gateway-name", "istio.io/gateway-name"]
)
def test_generated_pods_carry_the_name_of_their_gateway_in_its_namespace(label: str):
    mesh = mesh_of(
        pod("a", "edge", labels={label: "web"}),
        pod("b", "other", labels={label: "web"}),
        pod("c", "edge", labels={label: "api"}),
        web(),
    )

    assert workloads(mesh) == ["Pod edge/a"]


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([{"type": "Hostname", "value": "ingress.istio-system.svc.cluster.local"}], None),
        ([{"type": "Hostname", "value": "near"}], "near"),
        ([{"type": "Hostname", "value": "near.edge.svc.cluster.local"}], "near"),
        ([{"type": "Hostname", "value": "near.edge"}], None),
        ([{"type": "Hostname", "value": "gone"}], None),
        ([{"type": "IPAddress", "value": "10.0.0.1"}], "made"),
        ([{"value": "10.0.0.1"}], "made"),
        ([], "made"),
    ],
)
def test_an_address_of_type_hostname_names_a_service_of_its_own_namespace(
    addresses: list[Manifest], expected: str | None
):
    mesh = mesh_of(
        pod("ingress", labels={"app": "ingress"}),
        service("ingress", "istio-system", 443, selector={"app": "ingress"}),
        pod("near", "edge", labels={"app": "near"}),
        service("near", "edge", 443, selector={"app": "near"}),
        pod("made", "edge", labels=MADE),
        web(addresses=addresses),
    )

    assert [each.rpartition("/")[2] for each in workloads(mesh)] == (
        [expected] if expected else []
    )


@pytest.mark.parametrize(("port", "expected"), [(443, [8443]), (8443, [])])
def test_a_listener_that_no_service_port_has_is_not_opened(port: int, expected: list[int]):
    entry = {"name": "https", "port": 443, "targetPort": 8443}
    mesh = mesh_of(
        pod(namespace="edge", labels=MADE),
        service("web-istio", "edge", entry, selector=MADE),
        web(listener(port=port)),
    )

    assert [each.port for each in listeners(mesh)] == expected


@pytest.mark.parametrize("kind", ["ListenerSet", "XListenerSet"])
@pytest.mark.parametrize(
    ("allowed", "namespace", "expected"),
    [
        ({}, "edge", False),
        ({"allowedListeners": {}}, "edge", False),
        ({"allowedListeners": {"namespaces": {"from": "None"}}}, "edge", False),
        ({"allowedListeners": {"namespaces": {"from": "Same"}}}, "edge", True),
        ({"allowedListeners": {"namespaces": {"from": "Same"}}}, "team", False),
        ({"allowedListeners": {"namespaces": {"from": "All"}}}, "team", True),
    ],
)
def test_a_listener_set_adds_listeners_where_the_gateway_allows_it(
    kind: str, allowed: Manifest, namespace: str, expected: bool
):
    mesh = mesh_of(web(**allowed), listener_set(kind, namespace))

    found = [(each.section_name, each.gateway.kind, each.parent.path) for each in servers(mesh)]
    own = [("own", kind, "edge/web")] if expected else []
    assert sorted(found) == sorted([("https", "Gateway", "edge/web"), *own])


ALL: Manifest = {"allowedListeners": {"namespaces": {"from": "All"}}}


def test_a_listener_set_looks_for_its_secrets_in_its_own_namespace():
    mesh = mesh_of(
        web(listener(tls={"certificateRefs": []}), **ALL), listener_set(namespace="team")
    )

    assert [
        (each.namespace, each.name) for found in servers(mesh) for each in found.credentials
    ] == [("team", "cert")]


def test_a_route_attaches_to_a_listener_set_that_it_names():
    parents = [{"kind": "ListenerSet", "name": "set"}]
    mesh = mesh_of(web(**ALL), listener_set(), route(parentRefs=parents))

    assert [[each.section_name for each in found.servers] for found in attachments(mesh)] == [
        ["own"]
    ]


def test_a_route_to_a_gateway_does_not_attach_to_its_listener_sets():
    mesh = mesh_of(web(**ALL), listener_set(), route())

    assert [[each.section_name for each in found.servers] for found in attachments(mesh)] == [
        ["https"]
    ]


def allowing(**namespaces: Any) -> Manifest:
    return web(listener(allowedRoutes={"namespaces": namespaces}))


TEAM = {"matchLabels": {"team": "a"}}


@pytest.mark.parametrize(
    ("gateway", "namespace", "labels", "expected"),
    [
        (web(), "edge", {}, State.ATTACHED),
        (web(), "shop", {}, State.NOT_ALLOWED),
        (allowing(**{"from": "Same"}), "shop", {}, State.NOT_ALLOWED),
        (allowing(**{"from": "All"}), "shop", {}, State.ATTACHED),
        (allowing(**{"from": "None"}), "edge", {}, State.NOT_ALLOWED),
        (allowing(**{"from": "Selector"}, selector=TEAM), "shop", {"team": "a"}, State.ATTACHED),
        (
            allowing(**{"from": "Selector"}, selector=TEAM),
            "shop",
            {"team": "b"},
            State.NOT_ALLOWED,
        ),
        (allowing(**{"from": "Selector"}, selector=TEAM), "edge", {}, State.NOT_ALLOWED),
    ],
)
def test_a_listener_says_from_which_namespaces_routes_may_come(
    gateway: Manifest, namespace: str, labels: dict[str, str], expected: AttachmentState
):
    place = made("v1", "Namespace", namespace, "", labels=labels)

    assert states(mesh_of(gateway, place, route(namespace=namespace))) == [expected]


def test_a_selector_over_an_unread_namespace_is_unknown():
    gateway = allowing(**{"from": "Selector"}, selector=TEAM)

    assert states(mesh_of(gateway, route(namespace="shop"))) == [State.UNKNOWN]


@pytest.mark.parametrize(
    ("host", "names", "expected"),
    [
        ("a.com", ["a.com"], ("a.com",)),
        ("a.com", [], ("a.com",)),
        ("", ["a.com"], ("a.com",)),
        ("", [], ("*",)),
        ("*.a.com", ["x.a.com", "b.com"], ("x.a.com",)),
        ("x.a.com", ["*.a.com"], ("x.a.com",)),
        ("*.a.com", ["a.com"], ()),
        ("a.com", ["b.com"], ()),
    ],
)
def test_a_route_is_served_for_the_hostnames_it_has_in_common_with_the_listener(
    host: str, names: list[str], expected: tuple[str, ...]
):
    fields = {"hostname": host} if host else {}
    mesh = mesh_of(web(listener(**fields)), route(hostnames=names))

    (found,) = attachments(mesh)
    assert (found.hosts, found.state) == (
        expected,
        State.ATTACHED if expected else State.NO_HOSTNAME,
    )


HTTP = {"port": 80, "protocol": "HTTP", "tls": None}
PASS = {"port": 8443, "protocol": "TLS", "tls": {"mode": "Passthrough"}}


@pytest.mark.parametrize(
    ("kind", "parent", "expected"),
    [
        ("HTTPRoute", {}, ["http", "https"]),
        ("HTTPRoute", {"sectionName": "http"}, ["http"]),
        ("HTTPRoute", {"port": 443}, ["https"]),
        ("HTTPRoute", {"sectionName": "http", "port": 443}, []),
        ("HTTPRoute", {"sectionName": "gone"}, []),
        ("HTTPRoute", {"sectionName": "pass"}, []),
        ("TLSRoute", {}, ["pass"]),
        ("TLSRoute", {"sectionName": "https"}, []),
    ],
)
def test_a_route_attaches_to_listeners_of_its_section_port_and_protocol(
    kind: str, parent: Manifest, expected: list[str]
):
    gateway = web(listener("http", **HTTP), listener(), listener("pass", **PASS))
    mesh = mesh_of(gateway, route(kind, parentRefs=[{"name": "web", **parent}]))

    (found,) = attachments(mesh)
    assert ([each.section_name for each in found.servers], found.state) == (
        expected,
        State.ATTACHED if expected else State.NO_LISTENER,
    )


@pytest.mark.parametrize(
    ("parent", "expected"),
    [
        ({"name": "gone"}, State.NO_PARENT),
        ({"name": "web", "namespace": "other"}, State.NO_PARENT),
        ({"name": "nginx"}, State.FOREIGN),
        ({"name": "app", "kind": "Service", "group": ""}, State.FOREIGN),
        ({"name": "web", "kind": "Gateway"}, State.ATTACHED),
        ({"name": "gone", "kind": "ListenerSet"}, State.NO_PARENT),
        ({"name": "theirs", "kind": "ListenerSet"}, State.FOREIGN),
        ({"name": "orphan", "kind": "ListenerSet"}, State.NO_PARENT),
        ({"name": "set", "kind": "ListenerSet"}, State.ATTACHED),
    ],
)
def test_a_parent_is_istios_or_another_controllers_or_missing(
    parent: Manifest, expected: AttachmentState
):
    foreign = made(
        GATEWAY_API,
        "Gateway",
        "nginx",
        "edge",
        spec={"gatewayClassName": "nginx", "listeners": []},
    )
    mesh = mesh_of(
        web(**ALL),
        foreign,
        listener_set(),
        listener_set(name="theirs", parentRef={"name": "nginx"}),
        listener_set(name="orphan", parentRef={"name": "gone"}),
        route(parentRefs=[parent]),
    )

    assert states(mesh) == [expected]


def test_a_parent_that_may_exist_unseen_is_unknown():
    unread = Unread(kind=Kind.GATEWAY, namespace="edge")
    mesh = Mesh(snapshot_of(route()).plus(Reading(unread=(unread,))))

    assert states(mesh) == [State.UNKNOWN]


def test_each_parent_of_a_route_is_judged_by_itself():
    parents = [{"name": "web", "sectionName": "https"}, {"name": "gone"}]
    mesh = mesh_of(web(), route(parentRefs=parents))

    assert [(each.index, each.state) for each in attachments(mesh)] == [
        (0, State.ATTACHED),
        (1, State.NO_PARENT),
    ]
