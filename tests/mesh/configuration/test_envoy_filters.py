"""What EnvoyFilters and extensions change of a gateway's configuration, and what they do not."""

from typing import Any

import pytest
from msgspec.structs import replace

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.cluster_patches import cluster_patches, patch_text
from istiodoctor.mesh.configuration.envoy_filter_patches import applied_patches
from istiodoctor.mesh.configuration.envoy_filters import (
    patched_options,
    touched_chain,
    touched_http,
    touched_listener,
)
from istiodoctor.mesh.configuration.envoy_filters_of_routes import (
    touched_domain,
    touched_route,
    touched_routes,
    touched_virtual_host,
)
from istiodoctor.mesh.configuration.extensions import run_on_connections, run_on_requests
from istiodoctor.mesh.configuration.listener import (
    FilterChain,
    HttpConnectionManager,
    HttpOptions,
)
from istiodoctor.mesh.configuration.route import (
    Action,
    DirectResponse,
    Forward,
    PathComparison,
    Redirect,
    Route,
    RouteMatch,
    VirtualHost,
)
from istiodoctor.mesh.workloads.workloads import Workload, workloads
from istiodoctor.model.kind import ISTIO_NETWORKING
from istiodoctor.model.ref import Place, Ref
from tests.support.objects import (
    INGRESS,
    Manifest,
    gateway,
    made,
    mesh_of,
    pod,
    server,
    service,
)

ALPHA = "networking.istio.io/v1alpha3"
HCM = "envoy.filters.network.http_connection_manager"
HTTP_TYPE = "type.googleapis.com/envoy.extensions.filters.http"
WEB = "outbound|80|v1|web.shop.svc.cluster.local"
OWNER = Ref(ISTIO_NETWORKING, "VirtualService", "shop", "web")
NAME = "EnvoyFilter istio-system/x"


def patch(apply_to: str, operation: str, value: Any = None, **match: Any) -> Manifest:
    """Return a patch; `listener`, `routeConfiguration`, `cluster` and `context` match."""
    return {
        "applyTo": apply_to,
        "match": match,
        "patch": {"operation": operation, "value": value or {}},
    }


def envoy_filter(*patches: Any, namespace: str = "istio-system", **spec: Any) -> Manifest:
    spec["configPatches"] = list(patches)
    return made(ALPHA, "EnvoyFilter", "x", namespace, spec=spec)


def seen(*objects: Manifest, proxy: Manifest | None = None) -> tuple[Mesh, Workload]:
    mesh = mesh_of(proxy or pod(), *objects)
    return mesh, workloads(mesh)[0]


def chain(*names: str, http: bool = True) -> FilterChain:
    manager = HttpConnectionManager(route_configuration="https.443.web.main.shop")
    return FilterChain(server_names=names, http=manager if http else None)


def http_filter(value: Any, operation: str = "INSERT_FIRST", **listener: Any) -> Manifest:
    return patch("HTTP_FILTER", operation, value, listener=listener)


def typed(kind: str, **fields: Any) -> Manifest:
    return {"name": "f", "typed_config": {"@type": f"{HTTP_TYPE}.{kind}", **fields}}


LUA = typed("lua.v3.Lua", inlineCode="function envoy_on_request(h) h:respond({}) end")


def http_touched(*patches: Any, port: int = 8443) -> str:
    return touched_http(*seen(envoy_filter(*patches)), port, chain("a.test"))


def test_a_filter_of_requests_changes_what_a_port_answers():
    words = f"{NAME} changes the HTTP filters of port 8443"

    assert http_touched(http_filter(LUA)) == words
    assert http_touched(http_filter(LUA, portNumber=8443)) == words
    assert http_touched(http_filter(LUA, portNumber=8080)) == ""


