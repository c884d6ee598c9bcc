"""Each rule that differs between releases: the last one without it, and the first one with it."""

import pytest

from istiodoctor.mesh.configuration.bound import virtual_services_for_gateway
from istiodoctor.mesh.configuration.held_routes import held_routes_of_gateway
from istiodoctor.mesh.configuration.missing_services import why_missing
from istiodoctor.mesh.configuration.scope import scope_of
from istiodoctor.mesh.configuration.service_registry import service_for
from istiodoctor.mesh.gateways.api_gateways import api_servers
from istiodoctor.mesh.gateways.attachments import AttachmentState, attachments
from istiodoctor.mesh.gateways.listener_faults import ListenerFault
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.version import Version
from istiodoctor.mesh.workloads.releases import CHANGES, Change, is_in, is_in_force
from tests.support.behind_gateway import WEB, gateway_workload, mesh_behind_gateway, mesh_config
from tests.support.objects import (
    Manifest,
    api_gateway,
    api_route,
    gateway,
    istiod,
    listener,
    mesh_of,
    route,
    server,
    service,
    virtual_service,
)

UNKNOWN = "latest"
ALPHA = "PILOT_ENABLE_ALPHA_GATEWAY_API"
STRICT = "PILOT_ENABLE_STRICT_GATEWAY_MERGING"
BOUNDARIES = {
    Change.TCP_ROUTES_SERVED: [("1.30.9", False), ("1.31.0", True)],
    Change.TLS_ROUTES_SERVED: [("1.29.9", False), ("1.30.0", True), ("1.31.0", True)],
    Change.RULES_WITHOUT_BACKENDS_FAIL: [
        ("1.29.6", True),
        ("1.30.0", False),
        ("1.30.9", False),
        ("1.31.0", True),
    ],
    Change.DEFAULT_EXPORTS_NAME_NAMESPACES: [
        ("1.29.9", False),
        ("1.30.2", False),
        ("1.30.3", True),
        ("1.31.0", True),
    ],
    Change.LISTENER_CONFLICTS_FOUND: [("1.30.3", False), ("1.30.4", True), ("1.31.0", True)],
    Change.CONNECTION_SETTINGS_READ: [("1.30.9", False), ("1.31.0", True)],
    Change.STRICT_MERGING: [("1.30.9", False), ("1.31.0", True)],
    Change.REFERENCES_OF_OWN_NAMESPACE: [
        ("1.26.4", False),
        ("1.26.5", True),
        ("1.27.1", False),
        ("1.27.2", True),
        ("1.28.0", True),
    ],
    Change.BACKENDS_VERIFIED: [("1.20.9", False), ("1.21.0", True)],
    Change.EXPIRED_SERVED: [
        ("1.17.8", True),
        ("1.18.0", False),
        ("1.18.4", False),
        ("1.18.5", True),
        ("1.19.0", False),
        ("1.19.1", True),
        ("1.20.0", True),
    ],
    Change.CIPHER_SUITES_FILTERED: [("1.7.9", False), ("1.8.0", True)],
    Change.NODE_PORTS_IGNORED: [("1.14.9", False), ("1.15.0", True)],
    Change.EXACT_HOSTS_ON_ANY_PORT: [("1.5.9", False), ("1.6.0", True)],
    Change.REDIRECTING_SERVERS_ROUTED: [
        ("1.6.14", True),
        ("1.7.0", False),
        ("1.8.6", False),
        ("1.9.0", True),
    ],
    Change.DEDICATED_CA_FIRST: [("1.8.6", False), ("1.9.0", True)],
    Change.CLIENT_CA_NAMED: [("1.27.9", False), ("1.28.0", True)],
    Change.ONE_SECRET_BY_TWO_NAMES: [("1.28.9", False), ("1.29.0", True)],
    Change.SECRET_CACHE_KEEPS_KEYS: [("1.26.4", False), ("1.26.5", True), ("1.28.0", True)],
    Change.STABLE_TLS_ROUTES: [("1.29.9", False), ("1.30.0", True)],
    Change.SERVER_CURVES_SENT: [("1.31.9", False), ("1.32.0", True)],
    Change.BACKEND_TLS_POLICIES_SERVED: [("1.27.9", False), ("1.28.0", True)],
    Change.RULES_OVERRIDE_BACKEND_POLICIES: [("1.30.9", False), ("1.31.0", True)],
    Change.GATEWAY_DOMAINS_LOWERED: [("1.21.9", False), ("1.22.0", True)],
    Change.PLAIN_KEPT_OVER_TLS: [
        ("1.26.9", False),
        ("1.27.3", False),
        ("1.27.4", True),
        ("1.28.0", False),
        ("1.28.1", True),
        ("1.29.0", True),
    ],
}


