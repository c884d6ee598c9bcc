"""Listeners of the Gateway API that no route is attached to."""

from istiodoctor.finding import Severity
from istiodoctor.registry import discover
from tests.support.objects import (
    Manifest,
    api_gateway,
    api_route,
    istiod,
    listener,
    mesh_of,
    pod,
)

CHECK = discover().by_code()["GWAPI016"]
POD = pod("web-istio", "edge", labels={"gateway.networking.k8s.io/gateway-name": "web"})
TLS = {"tls": {"certificateRefs": [{"name": "cert"}]}}


def told(*objects: Manifest) -> list[tuple[str, str, Severity, frozenset[str]]]:
    return [
        (each.message, str(each.objects[0]), each.severity or CHECK.severity, each.hosts)
        for each in CHECK.judge(mesh_of(istiod("1.31.0"), POD, *objects))
    ]


def test_a_plain_listener_without_routes_is_a_low_finding():
    web = api_gateway("web", "edge", listener("http", hostname="shop.test"))

    assert told(web) == [
        (
            "Gateway API Gateway edge/web listener 80 (http) serves shop.test, and no route is"
            " attached to it: requests get 404.",
            "Gateway API Gateway edge/web spec.listeners[0]",
            Severity.LOW,
            frozenset({"shop.test"}),
        )
    ]


def test_a_listener_of_tls_for_one_host_is_graver_than_one_for_many():
    tls = {"mode": "Passthrough"}
    one = api_gateway("web", "edge", listener("a", 443, "TLS", hostname="x.test", tls=tls))
    many = api_gateway("web", "edge", listener("a", 443, "TLS", hostname="*.test", tls=tls))

    assert [each[2] for each in told(one)] == [Severity.MEDIUM]
    assert [each[2] for each in told(many)] == [Severity.LOW]
    assert told(one)[0][0].endswith("attached to it: its port has nothing for them.")


def test_a_listener_with_a_route_is_quiet():
    web = api_gateway("web", "edge", listener("http", hostname="shop.test"))
    shop = api_route("HTTPRoute", "shop", "edge", {"backendRefs": []})

    assert told(web, shop) == []
