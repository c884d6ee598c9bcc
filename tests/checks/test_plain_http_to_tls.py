"""Backends that speak TLS and are sent plain HTTP: what the examples cannot show."""

import pytest

from istiodoctor.finding import Confidence, Severity
from istiodoctor.registry import discover
from tests.support.objects import (
    Manifest,
    api_gateway,
    api_route,
    destination_rule,
    gateway,
    https,
    listener,
    mesh_of,
    pod,
    route,
    service,
    service_entry,
    virtual_service,
)

CHECK = discover().by_code()["DR001"]
HTTPS = {"number": 443, "name": "https", "protocol": "HTTPS"}
WEB = (
    pod("web-istio-0", "edge", labels={"gateway.networking.k8s.io/gateway-name": "web"}),
    api_gateway("web", "edge", listener("http")),
)


def told(*objects: Manifest) -> list[tuple[str, Severity, Confidence]]:
    default = CHECK.severity
    return [
        (str(each.objects[0].ref), each.severity or default, each.confidence)
        for each in CHECK.judge(mesh_of(*objects))
    ]


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ({"name": "https", "port": 443, "targetPort": 8443}, [Confidence.CERTAIN]),
        ({"name": "x", "appProtocol": "https", "port": 9000}, [Confidence.SUSPECTED]),
        ({"name": "http", "port": 443, "targetPort": 8080}, []),
    ],
)
def test_a_route_of_the_gateway_api_is_judged_too(port: Manifest, expected: list[Confidence]):
    backend = {"backendRefs": [{"name": "shop", "port": port["port"]}]}
    shop = api_route("HTTPRoute", "shop", "edge", backend, hostnames=["a.example.com"])

    found = told(*WEB, shop, service("shop", "edge", port))

    assert [each[2] for each in found] == expected
    assert all(each[:2] == ("HTTPRoute edge/shop", Severity.CRITICAL) for each in found)


def test_a_rule_that_speaks_tls_settles_it():
    backend = {"backendRefs": [{"name": "shop", "port": 443}]}
    shop = api_route("HTTPRoute", "shop", "edge", backend, hostnames=["a.example.com"])
    port = {"name": "https", "port": 443, "targetPort": 8443}
    rule = destination_rule("shop", "edge", "shop", trafficPolicy={"tls": {"mode": "SIMPLE"}})

    assert told(*WEB, shop, service("shop", "edge", port), rule) == []


@pytest.mark.parametrize(("protocol", "count"), [("HTTPS", 1), ("TLS", 1), ("HTTP", 0)])
def test_the_protocol_of_a_service_entry_makes_no_tls(protocol: str, count: int):
    entry = service_entry("api", "shop", "api.example.net", ports=[HTTPS | {"protocol": protocol}])
    to_api = virtual_service(
        "shop",
        "shop",
        "a.example.com",
        gateways=["web"],
        http=[route("api.example.net", port={"number": 443})],
    )

    found = told(pod(), gateway("web", "shop", https("a.example.com")), to_api, entry)

    assert len(found) == count
