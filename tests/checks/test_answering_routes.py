"""Checks that go by what virtual hosts and filter chains hold, not by names alone."""

from typing import Any

import pytest

from istiodoctor.finding import Finding, Severity
from istiodoctor.registry import discover
from tests.support.objects import (
    Manifest,
    api_gateway,
    api_route,
    gateway,
    https,
    istiod,
    listener,
    mesh_of,
    pod,
    route,
    secret,
    server,
    virtual_service,
)

CHECKS = discover().by_code()
HOST = "a.example.com"
ONE, TWO = "2025-01-01", "2025-02-01"
PASS = {"mode": "PASSTHROUGH"}
TO_HTTPS: Manifest = {"redirect": {"scheme": "https"}}


def find(code: str, *objects: Manifest) -> list[Finding]:
    return list(CHECKS[code].run(mesh_of(pod(), *objects)))


def on_web(name: str, *hosts: str, **fields: Any) -> Manifest:
    return virtual_service(
        name, "shop", *hosts, gateways=["web"], **({"http": [route("app")]} | fields)
    )


def tls_only(name: str, host: str) -> Manifest:
    rule = {"match": [{"sniHosts": [host]}], **route("app")}
    return virtual_service(name, "shop", host, gateways=["web"], tls=[rule])


WEB = gateway("web", "shop", https("*.example.com"))


def test_routes_that_the_pods_do_not_see_answer_for_no_host():
    unbound = virtual_service("free", "shop", HOST, http=[route("app")])

    assert find("VS004", WEB, unbound, on_web("edge", HOST)) == []
    (found,) = find(
        "VS004", gateway("web", "shop", https(HOST)), unbound, on_web("edge", HOST, exportTo=["."])
    )
    assert (found.hosts, found.severity) == (frozenset({HOST}), None)
    assert found.message == (
        f"VirtualService shop/free names no gateway, so it is for sidecars alone. Gateway shop/web"
        f" has {HOST}, and no VirtualService answers for it there: requests get 404."
    )


def test_a_lost_reference_harms_hosts_that_only_a_server_without_pods_has():
    lost = virtual_service("old", "shop", HOST, gateways=["gone"], http=[route("app")])
    nowhere = gateway("web", "shop", https(HOST), selector={"app": "none"})

    assert [each.severity for each in find("VS002", WEB, on_web("new", HOST), lost)] == [
        Severity.MEDIUM
    ]
    assert [each.severity for each in find("VS002", nowhere, on_web("new", HOST), lost)] == [None]


def test_tls_routes_beside_a_wildcard_with_http_routes_are_no_404():
    (found,) = find("VS005", WEB, tls_only("tls", HOST))

    assert (found.hosts, str(found.subject)) == (frozenset({HOST}), "VirtualService shop/tls")
    assert find("VS005", WEB, tls_only("tls", HOST), on_web("all", "*.example.com")) == []


def test_tls_routes_that_pass_tls_on_another_port_are_not_ignored():
    passing = server(8443, "TLS", HOST, tls=PASS)
    text = gateway("web", "shop", https(HOST), passing)

    assert find("VS005", text, tls_only("tls", HOST)) == []
    assert len(find("VS005", text, tls_only("tls", HOST) | {"spec": NEVER_FITS})) == 1


NEVER_FITS: Manifest = {
    "hosts": [HOST],
    "gateways": ["web"],
    "tls": [{"match": [{"sniHosts": [HOST], "port": 9}], **route("app")}],
}


def test_a_narrower_server_that_makes_no_filter_chain_takes_no_routes_away():
    narrow = gateway("narrow", "shop", server(443, "TLS", HOST, tls=PASS), created=TWO)
    (split,) = find(
        "VS014", WEB, gateway("narrow", "shop", https(HOST), created=TWO), on_web("a", HOST)
    )

    assert (split.hosts, str(split.subject)) == (frozenset({HOST}), "VirtualService shop/a")
    assert find("VS014", WEB, narrow, on_web("a", HOST)) == []


def test_a_redirect_loops_only_where_no_older_route_takes_its_requests():
    redirect = on_web("redirect", HOST, http=[TO_HTTPS], created=TWO)

    (found,) = find("HTTP010", WEB, redirect)
    assert (found.hosts, found.severity) == (frozenset({HOST}), Severity.CRITICAL)
    assert found.message == (
        f"VirtualService shop/redirect answers HTTPS requests for {HOST} on Gateway shop/web"
        f" server 443 (https-443-*.example.com) with a redirect to the same URL, without end."
    )
    assert find("HTTP010", WEB, redirect, on_web("app", HOST, created=ONE)) == []


