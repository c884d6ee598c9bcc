"""What checks make of handshakes and Envoys where an example cannot show it."""

from dataclasses import replace

import pytest

from istiodoctor.finding import Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.facts import Facts
from istiodoctor.model.snapshot import Reading, Snapshot
from istiodoctor.registry import discover
from istiodoctor.testing.clusters import cluster
from istiodoctor.testing.envoys import envoy_state
from istiodoctor.testing.examples import Example, examples
from istiodoctor.testing.observations import handshakes, requests
from istiodoctor.testing.words import NOW, pem

CHECKS = {check.code: check for check in discover().checks}
HOST = "shop.example.com"
POD = "istio-system/gateway"


def bad(code: str) -> Example:
    return next(each for each in examples(CHECKS[code]) if each.verdict == "bad")


def seen(code: str, tls: str, facts: Facts | None = None) -> list[Finding]:
    """Return what a check finds in its own bad cluster when this is all that was seen."""
    snapshot = replace(bad(code), wire=(("tls", tls),)).snapshot()
    return list(CHECKS[code].run(Mesh(snapshot, facts)))


def held(code: str, *states: tuple[str, str], text: str = "") -> list[Finding]:
    """Return what a check finds when these are the Envoys of pods."""
    envoys = tuple(envoy_state(pod, said, taken_at=NOW, pem=pem) for pod, said in states)
    snapshot = cluster(text or bad(code).text).plus(Reading(envoys=envoys))
    return list(CHECKS[code].run(Mesh(snapshot)))


def severities(findings: list[Finding]) -> list[Severity | None]:
    return [each.severity for each in findings]


def test_a_private_authority_is_a_note_and_none_at_all_to_who_named_it():
    chain = f"certificate for {HOST}; issued by Shop Root"
    tls = f"- {{server: shop/web/0, sni: {HOST}, trusted: false, chain: {chain}}}"
    (leaf,) = (each.leaf for each in handshakes(tls))
    assert leaf

    (finding,) = seen("CERT021", tls)
    known = Facts(trust_anchors=frozenset({leaf.fingerprint_sha256}))

    assert (finding.severity, finding.hosts) == (None, frozenset({HOST}))
    assert "leads to no trusted root" in finding.message
    assert seen("CERT021", tls, known) == []
    assert severities([*CHECKS["CERT021"].run(Mesh(bad("CERT021").snapshot()))]) == [Severity.HIGH]


def test_where_an_intermediate_is_wanting_that_is_said_and_no_more():
    incomplete = bad("CERT020").snapshot()

    assert len([*CHECKS["CERT020"].run(Mesh(incomplete))]) == 1
    assert [*CHECKS["CERT021"].run(Mesh(incomplete))] == []


def test_the_www_counterpart_of_a_host_is_a_low_finding():
    snapshot = bad("SNI008").snapshot()
    tls = "- {port: 443, sni: www.example.com, outcome: reset}"

    (finding,) = CHECKS["SNI012"].run(
        Mesh(snapshot.plus(Reading(tls_observations=handshakes(tls))))
    )

    assert finding.severity is Severity.LOW
    assert "but no TLS server has it" in finding.message


def test_a_gateway_that_ends_tls_before_a_plain_port_is_not_accused_of_it():
    completed = f"""
    - {{port: 8443, sni: {HOST}, outcome: not-tls}}
    - {{address: 203.0.113.10, sni: {HOST}, chain: certificate for {HOST}}}
    """

    assert len([*CHECKS["GW021"].run(Mesh(bad("GW021").snapshot()))]) == 1
    assert seen("GW021", completed) == []


def test_a_refusal_for_want_of_a_client_certificate_is_not_one_of_versions():
    refused = f"""
    - {{port: 443, server: shop/web/0, sni: {HOST}, versions: [TLSv1.3],
       older_alert: handshake failure, chain: certificate for {HOST}%s}}
    """

    assert len(seen("GW023", refused % "")) == 1
    assert seen("GW023", refused % ", asks_for_certificate: true") == []


def test_a_proxy_whose_requests_are_answered_has_a_certificate_for_the_gateway():
    answered = f"""
    - address: 203.0.113.10
      service: istio-system/gateway
      host: {HOST}
      server: shop/web/0
      steps: [{{url: "https://{HOST}/", status: 200, from_upstream: true}}]
    """
    example = bad("MTLS014")
    snapshot = example.snapshot()

    assert len([*CHECKS["MTLS014"].run(Mesh(snapshot))]) == 1
    seen_too = Reading(http_observations=requests(answered))
    assert [*CHECKS["MTLS014"].run(Mesh(snapshot.plus(seen_too)))] == []


def test_a_reset_on_the_way_weighs_less_than_an_answer_in_plain_text():
    example = bad("SVC015")
    (_, tls), *_ = example.wire

    assert severities(seen("SVC015", tls)) == [Severity.HIGH]
    assert severities(seen("SVC015", tls.replace("outcome: reset", "outcome: not-tls"))) == [None]


