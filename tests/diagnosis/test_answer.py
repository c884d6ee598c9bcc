"""What a client gets, in values: outcome, status, clusters and certificate of an answer."""

import pytest

from istiodoctor.diagnosis.answer import answer
from istiodoctor.trace_report import AnswerOutcome, ClusterState, RouteCluster, ServedCertificate
from tests.mesh.requests.test_requests import (
    API,
    HOST,
    WEB,
    api_route,
    api_rule,
    asked,
    routes,
    to,
)
from tests.support.objects import (
    gateway,
    made,
    route,
    server,
    service,
    virtual_service,
)

NETWORKING = "networking.istio.io/v1"
ONE = "outbound|8080||one.shop.svc.cluster.local"
CERTIFICATE = ServedCertificate(namespace="istio-system", name="cert")


def sent_to(*destinations):
    return routes("r", {"route": list(destinations)})


def to_host(host, **more):
    return {"destination": {"host": host, **more}}


IDLE = (
    service("idle", "shop", 8080, selector={"app": "idle"}),
    made(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        "idle",
        "shop",
        labels={"kubernetes.io/service-name": "idle"},
        endpoints=[],
    ),
)
PARTNER = made(
    NETWORKING,
    "ServiceEntry",
    "partner",
    "shop",
    spec={
        "hosts": ["partner.example.org"],
        "ports": [{"number": 443, "name": "tls", "protocol": "TLS"}],
        "resolution": "DNS",
    },
)
PASSING = gateway("web", "shop", server(443, "TLS", HOST, tls={"mode": "PASSTHROUGH"}))
OWN = gateway("web", "shop", server(443, "HTTPS", HOST, tls={"mode": "ISTIO_MUTUAL"}))
TCP = gateway("web", "shop", server(443, "TCP", "*"))


@pytest.mark.parametrize(
    ("objects", "request_", "expected"),
    [
        ([WEB, routes("r", to("one"))], {}, (AnswerOutcome.BACKEND, 0)),
        ([WEB, sent_to(to_host("gone"))], {}, (AnswerOutcome.NO_CLUSTER, 503)),
        ([WEB, sent_to(to_host("one", port={"number": 9}))], {}, (AnswerOutcome.NO_CLUSTER, 503)),
        ([WEB, sent_to(to_host("one", subset="v9"))], {}, (AnswerOutcome.NO_CLUSTER, 503)),
        ([WEB, *IDLE, sent_to(to_host("idle"))], {}, (AnswerOutcome.NO_ENDPOINT, 503)),
        (
            [WEB, routes("r", {"directResponse": {"status": 418}})],
            {},
            (AnswerOutcome.DIRECT, 418),
        ),
        ([WEB, routes("r", {"route": []})], {}, (AnswerOutcome.REFUSED, 0)),
        (
            [WEB, routes("r", {"redirect": {"authority": "b.example.com"}})],
            {},
            (AnswerOutcome.REDIRECT, 301),
        ),
        ([WEB], {}, (AnswerOutcome.NOT_FOUND, 404)),
        (
            [WEB, routes("r", to("one", uri={"exact": "/a"}))],
            {},
            (AnswerOutcome.NOT_FOUND, 404),
        ),
        ([WEB], {"url": "https://b.example.com/"}, (AnswerOutcome.RESET, 0)),
        ([WEB], {"url": "http://b.example.com/"}, (AnswerOutcome.NOT_FOUND, 0)),
        ([WEB], {"url": f"https://{HOST}:8443/"}, (AnswerOutcome.NO_PORT, 0)),
        ([WEB], {"url": f"https://{HOST}:80/"}, (AnswerOutcome.RESET, 0)),
        ([PASSING], {}, (AnswerOutcome.REFUSED, 0)),
        ([TCP], {"url": f"http://{HOST}:443/"}, (AnswerOutcome.REFUSED, 0)),
        (
            [WEB, routes("r", to("one", uri={"regex": "(?=/)/.*"}))],
            {},
            (AnswerOutcome.REFUSED, 0),
        ),
    ],
)
def test_an_answer_says_how_it_ends(objects, request_, expected):
    found = answer(asked(*objects, **request_))

    assert (found.outcome, found.status) == expected


@pytest.mark.parametrize(
    ("objects", "clusters"),
    [
        ([WEB, routes("r", to("one"))], [(ONE, 1, "ok")]),
        (
            [
                WEB,
                *IDLE,
                sent_to(
                    {**to_host("one"), "weight": 70},
                    {**to_host("gone", port={"number": 80}), "weight": 20},
                    {**to_host("idle"), "weight": 10},
                    {**to_host("two"), "weight": 0},
                ),
            ],
            [
                (ONE, 70, "ok"),
                ("outbound|80||gone.shop.svc.cluster.local", 20, "no-cluster"),
                ("outbound|8080||idle.shop.svc.cluster.local", 10, "no-endpoint"),
            ],
        ),
        (
            [WEB, sent_to(to_host("one", subset="v9"))],
            [("outbound|8080|v9|one.shop.svc.cluster.local", 1, "no-cluster")],
        ),
        (
            [WEB, sent_to(to_host("gone"))],
            [("outbound|443||gone.shop.svc.cluster.local", 1, "no-cluster")],
        ),
        (
            [WEB, PARTNER, sent_to(to_host("partner.example.org", port={"number": 443}))],
            [("outbound|443||partner.example.org", 1, "ok")],
        ),
        ([WEB, routes("r", {"directResponse": {"status": 418}})], []),
    ],
)
def test_an_answer_names_the_clusters_that_get_requests(objects, clusters):
    found = answer(asked(*objects)).clusters

    assert found == tuple(
        RouteCluster(name=name, weight=weight, state=ClusterState(state))
        for name, weight, state in clusters
    )


def test_a_backend_that_no_grant_permits_is_no_cluster_but_500():
    elsewhere = service("far", "other", 8080, selector={"app": "far"})
    rule = api_rule("far")
    rule["backendRefs"][0]["namespace"] = "other"

    found = answer(asked(*API, elsewhere, api_route("r", rule), url=f"http://{HOST}/"))

    invalid = RouteCluster(name="UnknownService", state=ClusterState.NO_CLUSTER)
    assert (found.outcome, found.status) == (AnswerOutcome.NO_CLUSTER, 500)
    assert found.clusters == (invalid,)


@pytest.mark.parametrize(
    ("objects", "url", "certificate"),
    [
        ([WEB, routes("r", to("one"))], f"https://{HOST}/", CERTIFICATE),
        ([WEB], f"https://{HOST}/", CERTIFICATE),
        ([WEB, routes("r", to("one"))], f"http://{HOST}/", None),
        ([OWN], f"https://{HOST}/", ServedCertificate(namespace="istio-system")),
        (
            [
                PASSING,
                virtual_service(
                    "r",
                    "shop",
                    HOST,
                    gateways=["web"],
                    tls=[{"match": [{"sniHosts": [HOST]}], **route("one")}],
                ),
            ],
            f"https://{HOST}/",
            None,
        ),
        (
            [
                gateway(
                    "web",
                    "shop",
                    server(443, "HTTPS", HOST, tls={"mode": "SIMPLE", "credentialName": "gone"}),
                )
            ],
            f"https://{HOST}/",
            None,
        ),
    ],
)
def test_an_answer_names_the_certificate_that_is_shown(objects, url, certificate):
    assert answer(asked(*objects, url=url)).certificate == certificate
