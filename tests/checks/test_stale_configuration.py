"""Envoys that hold another configuration than the objects: what the examples cannot show."""

from datetime import timedelta
from typing import Any

from istiodoctor.finding import Confidence, Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.registry import discover
from tests.mesh.configuration.test_in_force import (
    OTHER,
    PLAIN,
    SECURE,
    TWO,
    envoy,
    mesh_of,
    plain,
    secure,
    table,
)
from tests.support.envoy_dumps import part, state_of
from tests.support.objects import gateway, server

CHECK = discover().by_code()["SDS016"]


def found(mesh: Mesh) -> list[Finding]:
    return list(CHECK.judge(mesh))


def told(*readings: Any, **objects: Any) -> list[Finding]:
    return found(mesh_of(*readings, **objects))


def test_what_is_missing_and_what_nothing_asks_for_is_one_suspicion_of_a_gateway():
    (finding,) = told(*envoy(tables=(table(PLAIN, domain="b.test"), table(SECURE))))

    assert finding.message == (
        "Envoy in Pod istio-system/gateway differs from the objects: the domain a.test in"
        " http.8080 is missing, the domain b.test in http.8080 is there and nothing asks for it."
        " No refusal was seen."
    )
    assert (finding.severity or CHECK.severity, finding.confidence) == (
        Severity.MEDIUM,
        Confidence.SUSPECTED,
    )
    assert finding.hosts == {"a.test", "b.test"}
    assert [(each.kind.value, each.text) for each in finding.evidence] == [
        (
            "envoy",
            "Envoy in Pod istio-system/gateway: domain a.test in http.8080: expected there,"
            " held nothing",
        ),
        (
            "envoy",
            "Envoy in Pod istio-system/gateway: domain b.test in http.8080: expected nothing,"
            " held there",
        ),
    ]
    assert [command[:3] for command in finding.fixes[0].commands] == [
        ("istioctl", "proxy-status"),
        ("istioctl", "proxy-config", "routes"),
    ]


def test_a_listener_that_envoy_refuses_is_seen():
    refused = {"failed_configuration": secure(), "details": "no such cipher"}
    dump = part(
        "ListenersConfigDump",
        dynamic_listeners=[
            {"name": "0.0.0.0_8080", "active_state": {"listener": plain()}},
            {"name": "0.0.0.0_8443", "error_state": refused},
        ],
    )

    (finding,) = told(state_of(dump), envoy()[1])

    assert finding.message == (
        "Envoy in Pod istio-system/gateway differs from the objects: the listener of port 8443 is"
        " missing. Envoy refused a newer version: no such cipher."
    )
    assert (finding.confidence, finding.hosts) == (
        Confidence.OBSERVED,
        frozenset({"a.test"}),
    )
    assert [str(each) for each in finding.objects][1] == "Gateway shop/main spec.servers[1]"


def test_one_pod_of_two_is_counted():
    (finding,) = told(*envoy(), *envoy(ref=OTHER, listeners=(plain(),)), pods=TWO)

    assert finding.message.startswith("Envoy in 1 of 2 pods of ")


def test_what_may_be_on_its_way_is_low():
    young = gateway("new", "shop", server(9000, "HTTP", "new.test"))
    young["metadata"]["creationTimestamp"] = "2026-03-01T11:59:00Z"

    (finding,) = told(*envoy(clusters=()), extra=(young,))

    assert (finding.severity, finding.is_settling) == (Severity.LOW, True)
    assert finding.message.endswith("It may be on its way: the Gateway or the pod is new.")


def test_a_healthy_gateway_and_an_old_dump_are_accused_of_nothing():
    mesh = mesh_of(*envoy(listeners=()))

    assert told(*envoy()) == []
    assert found(mesh) != []
    assert found(Mesh(mesh.snapshot.at(mesh.taken_at + timedelta(minutes=3)))) == []
