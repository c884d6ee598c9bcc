"""Gateways whose class does not exist."""

from istiodoctor.finding import Severity
from istiodoctor.mesh import Mesh
from istiodoctor.registry import discover
from tests.support.objects import Manifest, api_gateway, listener, made, mesh_of

CHECK = discover().by_code()["GWAPI015"]
CLASS = made(
    "gateway.networking.k8s.io/v1",
    "GatewayClass",
    "cloud",
    "",
    spec={"controllerName": "example.com/controller"},
)


def of_class(name: str) -> Manifest:
    return api_gateway("web", "edge", listener("a", hostname="x.test"), gatewayClassName=name)


def told(mesh: Mesh) -> list[tuple[str, Severity, frozenset[str], list[str]]]:
    return [
        (
            each.message,
            each.severity or CHECK.severity,
            each.hosts,
            [fix.title for fix in each.fixes],
        )
        for each in CHECK.judge(mesh)
    ]


def test_a_misspelt_class_is_told_with_the_one_that_is_meant():
    assert told(mesh_of(CLASS, of_class("isto"))) == [
        (
            "Gateway API Gateway edge/web is of the class isto, which does not exist: no"
            " controller takes it, and nothing listens for x.test.",
            Severity.CRITICAL,
            frozenset({"x.test"}),
            ["Name the class istio"],
        )
    ]


def test_a_class_that_nothing_is_like_is_less_grave():
    assert [each[1:] for each in told(mesh_of(CLASS, of_class("traefik")))] == [
        (Severity.MEDIUM, frozenset({"x.test"}), ["Name a class that exists"])
    ]


def test_classes_of_others_and_those_that_istiod_makes_are_quiet():
    for name in ("cloud", "istio", "istio-waypoint", "istio-remote"):
        assert told(mesh_of(CLASS, of_class(name))) == []
