"""What istiod's conditions refuse, where no other check knows why."""

from istiodoctor.finding import Confidence, Finding, Severity
from istiodoctor.registry import discover
from tests.support.objects import (
    GATEWAY_API,
    Manifest,
    api_gateway,
    api_route,
    istiod,
    listener,
    made,
    mesh_of,
    pod,
)

CHECK = discover().by_code()["GWAPI017"]
POD = pod("web-istio", "edge", labels={"gateway.networking.k8s.io/gateway-name": "web"})
CONTROLLER = "istio.io/gateway-controller"
HTTPS = {"tls": {"certificateRefs": [{"name": "cert"}]}}


def said(kind: str, status: str, reason: str, generation: int = 0) -> Manifest:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "so it is",
        "observedGeneration": generation,
    }


def web(*conditions: Manifest, **status: object) -> Manifest:
    made = api_gateway("web", "edge", listener("a", 443, "HTTPS", hostname="x.test", **HTTPS))
    listeners = [{"name": "a", "conditions": list(conditions)}]
    return made | {"status": {"listeners": listeners, **status}}


def shop(*conditions: Manifest, controller: str = CONTROLLER) -> Manifest:
    made = api_route("HTTPRoute", "shop", "edge", {"backendRefs": []}, hostnames=["x.test"])
    parent = {
        "parentRef": {"name": "web", "namespace": "edge"},
        "controllerName": controller,
        "conditions": list(conditions),
    }
    return made | {"status": {"parents": [parent]}}


def found(*objects: Manifest) -> list[Finding]:
    return list(CHECK.judge(mesh_of(istiod("1.31.0"), POD, *objects)))


def told(*objects: Manifest) -> list[tuple[str, str, Severity, frozenset[str]]]:
    return [
        (each.message, str(each.objects[0]), each.severity or CHECK.severity, each.hosts)
        for each in found(*objects)
    ]


def test_a_listener_that_istiod_refuses_is_told_once():
    refused = web(
        said("Programmed", "False", "Invalid"), said("Accepted", "False", "UnsupportedProtocol")
    )

    assert told(refused) == [
        (
            "istiod says Accepted=False (UnsupportedProtocol) of Gateway API Gateway edge/web"
            " listener 443 (a): so it is. Nothing listens there for x.test.",
            "Gateway API Gateway edge/web spec.listeners[0]",
            Severity.CRITICAL,
            frozenset({"x.test"}),
        )
    ]


def test_a_conflict_is_said_by_true_and_quiet_by_false():
    assert [each[2] for each in told(web(said("Conflicted", "True", "HostnameConflict")))] == [
        Severity.MEDIUM
    ]
    assert told(web(said("Conflicted", "False", "NoConflicts"))) == []


def test_a_route_that_istiod_does_not_accept_is_told_with_its_parent():
    refused = shop(said("Accepted", "False", "NoMatchingParent"))

    assert told(web(), refused) == [
        (
            "istiod says Accepted=False (NoMatchingParent) of HTTPRoute edge/shop for Gateway API"
            " Gateway edge/web: so it is. It answers nothing there for x.test.",
            "HTTPRoute edge/shop spec.parentRefs[0]",
            Severity.CRITICAL,
            frozenset({"x.test"}),
        )
    ]


def test_references_that_istiod_does_not_resolve_break_a_part():
    assert [each[2] for each in told(web(), shop(said("ResolvedRefs", "False", "Gone")))] == [
        Severity.HIGH
    ]


def test_what_another_controller_says_does_not_count():
    other = shop(said("Accepted", "False", "Unsupported"), controller="example.com/other")

    assert told(web(), other) == []


def test_what_is_said_of_an_older_spec_does_not_count():
    old = web(said("Accepted", "False", "Invalid", generation=1))
    old["metadata"]["generation"] = 2

    assert told(old) == []


def test_a_gateway_whose_present_spec_nobody_judged_may_be_served_as_before():
    behind = web(conditions=[said("Accepted", "True", "Accepted", generation=1)])
    behind["metadata"]["generation"] = 2

    (finding,) = found(behind)

    assert finding.message == (
        "No istiod has judged the present spec of Gateway API Gateway edge/web: its status is of"
        " generation 1, the spec of 2. What was changed since may not be in force for x.test."
    )
    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, Confidence.SUSPECTED)


def test_a_gateway_that_nobody_took_names_the_revisions_that_run():
    waiting = web(conditions=[said("Accepted", "Unknown", "Pending")])

    (finding,) = found(waiting)

    assert finding.message == (
        "No istiod has taken Gateway API Gateway edge/web: Accepted is Unknown: so it is. Nothing"
        " listens there for x.test."
    )
    assert finding.evidence[-1].text == "istiod has the revision default"


def test_a_listener_set_that_is_refused_is_told():
    extra = {
        "apiVersion": "gateway.networking.x-k8s.io/v1alpha1",
        "kind": "XListenerSet",
        "metadata": {"name": "extra", "namespace": "edge"},
        "spec": {"parentRef": {"name": "web"}, "listeners": [listener("b", hostname="y.test")]},
        "status": {"conditions": [said("Accepted", "False", "NotAllowed")]},
    }

    assert told(web(), extra) == [
        (
            "istiod says Accepted=False (NotAllowed) of XListenerSet edge/extra: so it is. Nothing"
            " listens there for y.test.",
            "XListenerSet edge/extra",
            Severity.CRITICAL,
            frozenset({"y.test"}),
        )
    ]


def test_what_nobody_has_judged_is_a_doubt():
    accepted = said("Accepted", "True", "Accepted")
    pending = said("Programmed", "Unknown", "Pending")
    unjudged = said("Accepted", "Unknown", "Pending")

    cases = (web(pending), web(accepted, conditions=[accepted, pending]))
    every = [*map(found, cases), found(web(accepted), shop(unjudged))]

    assert [[(each.severity, each.confidence) for each in one] for one in every] == [
        [(Severity.MEDIUM, Confidence.SUSPECTED)]
    ] * 3


def test_a_route_whose_status_is_of_an_older_spec_is_a_doubt():
    old = shop(said("Accepted", "True", "Accepted", 1))
    later = {**old, "metadata": {**old["metadata"], "generation": 2}}

    (finding,) = found(web(), later)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, Confidence.SUSPECTED)
    assert "generation 1" in finding.message


def test_a_policy_that_istiod_refuses_is_told():
    target = {"group": "", "kind": "Service", "name": "shop"}
    conditions = [said("Accepted", "False", "NoValidCACertificate")]
    policy = made(
        GATEWAY_API,
        "BackendTLSPolicy",
        "shop",
        "edge",
        spec={"targetRefs": [target], "validation": {"hostname": "shop.test"}},
        status={"ancestors": [{"controllerName": CONTROLLER, "conditions": conditions}]},
    )

    (finding,) = found(web(), policy)

    assert (str(finding.objects[0]), finding.severity) == (
        "BackendTLSPolicy edge/shop",
        Severity.HIGH,
    )
