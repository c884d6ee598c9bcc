"""Backends of the Gateway API's routes and of Ingresses that reach nothing."""

import pytest

from istiodoctor.finding import Finding, Severity
from istiodoctor.registry import discover
from tests.support.objects import (
    Manifest,
    api_gateway,
    endpoint_slice,
    ingress,
    istiod,
    listener,
    made,
    mesh_of,
    pod,
    service,
)

CHECKS = discover().by_code()
LISTENERS = {
    "HTTPRoute": listener("a", hostname="shop.test"),
    "GRPCRoute": listener("a", hostname="shop.test"),
    "TLSRoute": listener("a", 443, "TLS", hostname="shop.test", tls={"mode": "Passthrough"}),
    "TCPRoute": listener("a", 5432, "TCP"),
}
VERSIONS = {"HTTPRoute": "v1", "GRPCRoute": "v1", "TLSRoute": "v1alpha2", "TCPRoute": "v1alpha2"}


def told(code: str, *objects: Manifest) -> list[tuple[str, str, Severity, frozenset[str]]]:
    check = CHECKS[code]
    return [
        (each.message, str(each.objects[0]), each.severity or check.severity, each.hosts)
        for each in found(code, *objects)
    ]


def found(code: str, *objects: Manifest) -> list[Finding]:
    return list(CHECKS[code].judge(mesh_of(istiod("1.31.0"), *objects)))


def routed(kind: str, *references: Manifest, **rule: object) -> tuple[Manifest, ...]:
    """Return a Gateway and a route of a kind with one rule."""
    names = {} if kind == "TCPRoute" else {"hostnames": ["shop.test"]}
    spec = {"parentRefs": [{"name": "web"}], "rules": [{"backendRefs": [*references], **rule}]}
    version = f"gateway.networking.k8s.io/{VERSIONS[kind]}"
    return (
        api_gateway("web", "edge", LISTENERS[kind]),
        pod("web-istio", "edge", labels={"gateway.networking.k8s.io/gateway-name": "web"}),
        made(version, kind, "shop", "edge", spec={**spec, **names}),
    )


@pytest.mark.parametrize(
    ("kind", "effect"),
    [
        ("HTTPRoute", "requests for shop.test that take this route get 500"),
        ("GRPCRoute", "requests for shop.test that take this route get 500"),
        ("TLSRoute", "connections for shop.test that take this route are closed"),
        ("TCPRoute", "connections for * that take this route are closed"),
    ],
)
def test_a_backend_that_does_not_exist_is_told_for_every_kind_of_route(kind: str, effect: str):
    wrong = routed(kind, {"name": "shpo", "port": 80})

    assert told("VS009", *wrong, service("shop", "edge", 80)) == [
        (
            f"{kind} edge/shop routes to Service edge/shpo, which does not exist: {effect}.",
            f"{kind} edge/shop spec.rules[0].backendRefs[0].name",
            Severity.CRITICAL,
            frozenset({"*" if kind == "TCPRoute" else "shop.test"}),
        )
    ]
    assert told("VS009", *wrong, service("shpo", "edge", 80)) == []


def test_a_service_with_a_name_alike_is_offered():
    wrong = routed("HTTPRoute", {"name": "shpo", "port": 80})

    (finding,) = found("VS009", *wrong, service("shop", "edge", 80), service("shpp", "other", 80))

    assert [each.title for each in finding.fixes] == ["Route to the Service shop"]


def test_a_backend_of_a_kind_that_istiod_does_not_know_is_told():
    wrong = routed("HTTPRoute", {"group": "example.com", "kind": "Bucket", "name": "shop"})

    assert told("VS009", *wrong, service("shop", "edge", 80)) == [
        (
            "HTTPRoute edge/shop routes to the Bucket shop, and istiod knows no backends of that"
            " kind: requests for shop.test that take this route get 500.",
            "HTTPRoute edge/shop spec.rules[0].backendRefs[0].kind",
            Severity.CRITICAL,
            frozenset({"shop.test"}),
        )
    ]


def test_what_a_grant_keeps_out_is_no_unknown_kind():
    wrong = routed("HTTPRoute", {"name": "shop", "namespace": "other", "port": 80})

    assert told("VS009", *wrong, service("shop", "other", 80)) == []


def test_an_inference_pool_may_be_served():
    pool = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "models"}

    assert told("VS009", *routed("HTTPRoute", pool)) == []


def test_one_backend_of_several_breaks_a_part():
    wrong = routed("HTTPRoute", {"name": "shpo", "port": 80}, {"name": "shop", "port": 80})

    severities = [each[2] for each in told("VS009", *wrong, service("shop", "edge", 80))]

    assert severities == [Severity.HIGH]


def test_a_rule_with_the_root_among_its_paths_takes_every_request():
    paths = [{"path": {"type": "PathPrefix", "value": each}} for each in ("/api", "/")]
    wrong = routed("HTTPRoute", {"name": "shpo", "port": 80}, matches=paths)

    assert [each[2] for each in told("VS009", *wrong)] == [Severity.CRITICAL]


def test_a_port_that_the_service_does_not_have_is_told():
    wrong = routed("HTTPRoute", {"name": "shop", "port": 8080})

    (finding,) = found("VS010", *wrong, service("shop", "edge", 80))

    assert finding.message == (
        "HTTPRoute edge/shop routes to port 8080 of Service edge/shop, which has 80 (p80):"
        " requests for shop.test that take this route get 500."
    )
    assert str(finding.objects[0]) == "HTTPRoute edge/shop spec.rules[0].backendRefs[0].port"
    assert [each.title for each in finding.fixes] == ["Route to port 80"]


def test_a_service_without_ready_endpoint_is_told_with_its_own_status():
    wrong = routed("HTTPRoute", {"name": "shop", "port": 80})
    none = endpoint_slice("shop", "edge")

    assert told("VS017", *wrong, service("shop", "edge", 80, selector={"app": "shop"}), none) == [
        (
            "HTTPRoute edge/shop routes to Service edge/shop, which has no ready endpoint (no pod"
            " in edge carries app=shop): requests for shop.test that take this route get 503"
            " (UH).",
            "Service edge/shop spec.selector",
            Severity.CRITICAL,
            frozenset({"shop.test"}),
        )
    ]


def test_a_route_on_no_live_listener_is_not_judged():
    gateway, _, route = routed("HTTPRoute", {"name": "shpo", "port": 80})
    gateway["spec"]["listeners"][0]["protocol"] = "QUIC"

    assert told("VS009", gateway, route) == []


def test_an_ingress_leads_to_a_service_that_does_not_exist():
    backend = {"service": {"name": "shpo", "port": {"number": 80}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    web = ingress("web", "edge", {"host": "shop.test", "http": {"paths": paths}})

    assert told("VS009", pod(), web, service("shop", "edge", 80)) == [
        (
            "Ingress edge/web routes to Service edge/shpo, which does not exist: requests for"
            " shop.test that take this route get 503 (NC cluster_not_found).",
            "Ingress edge/web spec.rules[0].http.paths[0].backend.service.name",
            Severity.CRITICAL,
            frozenset({"shop.test"}),
        )
    ]