@pytest.mark.parametrize(
    "value",
    [
        typed("compressor.v3.Compressor"),
        typed("lua.v3.Lua", inlineCode="function envoy_on_response(h) h:headers():add('a') end"),
        typed(
            "lua.v3.Lua",
            default_source_code={"inline_string": "function envoy_on_response(h) end"},
        ),
        typed("header_mutation.v3.HeaderMutation", mutations={"response_mutations": [{}]}),
        typed("header_mutation.v3.HeaderMutation", mutations={"responseMutations": [{}]}),
        {
            "name": "stats",
            "typed_config": {
                "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
                "type_url": "type.googleapis.com/stats.PluginConfig",
            },
        },
    ],
)
def test_a_filter_that_only_looks_at_answers_changes_none(value: Manifest):
    assert http_touched(http_filter(value)) == ""


@pytest.mark.parametrize(
    "value",
    [
        typed("lua.v3.Lua", inlineCode="function envoy_on_response(h) h:respond() end"),
        typed("lua.v3.Lua", inlineCode="function envoy_on_request(h) h:headers():add('a') end"),
        typed("lua.v3.Lua", default_source_code={"filename": "/etc/x.lua"}),
        typed(
            "lua.v3.Lua",
            inlineCode="function envoy_on_response(h) h:headers():replace(':status', '200') end",
        ),
        typed(
            "lua.v3.Lua",
            inlineCode="function envoy_on_response(h) end",
            source_codes={"other.lua": {}},
        ),
        typed("header_mutation.v3.HeaderMutation", mutations={"request_mutations": [{}]}),
        typed(
            "header_mutation.v3.HeaderMutation",
            mutations={"response_mutations": [{"append": {"header": {"key": "Location"}}}]},
        ),
        typed("ext_authz.v3.ExtAuthz"),
        typed("local_ratelimit.v3.LocalRateLimit"),
        {"name": "f"},
        {"name": "f", "config_discovery": {}},
        None,
        [1],
        "text",
    ],
)
def test_any_other_filter_may_change_an_answer(value: Any):
    assert http_touched(http_filter(value)) == f"{NAME} changes the HTTP filters of port 8443"


def test_what_is_done_to_a_filter_needs_its_name():
    sub = {"filterChain": {"filter": {"name": HCM, "subFilter": {"name": "envoy.ext_authz"}}}}
    quiet = {"filterChain": {"filter": {"name": HCM, "subFilter": {"name": "istio.stats"}}}}

    assert http_touched(http_filter(None, "REMOVE")) == ""
    assert http_touched(http_filter(LUA, "REPLACE")) == ""
    assert http_touched(http_filter(None, "REMOVE", **sub)) != ""
    assert http_touched(http_filter(None, "REMOVE", **quiet)) == ""


def test_only_chains_that_fit_are_changed():
    patched = http_filter(LUA, filterChain={"sni": "a.test"})
    mesh, workload = seen(envoy_filter(patched))

    assert touched_http(mesh, workload, 8443, chain("a.test", "b.test")) != ""
    assert touched_http(mesh, workload, 8443, chain("b.test")) == ""
    assert touched_http(mesh, workload, 8443, chain()) == ""
    assert touched_http(mesh, workload, 8443, chain("a.test", http=False)) == ""


@pytest.mark.parametrize(
    "match",
    [
        {"name": "mine"},
        {"transportProtocol": "tls"},
        {"destinationPort": 443},
        {"applicationProtocols": "h2"},
        {"filter": {"name": "envoy.filters.network.tcp_proxy"}},
    ],
)
def test_what_gateways_chains_never_have_matches_none(match: Manifest):
    assert http_touched(http_filter(LUA, filterChain=match)) == ""


@pytest.mark.parametrize(
    ("context", "is_applied"),
    [("GATEWAY", True), ("ANY", True), ("SIDECAR_INBOUND", False), ("SIDECAR_OUTBOUND", False)],
)
def test_only_patches_for_gateways_count(context: str, is_applied: bool):
    patched = {**http_filter(LUA), "match": {"context": context}}

    assert bool(http_touched(patched)) is is_applied


