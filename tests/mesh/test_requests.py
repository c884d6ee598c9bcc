"""The way of one request: which rule answers, in Envoy's order, and where it ends."""

import pytest

from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.requests.answers import AnswerKind
from istiodoctor.mesh.requests.outcomes import AnswerOutcome
from istiodoctor.mesh.requests.request_paths import request_paths
from tests.support.objects import (
    GATEWAY_API,
    RBAC,
    gateway,
    https,
    istiod,
    made,
    mesh_of,
    pod,
    route,
    secret,
    server,
    service,
    virtual_service,
)

HOST = "a.example.com"
PORTS = ({"name": "http", "port": 80}, {"name": "https", "port": 443})
PLATFORM = (
    pod(),
    istiod(),
    service("gateway", "istio-system", *PORTS, spec={"type": "LoadBalancer"}),
    secret("cert"),
    made(
        RBAC,
        "Role",
        "sds",
        "istio-system",
        rules=[{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}],
    ),
    made(
        RBAC,
        "RoleBinding",
        "sds",
        "istio-system",
        roleRef={"kind": "Role", "name": "sds"},
        subjects=[{"kind": "ServiceAccount", "name": "default", "namespace": "istio-system"}],
    ),
    made("v1", "ConfigMap", "istio", "istio-system", data={"mesh": "{}"}),
)


def backend(name):
    """Return a Service with one ready endpoint."""
    return (
        service(name, "shop", 8080, selector={"app": name}),
        made(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            name,
            "shop",
            labels={"kubernetes.io/service-name": name},
            ports=[{"name": "p8080", "port": 8080}],
            endpoints=[{"addresses": ["10.0.0.1"]}],
        ),
    )


BACKENDS = (*backend("one"), *backend("two"))
WEB = gateway("web", "shop", https(HOST), server(80, "HTTP", HOST))


def routes(name, *rules, hosts=(HOST,), **fields):
    return virtual_service(name, "shop", *hosts, gateways=["web"], http=list(rules), **fields)


def to(name, **match):
    return {**route(name), **({"match": [match]} if match else {})}


def asked(*objects, url=f"https://{HOST}/", **request):
    """Return the one way of a request through these objects and what all tests share."""
    mesh = mesh_of(*PLATFORM, *BACKENDS, *objects)
    with mesh.recording() as record:
        (request_path,) = request_paths(mesh, Request.of_url(url, **request))
    assert record.undeclared == set()
    return request_path


def backends(request_path):
    return [hop.ref.name for hop in request_path.hops if hop.hop == "backend"]


def end(request_path):
    """Return how a way ends and, of a broken one, its last hop."""
    last = request_path.hops[-1]
    return (request_path.ending.kind, last.hop, last.text)


