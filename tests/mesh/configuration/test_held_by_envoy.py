"""What an Envoy holds, in the words of what istiod would send."""

from typing import Any

import pytest
from msgspec.structs import replace

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.cluster import ClusterState
from istiodoctor.mesh.configuration.held_by_envoy import (
    held_cluster_named,
    held_clusters,
    held_listeners,
    held_route_configuration,
    holds,
)
from istiodoctor.mesh.configuration.listener import (
    ClientCertificate,
    DownstreamTls,
    FilterChain,
    HttpOptions,
    Listener,
)
from istiodoctor.mesh.configuration.route import (
    ClusterWeight,
    Comparison,
    Cors,
    DirectResponse,
    Fault,
    Forward,
    HeaderMatcher,
    PathComparison,
    QueryParameterMatcher,
    Redirect,
    RegexRewrite,
    Route,
    RouteMatch,
    StringMatcher,
)
from istiodoctor.mesh.gateways.credential_references import Form
from istiodoctor.model.envoy_configuration import Section
from istiodoctor.model.kind import CORE, GATEWAY_API, ISTIO_NETWORKING
from istiodoctor.model.ref import Place, Ref
from istiodoctor.model.snapshot import Snapshot
from tests.support.envoy_dumps import (
    HTTP,
    NOW,
    POD,
    Json,
    certificate,
    clusters_part,
    configuration_of,
    endpoints_part,
    http_chain,
    listener,
    listeners_part,
    noted,
    part,
    routes,
    routes_part,
    state_of,
    tcp_chain,
    virtual_host,
)

WEB = "outbound|80||web.shop.svc.cluster.local"
API = "outbound|80||api.shop.svc.cluster.local"
SHOP = Ref(ISTIO_NETWORKING, "VirtualService", "shop", "web")


def mesh_of(*parts: Json) -> Mesh:
    readings = [state_of(*parts), configuration_of(*parts)]
    return Mesh(Snapshot(taken_at=NOW, source="test", readings=readings))


def listeners(*written: Json) -> tuple[Listener, ...]:
    found = held_listeners(mesh_of(listeners_part(*written)), POD)
    assert found is not None
    return found


def chain(written: Json) -> FilterChain:
    ((only,),) = (each.filter_chains for each in listeners(listener(8443, written)))
    return only


def route(**fields: Any) -> Route:
    written = {"match": {"prefix": "/"}, **fields}
    mesh = mesh_of(routes_part(routes("http.8080", virtual_host("a.test", written))))
    found = held_route_configuration(mesh, POD, "http.8080")
    assert found is not None
    return found.virtual_hosts[0].routes[0]


def match(**fields: Any) -> RouteMatch:
    return route(match=fields, route={"cluster": WEB}).match


def test_a_filter_chain_says_what_it_takes_and_how_it_ends_tls():
    tls = {
        "require_client_certificate": True,
        "common_tls_context": {
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificate_sds_secret_configs": [{"name": "kubernetes://shop/cert"}],
            "combined_validation_context": {
                "validation_context_sds_secret_config": {"name": "kubernetes://shop/cert-cacert"}
            },
        },
    }

    found = chain(http_chain("https.443", "a.test", "*.b.test", tls=tls))

    assert found.server_names == ("a.test", "*.b.test")
    assert found.http is not None
    assert found.http.route_configuration == "https.443"
    assert found.tls is not None
    (credential,) = found.tls.credentials
    assert (credential.form, credential.namespace, credential.name) == (
        Form.KUBERNETES,
        "shop",
        "cert",
    )
    assert found.tls == DownstreamTls(
        credentials=(credential,),
        client_certificate=ClientCertificate.REQUIRED,
        minimum_version="TLSV1_2",
        protocols=("h2", "http/1.1"),
    )
    assert (found.unknown_because, found.http.unknown_because) == ("", "")


@pytest.mark.parametrize(
    ("names", "is_workload", "forms"),
    [
        (["default"], True, []),
        (["kubernetes-gateway://shop/cert"], False, [Form.KUBERNETES_GATEWAY]),
        (["kubernetes://one", "kubernetes://two"], False, [Form.KUBERNETES, Form.KUBERNETES]),
        (["file-cert:/etc/tls.crt~/etc/tls.key"], False, []),
        (["sds://elsewhere", "", "://", "kubernetes://"], False, []),
    ],
)
def test_credentials_are_what_sds_is_asked_for(
    names: list[str], is_workload: bool, forms: list[Form]
):
    found = chain(http_chain("https.443", tls=certificate(*names))).tls

    assert found is not None
    assert (found.is_workload_certificate, [each.form for each in found.credentials]) == (
        is_workload,
        forms,
    )
    assert found.client_certificate is ClientCertificate.NONE


