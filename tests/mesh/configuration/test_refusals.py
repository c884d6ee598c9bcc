"""What the Gateway API does not permit, and redirects that lead to themselves."""

from typing import Any

import pytest

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.self_redirects import api_redirect_loops
from istiodoctor_checks.gateway_api._refused_references import refused_backends
from tests.support.behind_gateway import mesh_behind_gateway
from tests.support.objects import (
    GATEWAY_API,
    Manifest,
    api_gateway,
    api_route,
    listener,
    made,
    pod,
    secret,
)

HOST = "a.example.com"
TO_HTTPS = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}
REDIRECT = {"filters": [TO_HTTPS]}


def web(*routes: Manifest) -> Mesh:
    tls = {"certificateRefs": [{"name": "cert"}]}
    return mesh_behind_gateway(
        secret("cert", "edge"),
        pod("web-1", "edge", labels={"gateway.networking.k8s.io/gateway-name": "web"}),
        made(
            GATEWAY_API,
            "GatewayClass",
            "istio",
            "",
            spec={"controllerName": "istio.io/gateway-controller"},
        ),
        api_gateway("web", "edge", listener("http"), listener("https", 443, "HTTPS", tls=tls)),
        *routes,
    )


def http(name: str, *rules: Manifest, created: str = "2026-01-01") -> Manifest:
    return api_route("HTTPRoute", name, "edge", *rules, created=created, hostnames=[HOST])


def backend(name: str, **fields: Any) -> Manifest:
    return {"name": name, "port": 80, **fields}


@pytest.mark.parametrize(
    ("backends", "refused"),
    [
        ([backend("a", namespace="shop")], [("Service shop/a", True)]),
        ([backend("a", namespace="edge")], []),
        (
            [backend("a", namespace="shop", weight=0), backend("b", weight=1)],
            [],
        ),
        (
            [backend("a", namespace="shop"), backend("b")],
            [("Service shop/a", False)],
        ),
        ([backend("a", namespace="shop", group="example.org", kind="Bucket")], []),
        ([backend("a.b", namespace="edge"), backend("a", namespace="shop")], []),
    ],
)
def test_a_backend_is_refused_where_requests_would_go_to_it(
    backends: list[Manifest], refused: list[tuple[str, bool]]
) -> None:
    mesh = web(http("r", {"backendRefs": backends}))

    assert [(str(each.service), each.is_whole) for each in refused_backends(mesh)] == refused


def loops(*routes: Manifest) -> list[tuple[str, list[str], bool]]:
    return [
        (each.attachment.route.name, [place.path for place in each.rules], each.is_whole)
        for each in api_redirect_loops(web(*routes))
    ]


def test_a_redirect_to_https_that_https_requests_meet_leads_to_itself() -> None:
    assert loops(http("r", REDIRECT)) == [("r", ["/spec/rules/0"], True)]


@pytest.mark.parametrize(
    "redirect",
    [
        {"scheme": "https", "hostname": "b.example.com"},
        {"scheme": "https", "port": 8443},
        {"scheme": "https", "path": {"type": "ReplaceFullPath", "replaceFullPath": "/x"}},
        {"scheme": "http"},
    ],
)
def test_a_redirect_elsewhere_does_not(redirect: Manifest) -> None:
    rule = {"filters": [{"type": "RequestRedirect", "requestRedirect": redirect}]}

    assert loops(http("r", rule)) == []


@pytest.mark.parametrize(("created", "is_first"), [("2025-01-01", False), ("2026-02-01", True)])
def test_an_older_route_that_takes_everything_comes_before_a_redirect(
    created: str, is_first: bool
) -> None:
    app = http("app", {"backendRefs": [backend("a")]}, created=created)

    assert bool(loops(http("r", REDIRECT), app)) is is_first


def test_a_redirect_of_a_longer_path_comes_before_a_route_that_takes_everything() -> None:
    of_path = {"matches": [{"path": {"type": "PathPrefix", "value": "/old"}}], **REDIRECT}
    app = http("app", {"backendRefs": [backend("a")]}, created="2025-01-01")

    assert loops(http("r", of_path, {"backendRefs": [backend("b")]}), app) == [
        ("r", ["/spec/rules/0"], False)
    ]