def version(text: str) -> Version:
    found = Version.of_image(f"istio/pilot:{text}")
    assert found is not None
    return found


def test_every_change_has_its_boundaries_here_and_names_its_source():
    assert set(CHANGES) == set(BOUNDARIES) == set(Change)
    assert [each for each in CHANGES.values() if ".go:" not in each.source] == []


@pytest.mark.parametrize(
    ("change", "release", "has"),
    [(change, *each) for change, releases in BOUNDARIES.items() for each in releases],
)
def test_a_rule_is_in_force_from_its_release_on(change: Change, release: str, has: bool):
    assert is_in(version(release), change) is has


@pytest.mark.parametrize("change", Change)
def test_an_istiod_of_unknown_version_is_taken_for_the_newest(change: Change):
    assert is_in_force(mesh_of(istiod(UNKNOWN)), change)
    assert is_in_force(mesh_of(), change)


@pytest.mark.parametrize("change", [Change.TCP_ROUTES_SERVED, Change.STRICT_MERGING])
def test_of_several_istiods_the_newest_rule_counts_for_objects(change: Change):
    assert is_in_force(mesh_of(istiod("1.30.0", "old"), istiod("1.31.0", "new")), change)
    assert not is_in_force(mesh_of(istiod("1.30.0", "old"), istiod("1.29.0", "older")), change)


@pytest.mark.parametrize(
    ("release", "environment", "change", "has"),
    [
        ("1.30.0", {ALPHA: "true"}, Change.TCP_ROUTES_SERVED, True),
        ("1.30.0", {ALPHA: "false"}, Change.TCP_ROUTES_SERVED, False),
        ("1.31.0", {ALPHA: "false"}, Change.TCP_ROUTES_SERVED, True),
        ("1.30.0", {STRICT: "true"}, Change.STRICT_MERGING, False),
        ("1.31.0", {STRICT: "0"}, Change.STRICT_MERGING, False),
        (UNKNOWN, {STRICT: "false"}, Change.STRICT_MERGING, False),
    ],
)
def test_a_variable_of_istiod_gives_or_takes_a_rule(
    release: str, environment: dict[str, str], change: Change, has: bool
):
    assert is_in_force(mesh_of(istiod(release, **environment)), change) is has


TCP = listener("a", 9000, "TCP")
PASSED = listener("a", 9000, "TLS", tls={"mode": "Passthrough"})


@pytest.mark.parametrize(
    ("kind", "entry", "release", "environment", "is_served"),
    [
        ("TCPRoute", TCP, "1.30.3", {}, False),
        ("TCPRoute", TCP, "1.30.3", {ALPHA: "true"}, True),
        ("TCPRoute", TCP, "1.31.0", {}, True),
        ("TCPRoute", TCP, UNKNOWN, {}, True),
        ("TLSRoute", PASSED, "1.29.6", {}, False),
        ("TLSRoute", PASSED, "1.29.6", {ALPHA: "true"}, True),
        ("TLSRoute", PASSED, "1.30.0", {}, True),
        ("TLSRoute", PASSED, UNKNOWN, {}, True),
    ],
)
def test_routes_of_layer_4_and_their_listeners_are_served_since_their_release(
    kind: str, entry: Manifest, release: str, environment: dict[str, str], is_served: bool
):
    mesh = mesh_of(
        istiod(release, **environment),
        api_gateway("web", "edge", entry),
        api_route(kind, "r", "app", {"backendRefs": [{"name": "app", "port": 80}]}),
    )

    (found,) = api_servers(mesh)
    fault = None if is_served else ListenerFault.UNSUPPORTED_PROTOCOL
    state = AttachmentState.ATTACHED if is_served else AttachmentState.KIND_NOT_READ
    assert (found.faulty.fault if found.faulty else None) == fault
    assert [each.state for each in attachments(mesh)] == [state]
    assert len(held_routes_of_gateway(mesh, found.gateway_name)) == is_served


def test_a_tcp_route_on_a_tls_listener_is_not_read_by_an_older_istiod():
    secured = listener("a", 443, "TLS", tls={"certificateRefs": [{"name": "cert"}]})
    mesh = mesh_of(
        istiod("1.30.3"),
        api_gateway("web", "edge", secured),
        api_route("TCPRoute", "r", "app", {"backendRefs": [{"name": "app", "port": 80}]}),
    )

    assert [each.state for each in attachments(mesh)] == [AttachmentState.KIND_NOT_READ]