def test_cas_without_a_duty_make_a_client_certificate_optional():
    tls = {"common_tls_context": {"validation_context_sds_secret_config": {"name": "ROOTCA"}}}

    found = chain(http_chain("https.443", tls=tls)).tls

    assert found is not None
    assert found.client_certificate is ClientCertificate.OPTIONAL


def test_http_options_are_those_of_the_connection_manager():
    found = chain(
        http_chain(
            "http.80",
            use_remote_address=True,
            xff_num_trusted_hops=2,
            normalize_path=True,
            merge_slashes=True,
            path_with_escaped_slashes_action="UNESCAPE_AND_FORWARD",
            http_protocol_options={"accept_http_10": True},
            upgrade_configs=[
                {"upgrade_type": "websocket"},
                {"upgrade_type": "CONNECT", "enabled": False},
            ],
        )
    )

    assert found.http is not None
    assert found.http.options == HttpOptions(
        merges_slashes=True,
        unescapes_slashes=True,
        accepts_http10=True,
        trusted_hops=2,
        upgrades=("websocket",),
    )


@pytest.mark.parametrize(
    ("slashes", "underscores", "changed"),
    [
        ("KEEP_UNCHANGED", "ALLOW", {}),
        ("UNESCAPE_AND_REDIRECT", "DROP_HEADER",
         {"redirects_escaped_slashes": True, "drops_underscores": True}),
        ("REJECT_REQUEST", "REJECT_REQUEST",
         {"rejects_escaped_slashes": True, "rejects_underscores": True}),
    ],
)  # fmt: skip
def test_what_becomes_of_odd_paths_and_headers_is_read(
    slashes: str, underscores: str, changed: dict[str, Any]
):
    found = chain(
        http_chain(
            "http.80",
            use_remote_address=True,
            normalize_path=True,
            path_with_escaped_slashes_action=slashes,
            common_http_protocol_options={"headers_with_underscores_action": underscores},
        )
    )

    assert found.http is not None
    assert found.http.options == replace(HttpOptions(upgrades=()), **changed)


def test_a_proxy_that_believes_everybody_leaves_its_scheme_unknown():
    found = chain(http_chain("http.80"))

    assert found.http is not None
    assert found.http.options.trusted_hops is None


def test_bytes_that_are_passed_on_go_to_clusters():
    assert chain(tcp_chain(WEB, "a.test")).clusters == (ClusterWeight(name=WEB),)
    assert chain(tcp_chain(WEB, "a.test")).passes_tls
    assert not chain(tcp_chain(WEB)).passes_tls


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (
            {"filter_chain_match": {"destination_port": 443}, **tcp_chain(WEB)},
            "Envoy's filter chain asks for destination_port",
        ),
        (
            {"filters": [{"name": "echo", "typed_config": {"cluster": 1}}]},
            "Envoy's filter chain ends in echo; Envoy's filter chain has the filter echo, which"
            " is not modelled",
        ),
        ({"filters": []}, "Envoy's filter chain ends in nothing"),
    ],
)
def test_what_is_not_modelled_of_a_chain_is_said(written: Json, words: str):
    assert chain(written).unknown_because == words


def test_a_http_filter_that_is_not_modelled_is_said():
    filters = [
        {"name": "envoy.filters.http.cors"},
        {"name": "my.lua"},
        {"name": "off", "disabled": True},
        {"name": "envoy.filters.http.router"},
    ]

    found = chain(http_chain("http.80", http_filters=filters)).http

    assert found is not None
    assert found.unknown_because == "Envoy has the HTTP filter my.lua, which is not modelled"


def test_a_refused_listener_without_an_older_version_takes_nothing():
    sent = listener(8443, http_chain("https.443"))
    error = {"failed_configuration": sent, "details": "no such filter"}
    whole = part(
        "ListenersConfigDump",
        dynamic_listeners=[{"name": "0.0.0.0_8443", "error_state": error}],
    )

    ((found),) = held_listeners(mesh_of(whole), POD) or ()

    assert (found.port, found.filter_chains, found.error) == (8443, (), "no such filter")
    assert found.refused is not None
    assert found.refused.text == "no such filter"