@pytest.mark.parametrize(
    ("namespace", "spec", "is_applied"),
    [
        ("istio-system", {}, True),
        ("shop", {}, False),
        ("istio-system", {"workloadSelector": {"labels": INGRESS}}, True),
        ("istio-system", {"workloadSelector": {"labels": {"istio": "other"}}}, False),
        ("istio-system", {"workloadSelector": {"labels": "odd"}}, True),
        (
            "istio-system",
            {
                "targetRefs": [
                    {"kind": "Gateway", "group": "gateway.networking.k8s.io", "name": "gateway"}
                ]
            },
            False,
        ),
    ],
)
def test_only_filters_for_these_pods_count(namespace: str, spec: Manifest, is_applied: bool):
    written = envoy_filter(http_filter(LUA), namespace=namespace, **spec)

    assert bool(applied_patches(*seen(written))) is is_applied


@pytest.mark.parametrize(
    ("namespace", "target", "is_applied"),
    [
        ("shop", {"name": "main"}, True),
        ("shop", {"name": "main", "namespace": "shop"}, True),
        ("shop", {"name": "main", "namespace": "other"}, False),
        ("shop", {"name": "other"}, False),
        ("shop", {"name": "main", "kind": "Service"}, False),
        ("istio-system", {"name": "main"}, False),
    ],
)
def test_a_target_is_a_gateway_of_its_own_namespace(
    namespace: str, target: Manifest, is_applied: bool
):
    reference = {"kind": "Gateway", "group": "gateway.networking.k8s.io", **target}
    written = envoy_filter(http_filter(LUA), namespace=namespace, targetRefs=[reference])
    proxy = pod(namespace="shop", labels={"gateway.networking.k8s.io/gateway-name": "main"})

    assert bool(applied_patches(*seen(written, proxy=proxy))) is is_applied


@pytest.mark.parametrize(
    ("pattern", "is_applied"),
    [
        (r"^1\.24.*", True),
        (r"^1\.23.*", False),
        ("24", True),
        ("(", True),
        ("x" * 2000, False),
        ("(a|a)*b", False),
    ],
)
def test_a_version_of_the_proxy_is_looked_for(pattern: str, is_applied: bool):
    patched = {**http_filter(LUA), "match": {"proxy": {"proxyVersion": pattern}}}

    assert bool(http_touched(patched)) is is_applied


def test_a_proxy_whose_version_is_not_known_may_get_it():
    patched = {**http_filter(LUA), "match": {"proxy": {"proxyVersion": "^1.23"}}}
    mesh, workload = seen(envoy_filter(patched), proxy=pod(image="istio/proxyv2:latest"))

    assert touched_http(mesh, workload, 8443, chain()) != ""


def manager(operation: str = "MERGE", **fields: Any) -> Manifest:
    value = {"name": HCM, "typed_config": {"@type": "x.HttpConnectionManager", **fields}}
    match = {"filterChain": {"filter": {"name": HCM}}}
    return patch("NETWORK_FILTER", operation, value, listener=match)


def test_whom_envoy_trusts_follows_the_patch():
    mesh, workload = seen(envoy_filter(manager(use_remote_address=True, xffNumTrustedHops=2)))
    one = chain("a.test")

    assert patched_options(mesh, workload, 8443, one).trusted_hops == 2
    assert touched_http(mesh, workload, 8443, one) == ""
    assert touched_chain(mesh, workload, 8443, one) == ""


@pytest.mark.parametrize("fields", [{"use_remote_address": False}, {"xff_num_trusted_hops": "²"}])
def test_whom_envoy_trusts_is_unknown_where_the_patch_leaves_it_open(fields: Manifest):
    mesh, workload = seen(envoy_filter(manager(**fields)))

    assert patched_options(mesh, workload, 8443, chain()).trusted_hops is None


