"""The comparison finds every kind of disagreement, and nothing where there is none."""

from dataclasses import replace

import pytest

from tests.conformance.comparing import compared, different
from tests.conformance.product import asked
from tests.conformance.said import Said
from tests.conformance.truth import Json, Scenario

WEB = "outbound|80||web.app1.svc.cluster.local"
API = "outbound|80||api.app1.svc.cluster.local"
BACKEND: Json = {
    "kind": "backend",
    "status": None,
    "location": None,
    "clusters": [[WEB, 1], [API, 0]],
    "dead": {},
    "certificate": "istio-system/cert-a",
}
SAID = Said(kind="backend", clusters={WEB: "ok"}, certificate="istio-system/cert-a")
REDIRECT = BACKEND | {
    "kind": "redirect",
    "status": 301,
    "location": "https://a.example.com/",
    "clusters": [],
    "certificate": None,
}
REDIRECTED = Said(kind="redirect", status=301, location="https://a.example.com/")


def test_equal_answers_do_not_differ():
    found = [different(SAID, BACKEND), different(REDIRECTED, REDIRECT)]

    assert found == [None, None]


@pytest.mark.parametrize(
    ("product", "difference"),
    [
        (replace(SAID, kind="unknown", hop="route"), "unknown at route != backend"),
        (replace(SAID, kind="reset"), "reset != backend"),
        (replace(SAID, clusters={API: "ok"}), "which backends"),
        (replace(SAID, clusters={WEB: "ok", API: "ok"}), "which backends"),
        (replace(SAID, clusters={WEB: "unknown"}), "backend unknown != ok"),
        (replace(SAID, certificate="istio-system/cert-b"), "certificate"),
        (replace(SAID, certificate=None), "certificate"),
    ],
)
def test_an_answer_by_a_backend_differs_in_each_of_its_parts(product, difference):
    assert different(product, BACKEND) == difference


@pytest.mark.parametrize(
    ("product", "difference"),
    [
        (replace(REDIRECTED, status=302), "status of redirect"),
        (replace(REDIRECTED, location="http://a.example.com/"), "location of redirect"),
        (replace(REDIRECTED, certificate="ISTIO"), "certificate"),
    ],
)
def test_a_redirect_differs_in_each_of_its_parts(product, difference):
    assert different(product, REDIRECT) == difference


def test_a_cluster_without_endpoints_is_not_one_that_is_not_there():
    truth = BACKEND | {"kind": "no-endpoint", "dead": {WEB: "no-endpoint"}}
    product = replace(SAID, kind="no-endpoint", clusters={WEB: "no-cluster"})

    assert different(product, truth) == "backend no-cluster != no-endpoint"


def _traced_path(gateway: str, service: str, outcome: str) -> Json:
    namespace, _, name = gateway.partition("/")
    ref = {"kind": "Service", "namespace": namespace, "name": service}
    return {
        "follows": None,
        "gateway": {"namespace": namespace, "name": name},
        "hops": [{"hop": "service", "ref": ref, "state": "ok"}],
        "answer": {
            "outcome": outcome,
            "status": None,
            "location": None,
            "clusters": [],
            "certificate": None,
            "text": "",
        },
    }


def _difference(truth: str, *legs: Json, services: tuple[str, ...] = ("istio-system/in",)):
    entry = {
        "id": "00",
        "url": "http://a.example.com/",
        "method": "GET",
        "headers": {},
        "gateway": "istio-system/in",
        "services": list(services),
        "answer": REDIRECT | {"kind": truth, "status": None, "location": None},
    }
    scenario = Scenario(name="one", objects=[], requests=[entry])
    (found,) = compared(scenario, {asked(entry): {"legs": list(legs)}})
    return found.difference


def test_the_leg_through_the_same_gateway_and_service_is_compared():
    others = [
        _traced_path("edge/in", "in", "backend"),
        _traced_path("istio-system/in", "other", "backend"),
    ]

    assert (
        _difference("refused", *others, _traced_path("istio-system/in", "in", "refused")) is None
    )


def test_a_gateway_may_be_left_out_where_nothing_answers():
    other = _traced_path("edge/in", "in", "backend")

    assert (_difference("reset", other), _difference("denied", other)) == (
        None,
        "no way through this gateway != denied",
    )


def test_a_port_of_no_service_leads_nowhere():
    claimed = _traced_path("istio-system/in", "in", "refused")

    assert _difference("no-port", claimed, services=()) == "a port that no Service has"


def test_a_request_that_the_product_refuses_differs():
    entry = {"id": "00", "url": "http://a/", "method": "GET", "headers": {}}
    trace = {"error": {"message": "no"}, "legs": []}

    (found,) = compared(Scenario(name="one", objects=[], requests=[entry]), {asked(entry): trace})

    assert found.difference == "failed: no"
