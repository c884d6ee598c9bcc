"""Listeners of the Gateway API that speak different protocols on one port."""

from istiodoctor.finding import Severity
from istiodoctor.registry import discover
from tests.support.objects import Manifest, api_gateway, istiod, listener, mesh_of, pod

CHECK = discover().by_code()["GW004"]
POD = pod("web-istio", "edge", labels={"gateway.networking.k8s.io/gateway-name": "web"})
PLAIN = listener("a", 443, hostname="a.test")
PASSTHROUGH = listener("b", 443, "TLS", hostname="b.test", tls={"mode": "Passthrough"})


def found(*listeners: Manifest) -> list[tuple[str, Severity, frozenset[str], list[str]]]:
    mesh = mesh_of(istiod("1.31.0"), POD, api_gateway("web", "edge", *listeners))
    return [
        (
            each.message.rpartition(". ")[2],
            each.severity or CHECK.severity,
            each.hosts,
            [fix.title for fix in each.fixes],
        )
        for each in CHECK.judge(mesh)
    ]


def test_a_tls_listener_on_the_port_of_a_plain_one_is_left_out():
    assert found(PLAIN, PASSTHROUGH) == [
        (
            "istiod leaves out Gateway API Gateway edge/web listener 443 (b): b.test is not served"
            " by it.",
            Severity.CRITICAL,
            frozenset({"b.test"}),
            ["Move Gateway API Gateway edge/web listener 443 (a) to port 80"],
        )
    ]


def test_listeners_of_tls_alone_are_quiet():
    other = listener("a", 443, "TLS", hostname="a.test", tls={"mode": "Passthrough"})

    assert found(other, PASSTHROUGH) == []