@pytest.mark.parametrize(
    ("fields", "changed"),
    [
        ({"normalizePath": False}, {"normalizes_path": False}),
        ({"merge_slashes": True}, {"merges_slashes": True}),
        (
            {"path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT"},
            {"redirects_escaped_slashes": True},
        ),
        (
            {"pathWithEscapedSlashesAction": "REJECT_REQUEST"},
            {"rejects_escaped_slashes": True},
        ),
        (
            {
                "common_http_protocol_options": {
                    "idle_timeout": "5s",
                    "headers_with_underscores_action": "REJECT_REQUEST",
                }
            },
            {"rejects_underscores": True},
        ),
        (
            {"commonHttpProtocolOptions": {"headersWithUnderscoresAction": "DROP_HEADER"}},
            {"drops_underscores": True},
        ),
    ],
)
def test_what_becomes_of_paths_and_headers_follows_the_patch(fields: Manifest, changed: Any):
    mesh, workload = seen(envoy_filter(manager(**fields)))
    one = chain("a.test")

    assert patched_options(mesh, workload, 8443, one) == replace(HttpOptions(), **changed)
    assert touched_http(mesh, workload, 8443, one) == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"normalize_path": "odd"},
        {"path_with_escaped_slashes_action": 4},
        {"path_with_escaped_slashes_action": ["REJECT_REQUEST"]},
        {"common_http_protocol_options": {"headers_with_underscores_action": "NEW"}},
        {"common_http_protocol_options": {"max_headers_count": 3}},
    ],
)
def test_a_setting_that_is_not_understood_changes_something(fields: Manifest):
    mesh, workload = seen(envoy_filter(manager(**fields)))

    assert patched_options(mesh, workload, 8443, chain()) == HttpOptions()
    assert touched_http(mesh, workload, 8443, chain()) != ""


def test_settings_of_http_that_decide_something_are_said():
    assert http_touched(manager(serverName="x", access_log=[])) == ""
    assert http_touched(manager(http_protocol_options={"accept_http_10": True})) == (
        f"{NAME} changes the HTTP settings of port 8443"
    )


@pytest.mark.parametrize(
    ("patched", "words"),
    [
        (patch("LISTENER", "REMOVE"), "changes the listener of port 8443"),
        (patch("LISTENER", "MERGE", {"per_connection_buffer_limit_bytes": 1}), ""),
        (patch("LISTENER", "MERGE", {"filter_chains": []}), "changes the listener of port 8443"),
        (
            patch("LISTENER", "REMOVE", listener={"name": "0.0.0.0_8443"}),
            "changes the listener of port 8443",
        ),
        (patch("LISTENER", "REMOVE", listener={"name": "0.0.0.0_80"}), ""),
        (patch("LISTENER", "ADD", {"address": {"socket_address": {"port_value": 80}}}), ""),
        (
            patch("LISTENER", "ADD", {"address": {"socketAddress": {"portValue": 8443}}}),
            "adds a listener on port 8443",
        ),
        (patch("LISTENER", "INSERT_FIRST", {"address": {}}), "adds a listener on port 8443"),
        (patch("FILTER_CHAIN", "ADD", {"filters": []}), "adds a filter chain to port 8443"),
        (patch("FILTER_CHAIN", "REMOVE"), ""),
        (
            patch("LISTENER_FILTER", "INSERT_FIRST", {"name": "x"}),
            "changes the listener filters of port 8443",
        ),
        (patch("LISTENER_FILTER", "REMOVE"), ""),
        (
            patch("LISTENER_FILTER", "REMOVE", listener={"listenerFilter": "tls_inspector"}),
            "changes the listener filters of port 8443",
        ),
        (
            patch(
                "LISTENER_FILTER",
                "INSERT_FIRST",
                {
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.listener"
                        ".proxy_protocol.v3.ProxyProtocol"
                    }
                },
            ),
            "",
        ),
    ],
)
def test_listeners_are_changed_by_these(patched: Manifest, words: str):
    expected = f"{NAME} {words}" if words else ""

    assert touched_listener(*seen(envoy_filter(patched)), 8443) == expected


