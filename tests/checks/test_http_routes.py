"""HTTPRoutes: plain requests without a redirect, rules of one that another takes requests from."""

import copy
from typing import Any

import pytest

from istiodoctor.finding import Confidence, Finding, Severity
from istiodoctor.fix import Fix, PatchType
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.redirects import plain_hosts, redirect_exempts_challenges
from istiodoctor.mesh.facts import Facts, FrontProxy
from istiodoctor.registry import discover
from tests.support.objects import (
    Manifest,
    api_gateway,
    api_route,
    gateway,
    https,
    listener,
    mesh_of,
    pod,
    route,
    secret,
    server,
    service,
    snapshot_of,
    virtual_service,
)

CHECKS = discover().by_code()
HOST = "a.example.com"
OLD, NEW = "2025-01-01", "2025-02-01"
LABELS = {"gateway.networking.k8s.io/gateway-name": "web"}
TLS = {"certificateRefs": [{"name": "cert"}]}
APP: Manifest = {"backendRefs": [{"name": "app", "port": 80}]}
OTHER: Manifest = {"backendRefs": [{"name": "other", "port": 80}]}
TO_HTTPS: Manifest = {
    "filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]
}
PLAIN, SECURE = listener("http"), listener("https", 443, "HTTPS", tls=TLS)
BOTH, ON_HTTP, ON_HTTPS = (
    ({"name": "web", "namespace": "edge", **section},)
    for section in ({}, {"sectionName": "http"}, {"sectionName": "https"})
)
CLUSTER = (
    pod("web", "edge", labels=LABELS),
    service("web", "edge", 80, 443, selector=LABELS, spec={"type": "LoadBalancer"}),
    secret("cert", "edge"),
    service("app", "shop", 80),
    service("other", "shop", 80),
)


def http_route(name: str, *rules: Manifest, **fields: Any) -> Manifest:
    return api_route("HTTPRoute", name, "shop", *rules, **({"hostnames": [HOST]} | fields))


def objects(
    *routes: Manifest, listeners: tuple[Manifest, ...] = (PLAIN, SECURE)
) -> list[Manifest]:
    return [*CLUSTER, api_gateway("web", "edge", *listeners), *routes]


def find(code: str, found: list[Manifest], *proxies: FrontProxy) -> list[Finding]:
    return list(CHECKS[code].run(Mesh(snapshot_of(*found), Facts(front_proxies=proxies))))


def mended(found: list[Manifest], fix: Fix) -> list[Manifest]:
    """Return objects after the patches of a fix: `add` or `replace` of a field."""
    after = {(each["kind"], each["metadata"]["name"]): copy.deepcopy(each) for each in found}
    for patch in fix.patches:
        if patch.type is PatchType.CREATE:
            after[patch.ref.kind, patch.ref.name] = patch.body
            continue
        for operation in patch.body:
            *above, last = operation["path"].strip("/").split("/")
            field: Any = after[patch.ref.kind, patch.ref.name]
            for key in above:
                field = field[int(key) if isinstance(field, list) else key]
            field[last] = operation["value"]
    return list(after.values())


def test_a_route_on_both_listeners_is_served_in_the_clear_and_a_filter_mends_it():
    before = objects(http_route("app", APP, parents=BOTH))

    (found,) = find("HTTP004", before)

    assert (str(found.subject), found.severity, found.hosts) == (
        "HTTPRoute shop/app",
        None,
        frozenset({HOST}),
    )
    assert found.objects[0].path == "/spec/parentRefs/0"
    assert found.message == (
        f"HTTPRoute shop/app on Gateway API Gateway edge/web listener 80 (http) serves {HOST} in"
        " the clear beside Gateway API Gateway edge/web listener 443 (https), and nothing"
        " redirects it to HTTPS."
    )
    (fix,) = found.fixes
    assert "RequestRedirect" in fix.why
    assert [(each.ref.kind, each.ref.name) for each in fix.patches] == [
        ("HTTPRoute", "app"),
        ("HTTPRoute", "app-redirect"),
    ]
    after = mended(before, fix)
    assert [find(code, after) for code in ("HTTP004", "GWAPI005", "VS008")] == [[], [], []]