def test_where_one_pod_refuses_the_address_may_have_led_to_it():
    example = bad("SVC015")
    (_, tls), *_ = example.wire
    other = f"- {{pod: istio-system/other, server: shop/web/0, sni: {HOST}, outcome: reset}}\n"

    assert seen("SVC015", other + tls) == []


def test_what_a_name_leads_to_is_not_taken_for_the_load_balancer():
    example = bad("MTLS014")
    (_, tls), *_ = example.wire

    named = tls.replace("address: 203.0.113.10", f"dns: {HOST}")

    assert len(seen("MTLS014", tls)) == 1
    assert seen("MTLS014", named) == []


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
metadata: {name: web, namespace: shop, creationTimestamp: "%s"}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {mode: SIMPLE, credentialName: shop-cert}
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.example.com]}
"""
OLD, NEW = PODS % "2026-01-01T00:00:00Z", PODS % "2026-03-01T11:59:30Z"
BOTH = "listeners: [{name: s, port: 443, hosts: [shop.example.com]}, {name: p, port: 80}]"
SECURED = "listeners: [{name: s, port: 443, hosts: [shop.example.com]}]"
PLAIN = "listeners: [{name: p, port: 80}]"
A, B = "istio-system/gateway-a", "istio-system/gateway-b"


def test_a_server_that_no_envoy_has_is_down_and_one_that_some_lack_for_some():
    assert severities(held("GW022", (A, PLAIN), (B, PLAIN), text=OLD)) == [Severity.CRITICAL]
    assert severities(held("GW022", (A, PLAIN), (B, BOTH), text=OLD)) == [Severity.HIGH]
    assert severities(held("GW022", (A, SECURED), (B, SECURED), text=OLD)) == [Severity.MEDIUM]
    assert held("GW022", (A, BOTH), (B, BOTH), text=OLD) == []


def test_a_server_that_was_just_made_is_on_its_way():
    (finding,) = held("GW022", (A, PLAIN), (B, PLAIN), text=NEW)

    assert (finding.severity, finding.is_settling) == (Severity.LOW, True)


def test_an_envoy_whose_listeners_are_not_known_is_not_held_to_lack_them():
    state = replace(envoy_state(A, BOTH, taken_at=NOW, pem=pem), listeners=())
    snapshot = cluster(OLD).plus(Reading(envoys=(state,)))

    assert [*CHECKS["GW022"].run(Mesh(snapshot))] == []


def test_an_envoy_that_never_started_is_worse_where_it_is_the_only_one():
    waiting = "{state: INITIALIZING, uptime: 900s}"

    assert severities(held("SDS015", (A, waiting), (B, BOTH), text=OLD)) == [None]
    assert severities(held("SDS015", (A, waiting), (B, waiting), text=OLD)) == [Severity.CRITICAL]
    assert held("SDS015", (A, waiting.replace("INITIALIZING", "LIVE")), text=OLD) == []


SERVED = """
- {name: "kubernetes://shop-cert", certificate: certificate for shop.example.com,
   in_use: nothing, updated: "2026-01-01T08:00:00Z"}
"""


def mutual(authority: str) -> Snapshot:
    said = (
        f"secrets:{SERVED}- {{name: 'kubernetes://shop-cert-cacert', {authority}}}\n"
        + """
listeners:
- name: 0.0.0.0_443
  port: 443
  secrets: ["kubernetes://shop-cert", "kubernetes://shop-cert-cacert"]
"""
    )
    state = envoy_state(POD, said, taken_at=NOW, pem=pem)
    return cluster(bad("MTLS015").text).plus(Reading(envoys=(state,)))


@pytest.mark.parametrize(
    ("authority", "words", "severity"),
    [
        ('updated: "2026-01-01T08:00:00Z"', "waits for it", Severity.CRITICAL),
        ('updated: "2026-03-01T11:59:30Z"', "may be on its way", Severity.LOW),
        (
            'authority: authority Clients; expired, updated: "2026-01-01T08:00:00Z"',
            "has expired, whole",
            Severity.CRITICAL,
        ),
    ],
    ids=["not come", "just asked for", "expired"],
)
def test_an_authority_is_judged_by_what_is_wrong_with_it(
    authority: str, words: str, severity: Severity
):
    (finding,) = CHECKS["MTLS015"].run(Mesh(mutual(authority)))

    assert words in finding.message
    assert finding.severity is severity


def test_a_certificate_that_waits_for_its_authority_is_not_said_to_be_refused():
    awaited = mutual('updated: "2026-01-01T08:00:00Z"')
    there = mutual('authority: authority Clients, updated: "2026-01-01T08:00:00Z"')

    assert [*CHECKS["SDS014"].run(Mesh(awaited))] == []
    assert len([*CHECKS["SDS014"].run(Mesh(there))]) == 1