@pytest.mark.parametrize(
    ("patched", "words"),
    [
        (patch("FILTER_CHAIN", "REMOVE"), "changes a filter chain of port 8443"),
        (
            patch("FILTER_CHAIN", "MERGE", {"transport_socket": {"name": "tls"}}),
            "changes a filter chain of port 8443",
        ),
        (patch("FILTER_CHAIN", "MERGE", {"transportSocketConnectTimeout": "5s"}), ""),
        (
            patch("NETWORK_FILTER", "INSERT_FIRST", {"name": "x"}),
            "changes the network filters of port 8443",
        ),
        (patch("NETWORK_FILTER", "REMOVE"), ""),
        (manager("REMOVE"), "changes the network filters of port 8443"),
        (
            patch(
                "NETWORK_FILTER",
                "INSERT_BEFORE",
                {"name": "x"},
                listener={"filterChain": {"filter": {"name": "envoy.filters.network.tcp_proxy"}}},
            ),
            "",
        ),
    ],
)
def test_filter_chains_are_changed_by_these(patched: Manifest, words: str):
    expected = f"{NAME} {words}" if words else ""

    assert touched_chain(*seen(envoy_filter(patched)), 8443, chain("a.test")) == expected


def route(action: Action | None = None, path: str = "/api", name: str = "") -> Route:
    match = RouteMatch(comparison=PathComparison.PREFIX, path=path)
    action = action or Forward(clusters=())
    return Route(name=name, match=match, action=action, made_by=Place(OWNER), owner=OWNER)


def host(*routes: Route) -> VirtualHost:
    return VirtualHost(name="a.test:80", domains=("a.test",), routes=routes or (route(),))


PLAIN = "http.8080"
MAIN = "https.8443.web.main.shop"


@pytest.mark.parametrize(
    ("match", "names"),
    [
        (None, {PLAIN, MAIN}),
        ({"name": PLAIN}, {PLAIN}),
        ({"portName": "web"}, {MAIN}),
        ({"gateway": "shop/main"}, {MAIN}),
        ({"gateway": "main"}, set()),
        ({"portNumber": 443}, {MAIN}),
        ({"portNumber": "80"}, {PLAIN}),
        ({"portNumber": 8443}, set()),
    ],
)
def test_route_configurations_are_matched_by_their_names(match: Any, names: set[str]):
    merge = patch("ROUTE_CONFIGURATION", "MERGE", {"vhds": {}}, routeConfiguration=match)
    ports = [
        {"name": "http", "port": 80, "targetPort": 8080},
        {"name": "https", "port": 443, "targetPort": 8443},
    ]
    mesh, workload = seen(
        envoy_filter(merge),
        service("ingress", "istio-system", *ports),
        gateway(
            "main",
            "shop",
            server(80, "HTTP", "a.test"),
            server(443, "HTTPS", "a.test", tls={"mode": "SIMPLE", "credentialName": "c"}),
        ),
    )

    found = {name for name in (PLAIN, MAIN) if touched_routes(mesh, workload, name)}

    assert found == names


@pytest.mark.parametrize("operation", ["ADD", "REMOVE", "INSERT_FIRST"])
def test_route_configurations_can_only_be_merged_into(operation: str):
    mesh, workload = seen(envoy_filter(patch("ROUTE_CONFIGURATION", operation, {"vhds": {}})))

    assert touched_routes(mesh, workload, PLAIN) == ""


@pytest.mark.parametrize("apply_to", ["ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE"])
@pytest.mark.parametrize(
    ("value", "is_harmless"),
    [
        ({"request_headers_to_add": [{"header": {"key": "a"}}]}, True),
        ({"responseHeadersToRemove": ["server"]}, True),
        ({"response_headers_to_add": [{"header": {"key": "Location"}}]}, False),
        ({"typed_per_filter_config": {}}, False),
        ({"request_headers_to_add": [], "odd": 1}, False),
        ("odd", True),
    ],
)
def test_headers_that_are_added_or_removed_change_no_answer(
    apply_to: str, value: Any, is_harmless: bool
):
    mesh, workload = seen(envoy_filter(patch(apply_to, "MERGE", value)))
    words = (
        touched_routes(mesh, workload, PLAIN)
        or touched_virtual_host(mesh, workload, PLAIN, host())
        or touched_route(mesh, workload, PLAIN, host(), route())
    )

    assert (words == "") is is_harmless


