"""What Envoys and the wire say of findings that follow from objects."""

from typing import Any

import pytest

from istiodoctor.diagnosis import Judgement, diagnose
from istiodoctor.diagnosis.runs import run_checks
from istiodoctor.mesh import Mesh
from istiodoctor.problem import Problem
from istiodoctor.registry import discover
from istiodoctor.testing.examples import Example

CHECKS = discover().by_code()

POD = """
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: istio-system, labels: {istio: ingressgateway}}
spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
---
"""
GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {mode: SIMPLE, credentialName: shop-cert}
---
"""
SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: shop-cert, namespace: istio-system}
stringData:
  tls.crt: "%s"
  tls.key: key of shop.example.com
---
"""
UNBOUND = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: orders}
spec:
  hosts: [shop.example.com]
  gateways: [web]
  http: [{route: [{destination: {host: shop.orders.svc.cluster.local}}]}]
---
"""
VALID = "certificate for shop.example.com"
EXPIRED = "certificate for shop.example.com; expired"


def handshake(chain: str = "", *, pod: str = "gateway", **more: str) -> str:
    shown = f'chain: "{chain}"' if chain else "outcome: reset"
    return (
        f"- {{pod: istio-system/{pod}, port: 443, server: shop/web/0, sni: shop.example.com,"
        f" {shown}}}\n"
    )


def envoy(certificate: str = "") -> str:
    held = f'certificate: "{certificate}"' if certificate else "warming: true"
    return (
        f'secrets: [{{name: "kubernetes://shop-cert", {held}, updated: "2026-01-01T08:00:00Z"}}]'
    )


def problems(
    *codes: str, objects: str, tls: str = "", http: str = "", envoys: tuple[Any, ...] = ()
) -> dict[str, Problem]:
    """Judge a cluster by a few checks, and return the problems by code."""
    wire = tuple(each for each in (("tls", tls), ("http", http)) if each[1])
    checks = tuple(CHECKS[code] for code in codes)
    snapshot = Example(
        check=checks[0], verdict="bad", text=objects, envoys=envoys, wire=wire
    ).snapshot()
    mesh = Mesh(snapshot)
    runs = run_checks(checks, mesh, snapshot)
    report = diagnose(Judgement(snapshot=snapshot, mesh=mesh, runs=runs, tool_version="1"))
    return {each.cause.code: each for each in report.problems}


def told(problem: Problem) -> tuple[str, str, str | None]:
    return problem.cause.own_severity, problem.cause.confidence, problem.cause.corroboration


MISSING = POD % "gateway" + GATEWAY


def test_where_nobody_looked_a_finding_stays_as_certain_as_the_objects_make_it():
    found = problems("CRED002", objects=MISSING)

    assert told(found["CRED002"]) == ("critical", "certain", None)


def test_a_refused_handshake_makes_a_missing_secret_observed():
    found = problems("CRED002", objects=MISSING, tls=handshake())

    assert told(found["CRED002"]) == ("critical", "observed", "confirmed")
    assert found["CRED002"].cause.evidence[0].text == (
        "Pod istio-system/gateway port 443, SNI shop.example.com: the connection was closed"
        " without a word"
    )


def test_an_envoy_that_waits_makes_a_missing_secret_observed():
    found = problems("CRED002", objects=MISSING, envoys=(("istio-system/gateway", envoy()),))

    assert told(found["CRED002"]) == ("critical", "observed", "confirmed")


def test_nothing_is_down_now_that_every_pod_still_serves():
    found = problems("CRED002", objects=MISSING, tls=handshake(VALID))

    assert told(found["CRED002"]) == ("high", "certain", "contradicted")
    assert "Seen otherwise so far: Pod istio-system/gateway" in found["CRED002"].cause.message


def test_what_envoy_holds_contradicts_as_the_wire_does():
    found = problems("CRED002", objects=MISSING, envoys=(("istio-system/gateway", envoy(VALID)),))

    assert told(found["CRED002"]) == ("high", "certain", "contradicted")


def test_one_pod_that_serves_says_nothing_of_another_that_nobody_asked():
    objects = POD % "gateway" + POD % "other" + GATEWAY

    found = problems("CRED002", objects=objects, tls=handshake(VALID))

    assert told(found["CRED002"]) == ("critical", "certain", None)


def test_one_pod_that_refuses_confirms_whatever_the_other_serves():
    objects = POD % "gateway" + POD % "other" + GATEWAY

    found = problems("CRED002", objects=objects, tls=handshake(VALID) + handshake(pod="other"))

    assert told(found["CRED002"]) == ("critical", "observed", "confirmed")


def test_an_expired_certificate_that_is_served_is_observed():
    objects = MISSING + SECRET % EXPIRED

    found = problems("CERT001", objects=objects, tls=handshake(EXPIRED))

    assert told(found["CERT001"]) == ("critical", "observed", "confirmed")


def test_an_expired_certificate_that_no_pod_serves_is_no_outage_yet():
    objects = MISSING + SECRET % EXPIRED

    found = problems("CERT001", objects=objects, tls=handshake(VALID))

    assert told(found["CERT001"]) == ("high", "certain", "contradicted")


def request(**step: Any) -> str:
    fields = ", ".join(f"{name}: {value}" for name, value in step.items())
    return (
        "- host: shop.example.com\n  server: shop/web/0\n  steps:\n"
        f'  - {{url: "https://shop.example.com/", {fields}}}\n'
    )


def test_a_route_bound_nowhere_is_observed_in_the_404_of_the_gateway():
    found = problems("VS001", objects=MISSING + UNBOUND, http=request(status=404))

    assert told(found["VS001"]) == ("critical", "observed", "confirmed")


def test_a_host_that_an_application_answers_for_is_not_without_routes():
    found = problems(
        "VS001", objects=MISSING + UNBOUND, http=request(status=200, from_upstream="true")
    )

    assert told(found["VS001"]) == ("medium", "suspected", "contradicted")


def test_a_404_of_the_application_says_nothing_against_its_host():
    found = problems(
        "VS001", objects=MISSING + UNBOUND, http=request(status=404, from_upstream="true")
    )

    assert told(found["VS001"]) == ("medium", "suspected", "contradicted")


UNSERVED = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: www, namespace: shop}
spec:
  hosts: [www.example.com]
  gateways: [web]
  http: [{route: [{destination: {host: shop.shop.svc.cluster.local}}]}]
---
"""


def asked_for_www(answer: str) -> str:
    return f"- {{pod: istio-system/gateway, port: 443, sni: www.example.com, {answer}}}\n"


@pytest.mark.parametrize(
    ("answer", "told_"),
    [
        ("outcome: reset", ("observed", "confirmed")),
        ('chain: "certificate for www.example.com"', ("suspected", "contradicted")),
    ],
)
def test_a_name_without_a_server_is_refused_or_else_served_by_somebody(
    answer: str, told_: tuple[str, str]
):
    objects = MISSING + SECRET % VALID + UNSERVED

    found = problems("VS003", objects=objects, tls=asked_for_www(answer))

    assert told(found["VS003"])[1:] == told_