def test_a_route_on_the_plain_listener_alone_is_turned_into_a_redirect():
    before = objects(
        http_route("plain", APP, parents=ON_HTTP), http_route("app", APP, parents=ON_HTTPS)
    )

    (found,) = find("HTTP004", before)

    assert str(found.subject) == "HTTPRoute shop/plain"
    assert find("HTTP004", mended(before, found.fixes[0])) == []


def test_with_more_listeners_the_fix_is_told_and_not_patched():
    third = listener("other", 8443, "HTTPS", tls=TLS)
    (found,) = find(
        "HTTP004", objects(http_route("app", APP, parents=BOTH), listeners=(PLAIN, SECURE, third))
    )

    (fix,) = found.fixes
    assert (fix.patches, "RequestRedirect filter" in fix.title) == ((), True)


@pytest.mark.parametrize(
    "routes",
    [
        [http_route("app", APP, parents=ON_HTTPS)],
        [
            http_route("app", APP, parents=ON_HTTPS),
            http_route("redirect", TO_HTTPS, parents=ON_HTTP),
        ],
        [http_route("app", APP, parents=ON_HTTP)],
        [api_route("GRPCRoute", "grpc", "shop", APP, hostnames=[HOST])],
    ],
    ids=["https alone", "redirected", "no https", "grpc"],
)
def test_nothing_is_served_in_the_clear_beside_https(routes: list[Manifest]):
    assert find("HTTP004", objects(*routes)) == []


def test_a_proxy_that_ends_tls_before_an_http_route_is_where_a_redirect_belongs():
    proxy = FrontProxy(hosts=("*.example.com",), terminates_tls=True)
    (found,) = find("HTTP004", objects(http_route("app", APP, parents=BOTH)), proxy)

    assert (found.severity, found.fixes) == (Severity.INFO, ())


def test_a_redirect_of_an_http_route_loops_behind_a_proxy_that_ends_tls():
    proxy = FrontProxy(hosts=("*.example.com",), terminates_tls=True)
    text = objects(http_route("redirect", TO_HTTPS, parents=ON_HTTP), listeners=(PLAIN,))

    (found,) = find("HTTP001", text, proxy)

    assert (str(found.subject), found.hosts, found.severity) == (
        "HTTPRoute shop/redirect",
        frozenset({HOST}),
        Severity.CRITICAL,
    )
    assert found.fixes[0].title == "Remove the redirect rule from HTTPRoute shop/redirect"
    assert find("HTTP001", objects(http_route("app", APP, parents=ON_HTTP)), proxy) == []


def test_a_redirect_of_an_http_route_leaves_the_exact_path_of_a_solver_alone():
    mesh = mesh_of(*objects(http_route("redirect", TO_HTTPS, parents=ON_HTTP)))

    found = plain_hosts(mesh)

    assert [
        (each.host, each.redirect.value, redirect_exempts_challenges(mesh, each)) for each in found
    ] == [("*", "none", True), (HOST, "route", True)]


def test_a_redirect_for_one_host_of_a_plain_server_for_all_is_seen():
    server_for_all = gateway("web", "shop", server(80, "HTTP", "*"), https(HOST))
    to_https = {"match": [{"port": 80}], "redirect": {"scheme": "https"}}

    def served(*rules: Manifest) -> list[Finding]:
        app = virtual_service("app", "shop", HOST, gateways=["web"], http=[*rules, route("app")])
        return find("HTTP004", [pod(), server_for_all, app])

    assert (len(served()), served(to_https)) == (1, [])


def old_and_new(old: Manifest, *new: Manifest, **fields: Any) -> list[Manifest]:
    return objects(
        http_route("old", old, created=OLD), http_route("new", *new, created=NEW, **fields)
    )