@pytest.mark.parametrize(
    ("match", "request_", "is_taken"),
    [
        ({"uri": {"exact": "/a"}}, {"url": "/a?x=1"}, True),
        ({"uri": {"exact": "/a"}}, {"url": "/a/"}, False),
        ({"uri": {"prefix": "/a"}}, {"url": "/abc"}, True),
        ({"uri": {"prefix": "/A"}}, {"url": "/abc"}, False),
        ({"uri": {"prefix": "/A"}, "ignoreUriCase": True}, {"url": "/abc"}, True),
        ({"uri": {"regex": "/v[0-9]+"}}, {"url": "/v12"}, True),
        ({"uri": {"regex": "/v[0-9]+"}}, {"url": "/v12/x"}, False),
        ({"scheme": {"exact": "https"}}, {"url": "/"}, True),
        ({"scheme": {"exact": "http"}}, {"url": "/"}, False),
        ({"method": {"exact": "POST"}}, {"url": "/", "method": "POST"}, True),
        ({"method": {"exact": "POST"}}, {"url": "/"}, False),
        ({"authority": {"exact": HOST}}, {"url": "/"}, True),
        ({"authority": {"prefix": "b."}}, {"url": "/"}, False),
        ({"headers": {"x-beta": {"exact": "1"}}}, {"headers": [("X-Beta", "1")]}, True),
        ({"headers": {"x-beta": {"exact": "1"}}}, {}, False),
        ({"headers": {"x-beta": {}}}, {"headers": [("x-beta", "any")]}, True),
        ({"headers": {"x-beta": {}}}, {}, False),
        ({"withoutHeaders": {"x-beta": {"exact": "1"}}}, {}, True),
        ({"withoutHeaders": {"x-beta": {"exact": "1"}}}, {"headers": [("x-beta", "1")]}, False),
        ({"withoutHeaders": {":path": {"prefix": "/.well-known/"}}}, {"url": "/a"}, True),
        (
            {"withoutHeaders": {":path": {"prefix": "/.well-known/"}}},
            {"url": "/.well-known/acme-challenge/x"},
            False,
        ),
        ({"queryParams": {"v": {"exact": "2"}}}, {"url": "/?u=1&v=2"}, True),
        ({"queryParams": {"v": {"exact": "2"}}}, {"url": "/?v=1&v=2"}, False),
        ({"port": 443}, {}, True),
        ({"port": 80}, {}, False),
        ({"gateways": ["shop/web"]}, {}, True),
        ({"gateways": ["mesh"]}, {}, False),
        ({"sourceNamespace": "istio-system"}, {}, True),
        ({"sourceNamespace": "shop"}, {}, False),
    ],
)
def test_a_match_takes_what_all_its_conditions_hold_for(match, request_, is_taken):
    url = f"https://{HOST}{request_.pop('url', '/')}"

    request_path = asked(WEB, routes("r", to("one", **match), to("two")), url=url, **request_)

    assert backends(request_path) == ["one" if is_taken else "two"]


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        # Within one VirtualService the first match wins, and nothing after a catch-all.
        ([routes("r", to("two"), to("one", uri={"exact": "/a"}))], "two"),
        # Over several, the oldest comes first ...
        (
            [
                routes("young", to("two", uri={"prefix": "/a"}), created="2026-02-01"),
                routes("old", to("one", uri={"prefix": "/"}, headers={"x": {}})),
                routes("older", to("one", uri={"prefix": "/"}), created="2026-01-01"),
            ],
            "two",
        ),
        # ... and what takes everything moves behind the others.
        (
            [
                routes("old", to("one"), created="2026-01-01"),
                routes("young", to("two", uri={"exact": "/a"}), created="2026-02-01"),
            ],
            "two",
        ),
        (
            [
                routes("old", to("one"), created="2026-01-01"),
                routes("young", to("two"), created="2026-02-01"),
            ],
            "one",
        ),
        # Those exported by name come before public ones, whatever their age.
        (
            [
                routes("old", to("one"), created="2026-01-01"),
                virtual_service(
                    "young",
                    "shop",
                    HOST,
                    gateways=["web"],
                    http=[to("two")],
                    exportTo=["istio-system"],
                    created="2026-02-01",
                ),
            ],
            "two",
        ),
        # One that the gateway cannot see has no say.
        (
            [
                virtual_service(
                    "hidden", "shop", HOST, gateways=["web"], http=[to("one")], exportTo=["."]
                ),
                routes("seen", to("two")),
            ],
            "two",
        ),
    ],
)
def test_rules_are_asked_in_the_order_that_envoy_gets_them(sources, expected):
    request_path = asked(WEB, *sources, url=f"https://{HOST}/a")

    assert backends(request_path) == [expected]


def test_the_most_specific_virtual_host_does_not_fall_through_to_another():
    wide = gateway("web", "shop", https("*.example.com"))
    exact = routes("exact", to("one", uri={"exact": "/only"}))
    wildcard = routes("wildcard", to("two"), hosts=("*.example.com",))

    assert backends(asked(wide, exact, wildcard, url="https://b.example.com/x")) == ["two"]
    assert end(asked(wide, exact, wildcard, url=f"https://{HOST}/x")) == (
        AnswerKind.NONE,
        "route",
        "none of 1 takes GET /x: 404",
    )