def own_answer(release: str, kind: str, rule: Manifest) -> int:
    """Return the status by which istiod itself answers a rule of a route."""
    mesh = mesh_of(
        istiod(release),
        api_gateway("web", "edge", listener("a")),
        api_route(kind, "r", "app", rule),
    )
    (found,) = api_servers(mesh)
    (held,) = held_routes_of_gateway(mesh, found.gateway_name)
    (answer,) = (each.rule.direct_response for each in held.http)
    assert answer is not None
    return answer.status


@pytest.mark.parametrize(
    ("release", "status"),
    [("1.29.3", 500), ("1.30.0", 404), ("1.30.3", 404), ("1.31.0", 500), (UNKNOWN, 500)],
)
def test_a_rule_without_backends_answers_404_in_1_30_only(release: str, status: int):
    assert own_answer(release, "HTTPRoute", {}) == status


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("HTTPRoute", {"backendRefs": [{"name": "app", "port": 80, "weight": 0}]}),
        ("GRPCRoute", {}),
    ],
)
def test_other_rules_that_lead_nowhere_answer_500_in_every_release(kind: str, rule: Manifest):
    assert own_answer("1.30.0", kind, rule) == 500


def by_default(release: str, setting: str, audience: str, *objects: Manifest) -> Mesh:
    return mesh_behind_gateway(istiod(release), mesh_config(f"{setting}: {audience}"), *objects)


DEFAULTS = [
    ("1.30.2", "['istio-system']", False),
    ("1.30.3", "['istio-system']", True),
    ("1.31.0", "['istio-system']", True),
    (UNKNOWN, "['istio-system']", True),
    ("1.30.2", "['.', 'istio-system']", False),
    ("1.31.0", "['.', 'istio-system']", True),
    ("1.30.2", "['.', '*']", False),
    ("1.31.0", "['.', '*']", True),
    ("1.30.2", "['*']", True),
    ("1.30.2", "['~', '*']", True),
    ("1.30.2", "['~']", False),
    ("1.31.0", "['~']", False),
]


@pytest.mark.parametrize(("release", "audience", "is_seen"), DEFAULTS)
def test_older_istiods_read_no_names_in_the_default_exports_of_services(
    release: str, audience: str, is_seen: bool
):
    mesh = by_default(release, "defaultServiceExportTo", audience, service("web", "app1", 80))

    found = service_for(mesh, gateway_workload(mesh), WEB, "elsewhere")
    assert (found is not None) is is_seen


def test_a_service_that_nobody_sees_by_default_is_told_with_the_setting():
    mesh = by_default(
        "1.30.0", "defaultServiceExportTo", "['istio-system']", service("web", "app1", 80)
    )

    assert why_missing(mesh, scope_of(mesh, gateway_workload(mesh)), WEB).reason == (
        "Service app1/web is exported to no namespace: this istiod reads no names in "
        "defaultServiceExportTo"
    )


@pytest.mark.parametrize(("release", "audience", "is_seen"), DEFAULTS)
def test_older_istiods_read_no_names_in_the_default_exports_of_virtual_services(
    release: str, audience: str, is_seen: bool
):
    mesh = by_default(
        release,
        "defaultVirtualServiceExportTo",
        audience,
        gateway("web", "istio-system", server(80, "HTTP", "*")),
        virtual_service(
            "r", "app1", "a.example.com", gateways=["istio-system/web"], http=[route("web")]
        ),
    )

    bound = virtual_services_for_gateway(mesh, gateway_workload(mesh), "istio-system/web")
    assert bool(bound.services) is is_seen


def test_delegates_are_found_by_the_names_in_the_default_exports_of_every_release():
    mesh = by_default(
        "1.30.2",
        "defaultVirtualServiceExportTo",
        "['.', 'istio-system']",
        gateway("web", "istio-system", server(80, "HTTP", "*")),
        virtual_service(
            "root",
            "istio-system",
            "a.example.com",
            gateways=["web"],
            http=[{"delegate": {"name": "part", "namespace": "app1"}}],
            exportTo=["*"],
        ),
        virtual_service("part", "app1", http=[route("web")]),
    )

    bound = virtual_services_for_gateway(mesh, gateway_workload(mesh), "istio-system/web")
    (root,) = bound.services
    assert [str(each.place) for each in root.http] == ["VirtualService app1/part spec.http[0]"]


@pytest.mark.parametrize(
    ("release", "fault"),
    [
        ("1.30.3", None),
        ("1.30.4", ListenerFault.HOSTNAME_CONFLICT),
        ("1.31.0", ListenerFault.HOSTNAME_CONFLICT),
    ],
)
def test_listeners_of_one_gateway_are_compared_since_1_30_4(release: str, fault: str | None):
    mesh = mesh_of(istiod(release), api_gateway("web", "edge", listener("a"), listener("b")))

    _, second = api_servers(mesh)
    assert (second.faulty.fault if second.faulty else None) == fault
