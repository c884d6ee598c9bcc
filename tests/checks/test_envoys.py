"""What checks make of Envoys, beyond their examples."""

from datetime import timedelta

import pytest

from istiodoctor.finding import Confidence, Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.targets.wanted import wanted
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Reading, Unread
from istiodoctor.registry import discover
from istiodoctor.testing.clusters import cluster
from istiodoctor.testing.envoys import envoy_state
from istiodoctor.testing.words import NOW, pem
from tests.support.clusters import ISSUER

CHECKS = {check.code: check for check in discover().checks}
PODS = """
apiVersion: v1
kind: Pod
metadata:
  name: gateway-a
  namespace: istio-system
  labels: {istio: ingressgateway, pod-template-hash: 5d9}
  ownerReferences: [{kind: ReplicaSet, name: gateway-5d9, controller: true}]
spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
---
apiVersion: v1
kind: Pod
metadata:
  name: gateway-b
  namespace: istio-system
  labels: {istio: ingressgateway, pod-template-hash: 5d9}
  ownerReferences: [{kind: ReplicaSet, name: gateway-5d9, controller: true}]
spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {mode: SIMPLE, credentialName: shop-cert}
"""
SECRET = """
---
apiVersion: v1
kind: Secret
metadata: {name: shop-cert, namespace: istio-system}
stringData:
  tls.crt: certificate for shop.example.com; renewed
  tls.key: key of shop.example.com
"""
OLD = """
- name: kubernetes://shop-cert
  certificate: certificate for shop.example.com
  updated: "2026-01-01T08:00:00Z"
"""
NEW = OLD.replace("example.com\n", "example.com; renewed\n")
EXPIRED = OLD.replace("example.com\n", "example.com; expired\n")
WAITING = '- {name: "kubernetes://shop-cert", updated: "2026-03-01T08:00:00Z"}'
REFUSED = '- {name: 0.0.0.0_443, port: 443, open: %s, refused: "no", at: "2026-03-01T11:00:00Z"}'


def reading(**pods: str) -> Reading:
    """Return the Envoys of pods: their secrets, or listeners where they name a port."""
    return Reading(
        envoys=tuple(
            envoy_state(
                f"istio-system/gateway-{name}",
                f"{'listeners' if 'port:' in text else 'secrets'}:\n{text}",
                taken_at=NOW,
                pem=pem,
            )
            for name, text in pods.items()
        )
    )


def found(code: str, text: str, *readings: Reading) -> list[Finding]:
    return list(CHECKS[code].run(Mesh(cluster(text).plus(*readings))))


def severities(findings: list[Finding]) -> list[Severity | None]:
    return [each.severity for each in findings]


def test_a_certificate_that_waits_everywhere_is_down_and_in_one_pod_for_some():
    everywhere = found("SDS014", PODS + SECRET, reading(a=WAITING, b=WAITING))
    somewhere = found("SDS014", PODS + SECRET, reading(a=WAITING, b=NEW))

    assert severities(everywhere) == [Severity.CRITICAL]
    assert severities(somewhere) == [Severity.HIGH]
    assert "1 of 2 pods of Deployment istio-system/gateway" in somewhere[0].message


def test_an_old_certificate_that_is_over_in_every_pod_is_down():
    over = found("SDS002", PODS + SECRET, reading(a=EXPIRED, b=EXPIRED))
    in_one = found("SDS002", PODS + SECRET, reading(a=EXPIRED, b=NEW))

    assert severities(over) == [Severity.CRITICAL]
    assert severities(in_one) == [Severity.HIGH]
    assert {each.confidence for each in (*over, *in_one)} == {Confidence.OBSERVED}


def test_what_envoy_took_after_the_secret_was_read_is_not_held_against_it():
    later = OLD.replace("2026-01-01T08:00:00Z", "2026-03-01T12:00:01Z")

    assert found("SDS002", PODS + SECRET, reading(a=later, b=later)) == []


def test_a_refused_listener_is_worse_where_there_is_no_older_one():
    behind = found("SDS012", PODS, reading(a=REFUSED % "true", b=REFUSED % "true"))
    closed = found("SDS012", PODS, reading(a=REFUSED % "true", b=REFUSED % "false"))

    assert severities(behind) == [Severity.HIGH]
    assert severities(closed) == [Severity.CRITICAL]
    assert [each.hosts for each in closed] == [frozenset({"shop.example.com"})]


def test_of_a_secret_that_could_not_be_read_only_differences_between_pods_are_known():
    unread = Reading(
        unread=(Unread(kind=Kind.SECRET, namespace="istio-system", name="shop-cert"),)
    )
    envoys = reading(a=OLD, b=NEW)

    assert found("SDS002", PODS, envoys, unread) == []
    assert found("CRED016", PODS, envoys, unread) == []
    assert len(found("SDS008", PODS, envoys, unread)) == 1


@pytest.mark.parametrize("code", ["CRED016", "SDS002", "SDS008", "SDS012", "SDS014"])
def test_of_envoys_that_were_not_read_nothing_is_said(code: str):
    assert found(code, PODS + SECRET) == []
    assert found(code, PODS) == []


def test_the_envoy_of_a_pod_that_is_gone_or_no_gateway_says_nothing():
    state = envoy_state("shop/app", f"secrets:\n{WAITING}", taken_at=NOW, pem=pem)

    assert found("SDS014", PODS + SECRET, Reading(envoys=(state,))) == []


def test_a_certificate_of_another_host_is_not_taken_for_the_one_in_use():
    other = ISSUER.issue("other.example.com").chain_pem
    refused = f"{OLD}  in_use: |\n" + "".join(f"    {line}\n" for line in other.splitlines())

    (finding,) = found("SDS014", PODS + SECRET, reading(a=refused, b=refused))

    assert "refused what came as kubernetes://shop-cert" in finding.message


def test_the_envoys_of_started_gateway_pods_are_asked_for():
    pods = PODS.replace("name: gateway-b", "name: pending").replace(
        '"istio/proxyv2:1.22.3"}]}\n---\napiVersion: networking',
        '"istio/proxyv2:1.22.3"}]}\nstatus: {phase: Pending}\n---\napiVersion: networking',
    )
    mesh = Mesh(cluster(pods))

    assert wanted(mesh, frozenset({Kind.ENVOY})).envoys == {("istio-system", "gateway-a")}
    assert wanted(mesh, frozenset({Kind.SECRET})).envoys == frozenset()


def test_no_check_of_objects_or_logs_needs_an_envoy_too():
    needing = {check.code for check in CHECKS.values() if Kind.ENVOY in check.needs}

    assert needing == {
        "CRED016", "GW022", "MTLS015", "SDS002", "SDS008", "SDS012", "SDS014", "SDS015", "SDS016",
        "SVC014",
    }  # fmt: skip


def test_evidence_names_the_pod_and_the_time():
    (finding,) = found("SDS002", PODS + SECRET, reading(a=OLD, b=NEW))

    (evidence,) = finding.evidence
    assert evidence.ref == Ref(CORE, "Pod", "istio-system", "gateway-a")
    assert evidence.at == NOW - timedelta(days=59, hours=4)