def test_a_delegate_answers_under_the_match_that_delegates_to_it():
    root = routes(
        "root", {"match": [{"uri": {"prefix": "/api"}}], "delegate": {"name": "inner"}}, to("two")
    )
    inner = virtual_service("inner", "shop", http=[to("one", uri={"prefix": "/api/v1"})])

    found = asked(WEB, root, inner, url=f"https://{HOST}/api/v1/x")

    assert backends(found) == ["one"]
    assert [hop.text for hop in found.hops if hop.hop == "route"] == [
        "spec.http[0] (uri prefix /api/v1) by way of VirtualService shop/root"
    ]
    assert backends(asked(WEB, root, inner, url=f"https://{HOST}/other")) == ["two"]


def test_weights_lead_to_every_destination_and_none_to_those_without():
    rule = {
        "route": [
            {"destination": {"host": "one"}, "weight": 80},
            {"destination": {"host": "two"}, "weight": 20},
            {"destination": {"host": "gone"}, "weight": 0},
        ]
    }

    request_path = asked(WEB, routes("r", rule))

    assert [hop.text for hop in request_path.hops if hop.hop == "backend"] == [
        "80% of requests: port 8080",
        "20% of requests: port 8080",
        "gone.shop.svc.cluster.local has the weight 0 and gets no requests",
    ]
    assert request_path.ending.kind is AnswerKind.BACKEND


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        ({"host": "gone"}, ("backend", "does not exist: 503")),
        (
            {"host": "one", "port": {"number": 9}},
            ("backend", "has no port 9, only 8080: 503"),
        ),
        (
            {"host": "one", "subset": "v9"},
            ("backend", "no DestinationRule defines subset v9 of one.shop.svc.cluster.local: 503"),
        ),
        ({"host": "idle"}, ("endpoints", "has no endpoints: no pod has the labels app=idle: 503")),
    ],
)
def test_a_destination_that_leads_nowhere_stops_the_request(destination, expected):
    idle = service("idle", "shop", 8080, selector={"app": "idle"})
    slices = made(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        "idle",
        "shop",
        labels={"kubernetes.io/service-name": "idle"},
        endpoints=[],
    )

    request_path = asked(WEB, idle, slices, routes("r", {"route": [{"destination": destination}]}))

    assert end(request_path) == (AnswerKind.NONE, *expected)


@pytest.mark.parametrize(
    ("redirect", "url", "status", "location"),
    [
        ({"scheme": "https"}, f"http://{HOST}/a?b=c", 301, f"https://{HOST}/a?b=c"),
        ({"uri": "/new", "redirectCode": 308}, f"http://{HOST}/a", 308, f"http://{HOST}/new"),
        ({"authority": "b.example.com"}, f"http://{HOST}/a", 301, "http://b.example.com/a"),
        ({"scheme": "https", "port": 8443}, f"http://{HOST}/", 301, f"https://{HOST}:8443/"),
        ({"scheme": "https", "port": 443}, f"http://{HOST}/", 301, f"https://{HOST}/"),
        ({"derivePort": "FROM_REQUEST_PORT"}, f"http://{HOST}/", 301, f"http://{HOST}/"),
    ],
)
def test_a_redirect_rule_says_where_to(redirect, url, status, location):
    request_path = asked(WEB, routes("r", {"redirect": redirect}), url=url)

    assert (
        request_path.ending.kind,
        request_path.ending.status,
        request_path.ending.location,
    ) == (
        AnswerKind.REDIRECT,
        status,
        location,
    )


def test_a_server_redirects_its_whole_host_and_keeps_the_port_of_the_client():
    redirecting = gateway("web", "shop", server(80, "HTTP", HOST, tls={"httpsRedirect": True}))
    node_port = service(
        "node", "istio-system", {"port": 80, "nodePort": 30080}, spec={"type": "NodePort"}
    )

    request_path = asked(
        redirecting, routes("r", to("one")), node_port, url=f"http://{HOST}:30080/a"
    )

    assert request_path.ending.location == f"https://{HOST}:30080/a"