def test_a_virtual_host_that_is_added_takes_its_domains_alone():
    added = patch("VIRTUAL_HOST", "ADD", {"name": "x", "domains": ["*.Extra.test"]})
    mesh, workload = seen(envoy_filter(added))

    assert touched_domain(mesh, workload, PLAIN, "A.extra.test") == (
        f"{NAME} adds a virtual host to http.8080"
    )
    assert touched_domain(mesh, workload, PLAIN, "a.test") == ""
    assert touched_virtual_host(mesh, workload, PLAIN, host()) == ""


@pytest.mark.parametrize("value", [{}, {"domains": "a"}, {"domains": [1]}])
def test_a_virtual_host_of_which_nothing_is_clear_may_take_any_host(value: Manifest):
    mesh, workload = seen(envoy_filter(patch("VIRTUAL_HOST", "ADD", value)))

    assert touched_domain(mesh, workload, PLAIN, "a.test") != ""


@pytest.mark.parametrize(
    ("vhost", "is_for"),
    [
        ({}, True),
        ({"name": "a.test:80"}, True),
        ({"name": "b.test:80"}, False),
        ({"domainName": "a.test"}, True),
        ({"domainName": "b.test"}, False),
    ],
)
@pytest.mark.parametrize("operation", ["REMOVE", "REPLACE", "MERGE"])
def test_virtual_hosts_are_matched_by_name_or_domain(
    vhost: Manifest, is_for: bool, operation: str
):
    patched = patch("VIRTUAL_HOST", operation, {"routes": []}, routeConfiguration={"vhost": vhost})
    mesh, workload = seen(envoy_filter(patched))

    words = touched_virtual_host(mesh, workload, PLAIN, host())

    assert words == (f"{NAME} changes the virtual host a.test:80" if is_for else "")


ADDED = {"match": {"prefix": "/x"}, "direct_response": {"status": 418}}


def test_a_route_behind_one_that_takes_everything_changes_nothing():
    mesh, workload = seen(envoy_filter(patch("HTTP_ROUTE", "ADD", ADDED)))

    assert touched_virtual_host(mesh, workload, PLAIN, host(route(), route(path="/"))) == ""
    assert touched_virtual_host(mesh, workload, PLAIN, host(route())) == (
        f"{NAME} adds a route to the virtual host a.test:80"
    )


@pytest.mark.parametrize("operation", ["INSERT_FIRST", "INSERT_BEFORE"])
def test_a_route_before_the_others_may_take_any_request(operation: str):
    mesh, workload = seen(envoy_filter(patch("HTTP_ROUTE", operation, ADDED)))

    assert touched_virtual_host(mesh, workload, PLAIN, host(route(path="/"))) != ""


@pytest.mark.parametrize(
    ("asked", "action", "is_for"),
    [
        ({"name": "one"}, None, True),
        ({"name": "two"}, None, False),
        ({"action": "ROUTE"}, None, True),
        ({"action": "REDIRECT"}, None, False),
        ({"action": "REDIRECT"}, Redirect(), True),
        ({"action": "DIRECT_RESPONSE"}, DirectResponse(status=200), True),
        ({"action": "ANY"}, Redirect(), True),
    ],
)
def test_routes_are_matched_by_name_and_action(
    asked: Manifest, action: Action | None, is_for: bool
):
    patched = patch(
        "HTTP_ROUTE",
        "MERGE",
        {"route": {"cluster": "other"}},
        routeConfiguration={"vhost": {"route": asked}},
    )
    mesh, workload = seen(envoy_filter(patched))
    one = route(action, name="one")

    words = touched_route(mesh, workload, PLAIN, host(one), one)

    assert words == (f"{NAME} changes a route of the virtual host a.test:80" if is_for else "")


def test_timeouts_of_a_route_change_no_answer_and_its_cluster_does():
    def words(**action: Any) -> str:
        mesh, workload = seen(envoy_filter(patch("HTTP_ROUTE", "MERGE", {"route": action})))
        return touched_route(mesh, workload, PLAIN, host(), route())

    assert words(timeout="5s", retryPolicy={}) == ""
    assert words(timeout="5s", cluster="other") != ""