def test_a_refused_listener_goes_on_with_its_older_version():
    sent = listener(8443, http_chain("https.443"))
    error = {"failed_configuration": listener(8443), "details": "no such filter"}
    dynamic = {"name": "0.0.0.0_8443", "active_state": {"listener": sent}, "error_state": error}
    whole = part("ListenersConfigDump", dynamic_listeners=[dynamic])

    ((found),) = held_listeners(mesh_of(whole), POD) or ()

    assert (len(found.filter_chains), found.refused, found.error) == (1, None, "no such filter")


def test_listeners_that_were_not_read_are_not_said_to_be_none():
    other = Ref(CORE, "Pod", "istio-system", "other")

    assert held_listeners(mesh_of(listeners_part()), POD) == ()
    assert held_listeners(mesh_of(listeners_part()), other) is None
    assert held_listeners(mesh_of(routes_part()), POD) is None


@pytest.mark.parametrize(
    ("written", "comparison", "path"),
    [
        ({"prefix": "/api"}, PathComparison.PREFIX, "/api"),
        ({"path": "/api"}, PathComparison.EXACT, "/api"),
        ({"path_separated_prefix": "/api"}, PathComparison.SEPARATED_PREFIX, "/api"),
        ({"safe_regex": {"regex": "/a.*"}}, PathComparison.REGEX, "/a.*"),
        ({"safe_regex": {"google_re2": {}, "regex": "/a"}}, PathComparison.REGEX, "/a"),
        ({}, PathComparison.PREFIX, ""),
    ],
)
def test_paths_are_compared_as_envoy_does(written: Json, comparison: PathComparison, path: str):
    found = match(**written)

    assert (found.comparison, found.path, found.case_sensitive) == (comparison, path, True)


EXACT = StringMatcher(comparison=Comparison.EXACT, value="x")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"string_match": {"exact": "x"}}, HeaderMatcher(name="a", matcher=EXACT)),
        ({"exact_match": "x"}, HeaderMatcher(name="a", matcher=EXACT)),
        (
            {"safe_regex_match": {"regex": "x"}},
            HeaderMatcher(name="a", matcher=StringMatcher(comparison=Comparison.REGEX, value="x")),
        ),
        (
            {"string_match": {"prefix": "", "ignore_case": True}},
            HeaderMatcher(
                name="a",
                matcher=StringMatcher(comparison=Comparison.PREFIX, value="", ignore_case=True),
            ),
        ),
        ({"present_match": True}, HeaderMatcher(name="a")),
        ({"present_match": False}, HeaderMatcher(name="a", invert=True)),
        ({"present_match": False, "invert_match": True}, HeaderMatcher(name="a")),
        (
            {
                "string_match": {"exact": "x"},
                "invert_match": True,
                "treat_missing_header_as_empty": True,
            },
            HeaderMatcher(name="a", matcher=EXACT, invert=True, treats_missing_as_empty=True),
        ),
    ],
)
def test_headers_are_compared_as_envoy_does(written: Json, expected: HeaderMatcher):
    assert match(prefix="/", headers=[{"name": "a", **written}]).headers == (expected,)