@pytest.mark.parametrize(
    ("redirect", "loops"),
    [
        ({"redirectCode": 302}, True),
        ({"authority": HOST}, True),
        ({"authority": "b.example.com"}, False),
        ({"scheme": "https", "port": 443}, True),
        ({"scheme": "https", "port": 8443}, False),
        ({"scheme": "http"}, False),
        ({"uri": "/moved"}, False),
    ],
)
def test_a_redirect_loops_where_scheme_host_port_and_path_stay(redirect: Manifest, loops: bool):
    rule = {"redirect": redirect}

    assert bool(find("HTTP010", WEB, on_web("redirect", HOST, http=[rule]))) is loops


def test_a_server_outside_of_istiods_scope_is_left_out_and_no_rival_of_others():
    found = find(
        "GW011",
        istiod(PILOT_SCOPE_GATEWAY_TO_NAMESPACE="true"),
        gateway("far", "shop", https(HOST), created=ONE),
        gateway("near", "istio-system", https(HOST), created=TWO),
    )

    assert [(str(each.subject), each.hosts) for each in found] == [
        ("Gateway shop/far", frozenset({HOST}))
    ]
    assert found[0].message == (
        "istiod gives Pod istio-system/gateway only Gateways of istio-system"
        " (PILOT_SCOPE_GATEWAY_TO_NAMESPACE): Gateway shop/far is ignored, and nothing listens"
        f" for {HOST}."
    )


API = api_gateway(
    "web",
    "edge",
    listener("http"),
    listener("https", 443, "HTTPS", tls={"certificateRefs": [{"name": "cert"}]}),
)
API_POD = pod("web", "edge", labels={"gateway.networking.k8s.io/gateway-name": "web"})
API_SECRET = secret("cert", "edge")


def redirect_filter(**fields: Any) -> Manifest:
    return {"filters": [{"type": "RequestRedirect", "requestRedirect": fields}]}


@pytest.mark.parametrize(
    ("redirect", "loops"),
    [
        ({"scheme": "https"}, True),
        ({"statusCode": 302}, True),
        ({"hostname": HOST}, True),
        ({"hostname": "b.example.com"}, False),
        ({"scheme": "https", "port": 8443}, False),
        ({"path": {"type": "ReplaceFullPath", "replaceFullPath": "/new"}}, False),
        ({"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}, True),
        ({"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"}}, False),
    ],
)
def test_a_redirect_of_an_http_route_loops_by_the_same_rules(redirect: Manifest, loops: bool):
    rule = {"matches": [{"path": {"type": "PathPrefix", "value": "/"}}]}
    route_ = api_route(
        "HTTPRoute", "r", "shop", rule | redirect_filter(**redirect), hostnames=[HOST]
    )

    found = find("GWAPI005", API, API_POD, API_SECRET, route_)

    assert [(str(each.subject), each.hosts) for each in found] == (
        [("HTTPRoute shop/r", frozenset({HOST}))] if loops else []
    )
    assert find("HTTP010", API, API_POD, API_SECRET, route_) == []


def test_a_redirect_of_an_http_route_after_an_older_one_for_the_same_requests_does_not_loop():
    redirect = api_route(
        "HTTPRoute",
        "redirect",
        "shop",
        redirect_filter(scheme="https"),
        hostnames=[HOST],
        created=TWO,
    )
    app = {"backendRefs": [{"name": "app", "port": 80}]}
    older = api_route("HTTPRoute", "app", "shop", app, hostnames=[HOST], created=ONE)

    assert len(find("GWAPI005", API, API_POD, API_SECRET, redirect)) == 1
    assert find("GWAPI005", API, API_POD, API_SECRET, redirect, older) == []


def test_a_redirect_of_one_path_that_an_older_route_has_does_not_loop():
    part = {"match": [{"uri": {"prefix": "/a"}}]}
    redirect = on_web("redirect", HOST, http=[part | TO_HTTPS], created=TWO)
    older = on_web("app", HOST, http=[part | route("app")], created=ONE)

    assert [each.severity for each in find("HTTP010", WEB, redirect)] == [Severity.HIGH]
    assert find("HTTP010", WEB, redirect, older) == []


def test_a_virtual_service_is_not_missed_on_a_server_that_no_pods_have():
    unbound = virtual_service("free", "shop", HOST, http=[route("app")])
    nowhere = gateway("web", "shop", https(HOST), selector={"app": "none"})

    assert find("VS004", nowhere, unbound) == []


def test_a_host_that_no_namespace_may_route_keeps_nobody_out_by_mistake():
    route_ = virtual_service("a", "other", HOST, gateways=["shop/web"], http=[route("app")])

    assert find("GW010", gateway("web", "shop", https(f"~/{HOST}")), route_) == []
    assert len(find("GW010", gateway("web", "shop", https(f"shop/{HOST}")), route_)) == 1
