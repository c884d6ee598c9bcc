"""Routes of the Gateway API that are bound to nothing."""

import pytest

from istiodoctor.finding import Severity
from istiodoctor.registry import discover
from tests.support.objects import (
    Manifest,
    api_gateway,
    gateway,
    https,
    istiod,
    listener,
    made,
    mesh_of,
)

CHECK = discover().by_code()["GWAPI014"]
PASSTHROUGH = listener("tls", 443, "TLS", hostname="shop.test", tls={"mode": "Passthrough"})


def route(kind: str = "HTTPRoute", *parents: Manifest) -> Manifest:
    version = "v1" if kind in ("HTTPRoute", "GRPCRoute") else "v1alpha2"
    names = {} if kind == "TCPRoute" else {"hostnames": ["shop.test"]}
    return made(
        f"gateway.networking.k8s.io/{version}",
        kind,
        "shop",
        "edge",
        spec={"parentRefs": list(parents), "rules": [{"backendRefs": []}], **names},
    )


def told(*objects: Manifest) -> list[tuple[str, str, Severity, frozenset[str], list[str]]]:
    return [
        (
            each.message,
            str(each.objects[0]),
            each.severity or CHECK.severity,
            each.hosts,
            [fix.title for fix in each.fixes],
        )
        for each in CHECK.judge(mesh_of(istiod("1.31.0"), *objects))
    ]


WEB = api_gateway("web", "edge", listener("http", 80, hostname="shop.test"))


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute"])
def test_a_gateway_that_does_not_exist_is_told_for_every_kind_of_route(kind: str):
    (message, place, severity, hosts, fixes) = told(WEB, route(kind, {"name": "wbe"}))[0]

    assert message.startswith(
        f"{kind} edge/shop wants to attach to Gateway API Gateway edge/wbe, which does not exist."
    )
    assert place == f"{kind} edge/shop spec.parentRefs[0].name"
    assert severity is Severity.CRITICAL
    assert hosts == frozenset(() if kind == "TCPRoute" else {"shop.test"})
    assert fixes == ["Attach it to web"]


def test_a_section_that_does_not_exist_names_those_that_do():
    assert told(WEB, route("HTTPRoute", {"name": "web", "sectionName": "htp"})) == [
        (
            "HTTPRoute edge/shop wants to attach to Gateway API Gateway edge/web, which has no"
            " listener htp, only http. Requests for shop.test find no route.",
            "HTTPRoute edge/shop spec.parentRefs[0].sectionName",
            Severity.CRITICAL,
            frozenset({"shop.test"}),
            ["Attach it to the listener http"],
        )
    ]


def test_a_port_that_no_listener_has_names_those_that_do():
    assert told(WEB, route("HTTPRoute", {"name": "web", "port": 8080})) == [
        (
            "HTTPRoute edge/shop wants to attach to Gateway API Gateway edge/web, where no"
            " listener has port 8080, only 80. Requests for shop.test find no route.",
            "HTTPRoute edge/shop spec.parentRefs[0].port",
            Severity.CRITICAL,
            frozenset({"shop.test"}),
            ["Attach it to port 80"],
        )
    ]


def test_a_route_of_another_protocol_is_told_with_the_listener():
    web = api_gateway("web", "edge", PASSTHROUGH)

    assert told(web, route("HTTPRoute", {"name": "web"})) == [
        (
            "HTTPRoute edge/shop wants to attach to Gateway API Gateway edge/web, but Gateway API"
            " Gateway edge/web listener 443 (tls) takes no HTTPRoute: its protocol is TLS with"
            " mode Passthrough. Requests for shop.test find no route.",
            "HTTPRoute edge/shop spec.parentRefs[0]",
            Severity.CRITICAL,
            frozenset({"shop.test"}),
            ["Name a listener that takes the route"],
        )
    ]


def test_a_route_that_is_attached_elsewhere_is_less_grave():
    both = route("HTTPRoute", {"name": "web"}, {"name": "old"})
    other = route("HTTPRoute", {"name": "old"})
    other["metadata"]["name"] = "other"
    attached = route("HTTPRoute", {"name": "web"})

    assert [each[2] for each in told(WEB, both)] == [Severity.MEDIUM]
    assert [each[2] for each in told(WEB, attached, other)] == [Severity.MEDIUM]


def test_parents_that_are_no_gateways_are_not_judged():
    mesh_parent = {"group": "", "kind": "Service", "name": "shop"}

    assert told(WEB, route("HTTPRoute", mesh_parent)) == []


def test_a_gateway_of_another_controller_is_not_judged():
    other = api_gateway("other", "edge", listener("http"), gatewayClassName="nginx")

    assert told(other, route("HTTPRoute", {"name": "other", "sectionName": "https"})) == []


def test_an_istio_gateway_is_no_parent():
    istio = gateway("web", "edge", https("shop.test"))

    assert [each[2] for each in told(istio, route("HTTPRoute", {"name": "web"}))] == [
        Severity.CRITICAL
    ]


def test_a_listener_that_istiod_refuses_is_the_fault_of_the_listener():
    web = api_gateway("web", "edge", listener("http", 80), listener("https", 443, "HTTPS"))

    assert told(web, route("HTTPRoute", {"name": "web", "sectionName": "https"})) == []