def test_parameters_and_claims_are_conditions_too():
    claims = {
        "filter": "istio_authn",
        "path": [{"key": "request.auth.claims"}, {"key": "group"}, {"key": "id"}],
        "value": {"list_match": {}},
    }

    found = match(
        prefix="/",
        query_parameters=[
            {"name": "q", "string_match": {"exact": "x"}},
            {"name": "v", "present_match": True},
        ],
        dynamic_metadata=[claims],
    )

    assert found.query_parameters == (
        QueryParameterMatcher(name="q", matcher=EXACT),
        QueryParameterMatcher(name="v"),
    )
    assert found.metadata == ("@request.auth.claims.group.id",)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"direct_response": {"status": 418}}, DirectResponse(status=418)),
        ({"redirect": {}}, Redirect()),
        (
            {
                "redirect": {
                    "https_redirect": True,
                    "host_redirect": "b.test",
                    "port_redirect": 8443,
                    "path_redirect": "/new",
                    "response_code": "PERMANENT_REDIRECT",
                    "strip_query": True,
                }
            },
            Redirect(
                scheme="https",
                host="b.test",
                port=8443,
                path="/new",
                status=308,
                strips_query=True,
            ),
        ),
        (
            {
                "route": {
                    "cluster": WEB,
                    "cluster_not_found_response_code": "INTERNAL_SERVER_ERROR",
                    "regex_rewrite": {"pattern": {"regex": "/a"}, "substitution": "/b"},
                    "host_rewrite_literal": "rw.test",
                    "request_mirror_policies": [{"cluster": API}],
                }
            },
            Forward(
                clusters=(ClusterWeight(name=WEB),),
                missing_cluster_status=500,
                regex_rewrite=RegexRewrite(pattern="/a", substitution="/b"),
                host_rewrite="rw.test",
                mirrors=(ClusterWeight(name=API),),
            ),
        ),
        (
            {
                "route": {
                    "weighted_clusters": {
                        "clusters": [
                            {"name": WEB, "weight": 90},
                            {"name": API, "weight": 10},
                            {"name": "none", "weight": 0},
                        ]
                    }
                }
            },
            Forward(
                clusters=(
                    ClusterWeight(name=WEB, weight=90),
                    ClusterWeight(name=API, weight=10),
                )
            ),
        ),
        ({}, None),
    ],
)
def test_what_a_route_does_is_what_envoy_has(written: Json, expected: object):
    assert route(**written).action == expected


def test_settings_of_filters_are_those_of_the_route_or_its_host():
    half = {"numerator": 5000, "denominator": "TEN_THOUSAND"}
    fault = {
        "abort": {"http_status": 503, "percentage": half},
        "delay": {"percentage": {"numerator": 10}},
    }
    cors = {"allow_origin_string_match": [{"exact": "x"}]}
    settings = {"envoy.filters.http.fault": fault}
    own = {"match": {"prefix": "/"}, "typed_per_filter_config": settings}
    host = virtual_host("a.test", own, typed_per_filter_config={"envoy.filters.http.cors": cors})

    found = held_route_configuration(mesh_of(routes_part(routes("r", host))), POD, "r")

    assert found is not None
    ((only,),) = (each.routes for each in found.virtual_hosts)
    assert only.fault == Fault(abort_status=503, abort_percentage=50.0, delay_percentage=10.0)
    assert only.cors == Cors(allow_origins=(EXACT,))


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"match": {"connect_matcher": {}}}, "it asks for a CONNECT matcher"),
        ({"match": {"prefix": "/", "grpc": {}}}, "it asks for a condition on gRPC"),
        (
            {"match": {"prefix": "/", "runtime_fraction": {"default_value": {"numerator": 1}}}},
            "it asks for a share of requests",
        ),
        (
            {"match": {"prefix": "/", "headers": [{"name": "n", "range_match": {"end": "5"}}]}},
            "it asks for a condition on the header n",
        ),
        (
            {"match": {"prefix": "/", "headers": [{"name": "Cookie", "exact_match": "x"}]}},
            "it asks for a value of the header Cookie, which is not kept",
        ),
        ({"route": {"cluster_header": "x"}}, "its cluster follows from the request"),
        ({"route": None, "non_forwarding_action": {}}, "what it does is not modelled"),
        (
            {"typed_per_filter_config": {"envoy.filters.http.lua": {"disabled": True}}},
            "it has settings of its own for Lua",
        ),
    ],
)
def test_what_is_not_modelled_of_a_route_is_said(written: Json, words: str):
    assert route(**{"route": {"cluster": WEB}, **written}).unknown_because == words


def test_hosts_that_are_not_modelled_are_said():
    host = virtual_host("a.test", matcher={"matcher_tree": {}})
    mesh = mesh_of(routes_part(routes("r", host, vhds={"config_source": {}})))

    found = held_route_configuration(mesh, POD, "r")

    assert found is not None
    assert found.unknown_because == "it asks for virtual hosts one by one"
    assert found.virtual_hosts[0].unknown_because.startswith("its routes are in a matcher")


def test_a_host_that_wants_tls_says_so_and_domains_are_lower_case():
    host = virtual_host("A.Test", require_tls="ALL")
    mesh = mesh_of(routes_part(routes("r", host, ignore_port_in_host_matching=True)))

    found = held_route_configuration(mesh, POD, "r")

    assert found is not None
    assert (found.virtual_hosts[0].domains, found.virtual_hosts[0].require_tls) == (
        ("a.test",),
        True,
    )
    assert found.ignores_port