def test_of_two_http_routes_with_one_match_the_older_wins():
    (found, _) = find("VS008", old_and_new(APP, OTHER))

    assert (str(found.subject), found.hosts, found.confidence) == (
        "HTTPRoute shop/new",
        frozenset({HOST}),
        Confidence.CERTAIN,
    )
    assert found.message == (
        f"HTTPRoute shop/old and HTTPRoute shop/new both answer for {HOST} on Gateway API Gateway"
        " edge/web listener 80 (http) with rules for the same requests; the older one wins, and"
        " HTTPRoute shop/new spec.rules[0] never applies."
    )
    assert [fix.title for fix in found.fixes] == [
        f"Leave these requests for {HOST} to one of the two"
    ]


def test_rules_beside_the_one_that_loses_stay_and_it_can_be_removed():
    narrow = {"matches": [{"path": {"type": "PathPrefix", "value": "/api"}}], **OTHER}
    (found, _) = find("VS008", old_and_new(APP, narrow, OTHER))

    assert found.objects[0].path == "/spec/rules/1"
    assert found.fixes[1].patches[0].body == [{"op": "remove", "path": "/spec/rules/1"}]


def test_a_rule_that_keeps_one_of_its_matches_loses_only_a_part():
    api = {"path": {"type": "PathPrefix", "value": "/api"}}
    rest = {"path": {"type": "Exact", "value": "/rest"}}
    (found, _) = find(
        "VS008", old_and_new(APP | {"matches": [api]}, OTHER | {"matches": [api, rest]})
    )

    assert found.message.endswith(
        "HTTPRoute shop/new spec.rules[0] applies to other requests only."
    )


def test_http_routes_whose_age_is_not_known_are_suspected():
    text = objects(http_route("a", APP), http_route("b", OTHER))

    assert {each.confidence for each in find("VS008", text)} == {Confidence.SUSPECTED}


@pytest.mark.parametrize(
    ("new", "fields"),
    [
        (APP, {}),
        (OTHER, {"hostnames": ["b.example.com"]}),
        (OTHER | {"matches": [{"path": {"type": "PathPrefix", "value": "/api"}}]}, {}),
        (OTHER | {"matches": [{"method": "POST"}]}, {}),
    ],
    ids=["same backend", "other host", "narrower path", "method"],
)
def test_http_routes_side_by_side_do_not_stand_before_each_other(
    new: Manifest, fields: dict[str, Any]
):
    assert find("VS008", old_and_new(APP, new, **fields)) == []


def test_a_redirect_to_https_takes_plain_requests_on_purpose_where_https_answers():
    redirect = http_route("redirect", TO_HTTPS, parents=ON_HTTP, created=OLD)
    app = http_route("app", APP, parents=BOTH, created=NEW)

    assert find("VS008", objects(redirect, app)) == []
    assert len(find("VS008", objects(redirect, app, listeners=(PLAIN,)))) == 1


def test_a_redirect_to_https_that_an_older_route_stands_before_never_applies():
    redirect = http_route("redirect", TO_HTTPS, parents=ON_HTTP, created=NEW)
    app = http_route("app", APP, parents=BOTH, created=OLD)

    (found,) = find("VS008", objects(redirect, app))

    assert str(found.subject) == "HTTPRoute shop/redirect"
    assert len(find("HTTP004", objects(redirect, app))) == 1


def test_a_redirect_of_an_older_virtual_service_is_still_told():
    both = gateway("web", "shop", server(80, "HTTP", HOST), https(HOST))
    to_https = {"match": [{"port": 80}], "redirect": {"scheme": "https"}}
    redirect = virtual_service(
        "redirect", "shop", HOST, gateways=["web"], http=[to_https], created=OLD
    )
    app = virtual_service("app", "shop", HOST, gateways=["web"], http=[route("app")], created=NEW)

    assert [str(each.subject) for each in find("VS008", [pod(), both, redirect, app])] == [
        "VirtualService shop/app"
    ]


def test_of_several_https_listeners_the_one_that_takes_the_name_is_told():
    narrow = listener("narrow", 443, "HTTPS", hostname=HOST, tls=TLS)
    (found,) = find(
        "HTTP004", objects(http_route("app", APP, parents=BOTH), listeners=(PLAIN, SECURE, narrow))
    )

    assert "listener 443 (narrow)" in found.message