@pytest.mark.parametrize(
    ("trusted", "kind"),
    [(0, AnswerKind.REDIRECT), (1, AnswerKind.BACKEND), (None, AnswerKind.UNKNOWN)],
)
def test_a_redirect_believes_x_forwarded_proto_of_trusted_proxies_only(trusted, kind):
    config = f"defaultConfig: {{gatewayTopology: {{numTrustedProxies: {trusted or 0}}}}}"
    platform = [each for each in PLATFORM if each["kind"] != "ConfigMap"]
    if trusted is not None:
        data = {"mesh": config}
        platform.append(made("v1", "ConfigMap", "istio", "istio-system", data=data))
    redirecting = gateway("web", "shop", server(80, "HTTP", HOST, tls={"httpsRedirect": True}))
    mesh = mesh_of(*platform, *BACKENDS, redirecting, routes("r", to("one")))

    (request_path,) = request_paths(
        mesh, Request.of_url(f"http://{HOST}/", headers=[("x-forwarded-proto", "https")])
    )

    assert request_path.ending.kind is kind


def test_a_direct_response_needs_no_backend():
    request_path = asked(WEB, routes("r", {"directResponse": {"status": 418}}))

    assert (request_path.ending.kind, request_path.ending.status) == (
        AnswerKind.DIRECT_RESPONSE,
        418,
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://b.example.com/", ("filter-chain", "no gateway has a server for b.example.com")),
        (
            f"https://{HOST}:8443/",
            ("service", "no Service of the pods has port 8443, only 80, 443"),
        ),
        (
            f"https://{HOST}:80/",
            ("filter-chain", "port 80 speaks plain HTTP: the TLS handshake fails"),
        ),
        (
            f"http://{HOST}:443/",
            ("filter-chain", "port 443 speaks TLS: a plain request is refused"),
        ),
    ],
)
def test_a_request_stops_where_nobody_takes_it(url, expected):
    assert end(asked(WEB, routes("r", to("one")), url=url)) == (AnswerKind.NONE, *expected)


def test_an_address_has_no_sni_and_reaches_the_server_for_any_host_only():
    exact = asked(WEB, routes("r", to("one")), url="https://192.0.2.1/", headers=[("host", HOST)])
    catch_all = gateway("all", "shop", https("*"))
    anywhere = virtual_service("r", "shop", "*", gateways=["all"], http=[to("one")])
    found = asked(catch_all, anywhere, url="https://192.0.2.1/")

    assert end(exact)[:2] == (AnswerKind.NONE, "filter-chain")
    assert [hop.text for hop in found.hops if hop.hop == "filter-chain"] == [
        "Gateway shop/all server 443 (https-443-*), which takes any host:"
        " a client sends no SNI for an address"
    ]
    assert backends(found) == ["one"]


def test_every_gateway_that_serves_the_host_is_a_branch_of_its_own():
    other = {"istio": "internal"}
    internal = gateway("inner", "shop", https(HOST), selector=other)
    mesh = mesh_of(*PLATFORM, WEB, internal, pod("inner", labels=other), routes("r", to("one")))

    branches = request_paths(mesh, Request.of_url(f"https://{HOST}/"))

    assert [request_path.workload and request_path.workload.name for request_path in branches] == [
        "inner",
        "gateway",
    ]


def test_passthrough_goes_where_the_sni_is_routed():
    passing = gateway("web", "shop", server(443, "TLS", HOST, tls={"mode": "PASSTHROUGH"}))
    rule = {"match": [{"sniHosts": [HOST]}], **route("two")}

    taken = asked(passing, virtual_service("r", "shop", HOST, gateways=["web"], tls=[rule]))

    assert backends(taken) == ["two"]
    assert end(asked(passing))[1:] == (
        "listener",
        f"no tls rule leads on from Gateway shop/web server 443 (tls-443-{HOST}):"
        " istiod makes no filter chain",
    )


