"""What was seen of TLS stands under the cause that the objects tell, and makes it observed."""

import pytest

from istiodoctor.diagnosis import Judgement, diagnose
from istiodoctor.diagnosis.runs import run_checks
from istiodoctor.finding import Confidence
from istiodoctor.mesh import Mesh
from istiodoctor.problem import Problem
from istiodoctor.registry import discover
from istiodoctor.testing.examples import Example, examples

CHECKS = discover().by_code()
POD = "istio-system/gateway"
REFUSED = "- {port: 443, sni: %s, outcome: reset}"
WAITING = '{name: "kubernetes://%s", updated: "2026-03-01T08:00:00Z"}'


def problems(
    code: str, symptom: str, *, tls: str = "", envoy: str = "", pod: str = POD
) -> list[Problem]:
    """Diagnose the bad cluster of a check with two checks alone, after this was seen."""
    bad = next(each for each in examples(CHECKS[code]) if each.verdict == "bad")
    example = Example(
        check=CHECKS[code],
        verdict="bad",
        text=bad.text,
        envoys=((pod, envoy),) if envoy else (),
        wire=(("tls", tls),) if tls else (),
    )
    snapshot = example.snapshot()
    mesh = Mesh(snapshot)
    runs = run_checks((CHECKS[code], CHECKS[symptom]), mesh, snapshot)
    judgement = Judgement(snapshot=snapshot, mesh=mesh, runs=runs, tool_version="1")
    return list(diagnose(judgement).problems)


def assert_observed(found: list[Problem], code: str, symptom: str) -> None:
    told = [
        (each.cause.code, each.confidence, {under.code for under in each.symptoms})
        for each in found
        if each.symptoms
    ]
    assert told == [(code, Confidence.OBSERVED, {symptom})]
    assert symptom not in [each.cause.code for each in found]


SHOP = "server: shop/web/0, sni: shop.example.com"


@pytest.mark.parametrize(
    ("code", "symptom", "tls"),
    [
        ("CERT014", "CERT021", f"""
         - {{{SHOP}, trusted: false, chain: certificate for shop.example.com; self-signed}}"""),
        ("CERT015", "CERT021", f"""
         - {{{SHOP}, trusted: false,
            chain: certificate for shop.example.com; issued by (STAGING) Pretend Pear X1}}"""),
        ("CERT016", "CERT021", f"""
         - {{{SHOP}, trusted: false,
            chain: certificate for shop.example.com; issued by cert-manager.local}}"""),
        ("SNI008", "SNI012", REFUSED % "www.example.com"),
        ("GW005", "GW021", "- {port: 8443, sni: shop.example.com, outcome: not-tls}"),
        ("MTLS010", "MTLS014", f"""
         - {{port: 443, {SHOP}, outcome: alert, alert: certificate required,
            asks_for_certificate: true, chain: certificate for shop.example.com}}
         - {{address: 203.0.113.10, {SHOP}, chain: certificate for shop.example.com; renewed}}"""),
        ("SNI002", "SNI013", f"""
         - {{port: 443, {SHOP}, chain: certificate for shop.example.com}}
         - {{port: 443, outcome: reset}}"""),
    ],
    ids=lambda value: value if value.isalnum() else "",
)  # fmt: skip
def test_what_a_handshake_shows_stands_under_its_cause(code: str, symptom: str, tls: str):
    assert_observed(problems(code, symptom, tls=tls), code, symptom)


@pytest.mark.parametrize(
    ("code", "symptom", "envoy"),
    [
        ("CRED006", "SDS014", f"secrets: [{WAITING % 'istio-system/shop-cert'}]"),
        ("CRED011", "SDS014", f"secrets: [{WAITING % 'shop-cert'}]"),
        ("MTLS002", "MTLS015", f"secrets: [{WAITING % 'shop-cert-cacert'}]"),
        ("GW013", "GW022", "listeners: [{name: 0.0.0.0_15021, port: 15021}]"),
        ("SVC003", "SVC014", "listeners: [{name: 0.0.0.0_8443, port: 8443}]"),
    ],
)
def test_what_envoy_says_stands_under_its_cause(code: str, symptom: str, envoy: str):
    pod = "shop/gateway" if code == "CRED011" else POD

    assert_observed(problems(code, symptom, envoy=envoy, pod=pod), code, symptom)