@pytest.mark.parametrize(
    ("name", "metadata", "expected"),
    [
        ("", noted("virtual-service", "shop", "web"), Place(SHOP)),
        (
            "shop.web.v1.2",
            noted("virtual-service", "shop", "x~gw~istio-autogenerated-k8s-gateway~http~a.test"),
            Place(Ref(GATEWAY_API, "HTTPRoute", "shop", "web.v1"), "/spec/rules/2"),
        ),
        (
            "named",
            noted("virtual-service", "shop", "x~gw~istio-autogenerated-k8s-gateway~http~a.test"),
            Place(POD),
        ),
        (
            "",
            noted("virtual-service", "shop", "a-b-istio-autogenerated-k8s-ingress"),
            Place(POD),
        ),
        ("", noted("lie", "shop", "x"), Place(POD)),
        ("", {"filter_metadata": {"istio": {"config": "///"}}}, Place(POD)),
        ("", {}, Place(POD)),
    ],
)
def test_what_a_route_was_made_from_is_what_istiod_notes(
    name: str, metadata: Json, expected: Place
):
    found = route(name=name, metadata=metadata, route={"cluster": WEB})

    assert (found.made_by, found.owner) == (expected, expected.ref)


CLUSTER = {
    "name": WEB,
    "type": "EDS",
    "metadata": {
        "filter_metadata": {
            "istio": {
                "config": "/apis/networking.istio.io/v1/namespaces/shop/destination-rule/web",
                "services": [
                    {"host": "web.shop.svc.cluster.local", "name": "web", "namespace": "shop"}
                ],
            }
        }
    },
}


@pytest.mark.parametrize(
    ("cluster", "health", "state", "endpoints"),
    [
        (CLUSTER, ["HEALTHY", "UNHEALTHY"], ClusterState.OK, 1),
        (CLUSTER, ["UNHEALTHY"], ClusterState.NO_ENDPOINT, 0),
        (CLUSTER, [], ClusterState.NO_ENDPOINT, 0),
        (CLUSTER, None, ClusterState.UNKNOWN, None),
        ({"name": WEB, "type": "STRICT_DNS"}, [], ClusterState.NO_ENDPOINT, 0),
        ({"name": WEB, "type": "ORIGINAL_DST"}, [], ClusterState.OK, None),
        ({"name": WEB, "cluster_type": {"name": "x"}}, [], ClusterState.OK, None),
    ],
)
def test_a_cluster_reaches_what_envoy_has_for_it(
    cluster: Json, health: list[str] | None, state: ClusterState, endpoints: int | None
):
    assigned = [] if health is None else [endpoints_part(**{WEB: health})]

    found = held_cluster_named(mesh_of(clusters_part(cluster), *assigned), POD, WEB)

    assert found is not None
    assert (found.state, found.endpoints) == (state, endpoints)
    assert bool(found.reason) == (state is not ClusterState.OK)


def test_a_cluster_says_what_it_was_made_for():
    found = (held_clusters(mesh_of(clusters_part(CLUSTER)), POD) or {})[WEB]

    assert found.service == Ref(CORE, "Service", "shop", "web")
    assert found.made_by == Ref(ISTIO_NETWORKING, "DestinationRule", "shop", "web")


def test_a_cluster_that_is_not_there_is_told_from_clusters_that_were_not_read():
    absent = held_cluster_named(mesh_of(clusters_part()), POD, WEB)

    assert absent is not None
    assert absent.state is ClusterState.NO_CLUSTER
    assert held_cluster_named(mesh_of(routes_part()), POD, WEB) is None
    assert held_clusters(mesh_of(routes_part()), POD) is None
    assert holds(mesh_of(routes_part()), POD, Section.ROUTES)
    assert not holds(mesh_of(routes_part()), POD, Section.CLUSTERS)


def test_routes_that_stand_in_a_listener_are_found_by_name():
    manager = {"@type": HTTP, "route_config": routes("own", virtual_host("a.test"))}
    inline = {"filters": [{"name": "http", "typed_config": manager}]}
    mesh = mesh_of(listeners_part(listener(80, inline)))

    ((only,),) = (each.filter_chains for each in held_listeners(mesh, POD) or ())
    found = held_route_configuration(mesh, POD, "own")

    assert only.http is not None
    assert only.http.route_configuration == "own"
    assert found is not None
    assert found.virtual_hosts[0].domains == ("a.test",)