def api_route(name, *rules, hostnames=(HOST,), **fields):
    spec = {"parentRefs": [{"name": "api"}], "hostnames": hostnames, "rules": rules}
    return made(GATEWAY_API, "HTTPRoute", name, "shop", spec=spec, **fields)


def api_rule(name, **match):
    return {"matches": [match], "backendRefs": [{"name": name, "port": 8080}]}


def path(kind, value):
    return {"path": {"type": kind, "value": value}}


API = (
    made(
        GATEWAY_API,
        "Gateway",
        "api",
        "shop",
        spec={
            "gatewayClassName": "istio",
            "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}],
        },
    ),
    pod("api", "shop", labels={"gateway.networking.k8s.io/gateway-name": "api"}),
    service("api", "shop", 80, selector={"gateway.networking.k8s.io/gateway-name": "api"}),
)


@pytest.mark.parametrize(
    ("rules", "asked_for", "expected"),
    [
        ([path("PathPrefix", "/"), path("PathPrefix", "/a")], "/a/b", "two"),
        ([path("PathPrefix", "/a"), path("Exact", "/a")], "/a", "two"),
        ([path("PathPrefix", "/"), path("PathPrefix", "/a")], "/ab", "one"),
        ([path("RegularExpression", "/a.*"), path("PathPrefix", "/")], "/ab", "two"),
        ([{}, {"method": "GET"}], "/", "two"),
        ([{}, {"headers": [{"name": "X-Beta", "value": "1"}]}], "/", "two"),
        ([{}, {"queryParams": [{"name": "v", "value": "2"}]}], "/?v=2", "two"),
        ([{}, {"queryParams": [{"name": "v", "value": "2"}]}], "/?v=1", "one"),
    ],
)
def test_a_route_of_the_gateway_api_answers_by_precedence_not_by_order(rules, asked_for, expected):
    first, second = rules
    found = api_route("r", api_rule("one", **first), api_rule("two", **second))

    request_path = asked(*API, found, url=f"http://{HOST}{asked_for}", headers=[("x-beta", "1")])

    assert backends(request_path) == [expected]


def test_its_redirect_keeps_what_the_filter_does_not_name():
    redirect = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}

    request_path = asked(*API, api_route("r", {"filters": [redirect]}), url=f"http://{HOST}/a")

    assert (request_path.ending.status, request_path.ending.location) == (302, f"https://{HOST}/a")


def test_a_regular_expression_that_envoy_refuses_takes_every_route_of_the_port_with_it():
    request_path = asked(WEB, routes("r", to("one", uri={"regex": "(?=/)/.*"}), to("two")))

    kind, hop, text = end(request_path)
    assert (kind, hop, request_path.hops[-1].outcome) == (
        AnswerKind.NONE,
        "virtual-host",
        AnswerOutcome.REFUSED,
    )
    assert "invalid perl operator: (?=" in text


@pytest.mark.parametrize(
    "url", ["shop", "ftp://a.example/", "https://", "https://a b/", "https://a:0/", "http://[/"]
)
def test_what_is_no_url_is_refused(url):
    with pytest.raises(ValueError, match=r"URL|host"):
        Request.of_url(url)


@pytest.mark.parametrize(
    ("location", "kept"),
    [
        ("/login", {"authorization", "cookie", "x-canary"}),
        ("https://b.example.com/", {"x-canary"}),
        (f"http://{HOST}/", {"x-canary"}),
    ],
)
def test_a_client_takes_its_secrets_to_no_other_host_and_not_into_the_clear(
    location: str, kept: set[str]
):
    headers = [("Authorization", "x"), ("Cookie", "y"), ("X-Canary", "1"), ("Host", "z.example")]
    asked = Request.of_url(f"https://{HOST}/", headers=headers)

    found = asked.redirected(location, 302)

    assert {name for name, _ in found.headers} == kept
