"""What checks make of probes where an example cannot show it: several pods, proxies, patience."""

from dataclasses import replace
from datetime import timedelta

import pytest

from istiodoctor.finding import Confidence, Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.facts import Facts, FrontProxy
from istiodoctor.model.snapshot import Reading
from istiodoctor.registry import discover
from istiodoctor.testing.examples import Example, examples
from istiodoctor.testing.observations import handshakes, requests
from istiodoctor.testing.words import NOW

CHECKS = {check.code: check for check in discover().checks}
HOST = "shop.example.com"


def bad(code: str) -> Example:
    return next(each for each in examples(CHECKS[code]) if each.verdict == "bad")


def found(code: str, tls: str = "", http: str = "", facts: Facts | None = None) -> list[Finding]:
    """Return what a check finds in its own bad cluster, with something else seen beside it."""
    seen = Reading(
        tls_observations=handshakes(tls) if tls else (),
        http_observations=requests(http) if http else (),
    )
    return list(CHECKS[code].run(Mesh(bad(code).snapshot().plus(seen), facts)))


def test_a_host_that_another_pod_serves_is_not_wholly_down():
    other = f"""
    - {{pod: istio-system/gateway-2, server: shop/web/0, sni: {HOST},
       chain: certificate for {HOST}}}
    """

    (alone,) = found("SNI011")
    (beside,) = found("SNI011", other)

    assert (alone.severity, beside.severity) == (None, Severity.HIGH)
    assert beside.message.endswith(" Another pod of it agrees to TLS.")


def test_each_credential_is_one_problem_however_many_ways_show_it():
    again = f"""
    - {{pod: istio-system/gateway-2, server: shop/web/0, sni: {HOST},
       chain: certificate for {HOST}; expired}}
    - {{address: 203.0.113.10, server: shop/web/0, sni: {HOST},
       chain: certificate for {HOST}; expired}}
    """

    (finding,) = found("CERT018", again)

    assert finding.identity.detail == "istio-system/shop-cert"
    assert len(finding.evidence) == 3


def test_where_dns_leads_is_not_the_gateway_certificate():
    elsewhere = f"""
    - {{dns: {HOST}, server: shop/web/0, sni: {HOST}, chain: certificate for old.example.com}}
    """

    assert {each.hosts for each in found("CERT019", elsewhere)} == {frozenset({HOST})}
    assert len(found("CERT019", elsewhere)) == len(found("CERT019"))


def test_a_name_that_leads_to_a_known_proxy_is_no_fault():
    proxy = Facts(front_proxies=(FrontProxy(hosts=(HOST,), terminates_tls=True),))

    assert found("SVC010")
    assert not found("SVC010", facts=proxy)


def test_a_certificate_that_was_just_issued_is_on_its_way():
    snapshot = bad("SDS013").snapshot()
    issued = snapshot.credentials["istio-system", "shop-cert"].leaf
    assert issued
    check = CHECKS["SDS013"]

    soon = list(check.run(Mesh(snapshot.at(issued.not_before + timedelta(seconds=90)))))
    later = list(check.run(Mesh(snapshot.at(NOW))))

    assert (soon, len(later)) == ([], 1)


def test_a_loop_that_only_a_claimed_proxy_sees_is_not_one():
    claimed = """
    - host: shop.example.com
      server: shop/web/0
      outcome: loop
      forwarded_proto: http
      steps: [{url: "http://shop.example.com/", status: 301, location: "http://shop.example.com/"}]
    """

    assert len(found("HTTP014", http=claimed)) == len(found("HTTP014"))


@pytest.mark.parametrize("code", ["SNI011", "CERT018", "SDS013", "MTLS001"])
def test_a_handshake_of_a_server_that_is_no_longer_there_is_nobodys(code: str):
    snapshot = bad(code).snapshot()
    orphans = tuple(
        each
        for each in handshakes("- {server: shop/gone/0, sni: shop.example.com, outcome: reset}")
    )

    before = list(CHECKS[code].run(Mesh(snapshot)))

    assert list(CHECKS[code].run(Mesh(snapshot.plus(Reading(tls_observations=orphans))))) == before


@pytest.mark.parametrize(
    ("address", "outcome", "severity"),
    [
        ("203.0.113.10", "timed-out", None),
        ("10.0.0.10", "timed-out", Severity.LOW),
        ("fd12::10", "unreachable", Severity.LOW),
        ("10.0.0.10", "refused", None),
    ],
)
def test_a_private_address_that_is_silent_from_outside_is_no_outage(
    address: str, outcome: str, severity: Severity | None
):
    example = bad("SVC011")
    wire = tuple(
        (kind, text.replace("203.0.113.10", f'"{address}"').replace("timed-out", outcome))
        for kind, text in example.wire
    )

    (finding,) = CHECKS["SVC011"].run(Mesh(replace(example, wire=wire).snapshot()))

    assert finding.severity is severity


@pytest.mark.parametrize(
    ("address", "severity", "confidence"),
    [
        ("203.0.113.10", None, Confidence.OBSERVED),
        ("10.0.0.10", Severity.LOW, Confidence.SUSPECTED),
    ],
)
def test_a_certificate_at_an_address_is_not_said_to_be_the_gateways(
    address: str, severity: Severity | None, confidence: Confidence
):
    seen = f"""
    - {{address: "{address}", service: istio-system/gateway, server: shop/web/0, sni: {HOST},
       chain: certificate for nas.example.net}}
    """

    (finding,) = (each for each in found("CERT019", tls=seen) if "What answers" in each.message)

    assert (finding.severity, finding.confidence) == (severity, confidence)
    assert finding.message.startswith(f"What answers at {address}:443")
    assert finding.subject.kind == "Service"