def test_a_route_that_is_removed_is_said_to_be():
    mesh, workload = seen(envoy_filter(patch("HTTP_ROUTE", "REMOVE")))

    assert touched_route(mesh, workload, PLAIN, host(), route()) == (
        f"{NAME} removes a route of the virtual host a.test:80"
    )


def words_of(mesh: Mesh, workload: Workload, name: str, *, exists: bool = True) -> list[str]:
    found = (patch_text(e, name, exists=exists) for e in cluster_patches(mesh, workload))
    return list(filter(None, found))


@pytest.mark.parametrize(
    ("match", "is_for"),
    [
        (None, True),
        ({"name": WEB}, True),
        ({"name": "other"}, False),
        ({"service": "web.shop.svc.cluster.local", "subset": "v1", "portNumber": 80}, True),
        ({"service": "api.shop.svc.cluster.local"}, False),
        ({"subset": "v2"}, False),
        ({"portNumber": 81}, False),
    ],
)
def test_clusters_are_matched_by_the_parts_of_their_names(match: Any, is_for: bool):
    mesh, workload = seen(
        envoy_filter(patch("CLUSTER", "MERGE", {"transport_socket": {}}, cluster=match))
    )

    assert words_of(mesh, workload, WEB) == (
        [f"{NAME} changes the cluster {WEB}"] if is_for else []
    )
    assert words_of(mesh, workload, WEB, exists=False) == []


def test_limits_of_a_cluster_change_no_answer():
    mesh, workload = seen(envoy_filter(patch("CLUSTER", "MERGE", {"connectTimeout": "1s"})))

    assert words_of(mesh, workload, WEB) == []


@pytest.mark.parametrize(
    "odd",
    [
        "text",
        None,
        7,
        [],
        {"applyTo": 3},
        {"applyTo": "LISTENER", "match": "x"},
        {"applyTo": "HTTP_FILTER", "match": {"listener": {"portNumber": "²"}}},
    ],
)
def test_a_patch_that_is_none_makes_every_port_unknown(odd: Any):
    words = touched_listener(*seen(envoy_filter(odd)), 8443)

    assert words == f"{NAME} spec.configPatches[0] cannot be read"


@pytest.mark.parametrize("odd", [{}, {"applyTo": "NEW", "patch": {"operation": "ADD"}}])
def test_a_patch_without_anything_to_do_changes_nothing(odd: Manifest):
    mesh, workload = seen(envoy_filter(odd))

    assert touched_listener(mesh, workload, 8443) == ""
    assert touched_chain(mesh, workload, 8443, chain()) == ""
    assert touched_http(mesh, workload, 8443, chain()) == ""


EXTENSIONS = "extensions.istio.io/v1alpha1"


@pytest.mark.parametrize(
    ("kind", "spec", "ports"),
    [
        ("WasmPlugin", {}, {8080, 8443}),
        ("WasmPlugin", {"match": [{"ports": [{"number": 8443}]}]}, {8443}),
        ("WasmPlugin", {"match": [{"mode": "SERVER"}]}, set()),
        ("WasmPlugin", {"match": [{"mode": "CLIENT"}]}, {8080, 8443}),
        ("WasmPlugin", {"type": "NETWORK"}, set()),
        ("WasmPlugin", {"selector": {"matchLabels": {"istio": "other"}}}, set()),
        ("TrafficExtension", {"lua": {"inlineCode": "x"}}, {8080, 8443}),
        ("TrafficExtension", {"wasm": {"type": "NETWORK"}}, set()),
    ],
)
def test_code_of_users_makes_the_answers_of_its_ports_unknown(
    kind: str, spec: Manifest, ports: set[int]
):
    mesh, workload = seen(made(EXTENSIONS, kind, "x", "istio-system", spec=spec))

    found = {port for port in (8080, 8443) if run_on_requests(mesh, workload, port)}

    assert found == ports


def test_code_that_sees_bytes_is_for_connections():
    plugin = made(EXTENSIONS, "WasmPlugin", "x", "istio-system", spec={"type": "NETWORK"})

    assert run_on_connections(*seen(plugin), 443) == "WasmPlugin istio-system/x runs on port 443"
