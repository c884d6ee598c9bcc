"""What `-n`, `--gateway` and `--host` choose, and what the configuration leaves out."""

from datetime import UTC, date, datetime

import pytest

from istiodoctor.config import Config, IgnoreRule
from istiodoctor.diagnosis.scope import Scope
from istiodoctor.finding import Severity
from istiodoctor.model.kind import Kind
from istiodoctor.report import Ignored, Report, Verdict
from istiodoctor.testing.clusters import cluster
from tests.diagnosis.rules import NOW, everything_read, finding, gateway, judged, outline, rule
from tests.support.clusters import healthy
from tests.support.sources import MemorySource

SHOP = gateway("web", "shop")
BANK = gateway("web", "bank")
CERTIFICATE = gateway("issuer", "cert-manager")
BOTH = (
    rule("A001", finding(SHOP, hosts=["shop.example.com"])),
    rule("B001", finding(BANK, hosts=["bank.example.com", "*.bank.example.com"])),
)
CAUSE = rule("C001", finding(CERTIFICATE, servers=["s"]), explains={"A001", "B001"})
SERVED = (
    rule("A001", finding(SHOP, hosts=["shop.example.com"], servers=["s"])),
    rule("B001", finding(BANK, hosts=["bank.example.com"], servers=["s"])),
)
DOCUMENTS = MemorySource(objects=healthy(NOW)).collect(frozenset(Kind)).documents
GATEWAYS = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [shop.example.com]
"""


@pytest.mark.parametrize(
    ("scope", "codes"),
    [
        (Scope(), ["A001", "B001"]),
        (Scope(namespaces=frozenset({"shop"})), ["A001"]),
        (Scope(namespaces=frozenset({"shop", "bank"})), ["A001", "B001"]),
        (Scope(gateways=frozenset({("bank", "web")})), ["B001"]),
        (Scope(hosts=("shop.example.com",)), ["A001"]),
        (Scope(hosts=("eu.bank.example.com",)), ["B001"]),
        (Scope(hosts=("*.example.com",)), ["A001", "B001"]),
        (Scope(hosts=("other.example.com",)), []),
        (Scope(namespaces=frozenset({"shop"}), hosts=("bank.example.com",)), []),
    ],
)
def test_a_scope_chooses_the_findings_about_it(scope, codes):
    assert sorted(each.cause.code for each in judged(*BOTH, scope=scope).problems) == codes


def test_the_cause_of_what_was_chosen_is_told_wherever_it_is():
    report = judged(*SERVED, CAUSE, scope=Scope(namespaces=frozenset({"shop"})))

    assert outline(report) == [("C001", "A001")]


def test_a_finding_without_hosts_is_about_the_hosts_of_its_gateway():
    wrong = rule("A001", finding(SHOP))
    snapshot = cluster(GATEWAYS)

    theirs = judged(wrong, snapshot=snapshot, scope=Scope(hosts=("shop.example.com",)))
    others = judged(wrong, snapshot=snapshot, scope=Scope(hosts=("bank.example.com",)))

    assert (outline(theirs), outline(others)) == ([("A001",)], [])


@pytest.mark.parametrize(
    ("scope", "note", "verdict"),
    [
        (
            Scope(gateways=frozenset({("shop", "wep")})),
            "There is no Gateway shop/wep.",
            Verdict.INCOMPLETE,
        ),
        (
            Scope(namespaces=frozenset({"shpo"})),
            "There is nothing in the namespace shpo.",
            Verdict.INCOMPLETE,
        ),
        (
            Scope(hosts=("shpo.example.com",)),
            "No gateway has a server for shpo.example.com.",
            Verdict.BROKEN,
        ),
    ],
)
def test_what_is_nowhere_is_said_and_never_healthy(scope, note, verdict):
    report = judged(snapshot=everything_read(documents=DOCUMENTS), scope=scope)

    assert (report.scan.notes, report.verdict) == ((note,), verdict)


def test_what_is_there_needs_no_note():
    scope = Scope(namespaces=frozenset({"shop"}), gateways=frozenset({("shop", "web")}))

    report = judged(snapshot=everything_read(documents=DOCUMENTS), scope=scope)

    assert (report.scan.notes, report.verdict) == ((), Verdict.HEALTHY)


# Ignores


def configured(*rules: IgnoreRule) -> Config:
    return Config(rules=rules, origin="istiodoctor.toml")


def ignoring(*rules: IgnoreRule) -> Report:
    return judged(*BOTH, config=configured(*rules))


def test_an_ignored_finding_is_listed_with_the_reason_and_whose_rule_it_is():
    report = ignoring(IgnoreRule(code="A001", reason="being moved", until=date(2026, 3, 31)))

    (kept,) = report.problems
    assert kept.cause.code == "B001"
    assert report.ignored == (
        Ignored(
            fingerprint=judged(*BOTH).problems[1].cause.fingerprint,
            code="A001",
            reason="being moved",
            until=datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC),
            by="istiodoctor.toml",
        ),
    )


@pytest.mark.parametrize(
    ("until", "codes"),
    [
        (None, ["B001"]),
        (date(2026, 3, 2), ["B001"]),
        (date(2026, 3, 1), ["B001"]),
        (date(2026, 2, 28), ["B001", "A001"]),
    ],
)
def test_a_rule_holds_to_the_end_of_its_last_day(until, codes):
    report = ignoring(IgnoreRule(code="A001", reason="known", until=until))

    assert [each.cause.code for each in report.problems] == codes


@pytest.mark.parametrize(
    ("code", "expected"),
    [("*", []), ("B*", ["A001"]), ("b001", ["A001"]), ("A00", ["B001", "A001"])],
)
def test_a_code_may_have_a_star(code, expected):
    report = ignoring(IgnoreRule(code=code, reason="known"))

    assert [each.cause.code for each in report.problems] == expected


def test_a_fingerprint_leaves_out_one_finding_of_a_code():
    two = rule("A001", finding(SHOP), finding(BANK))
    first = judged(two).problems[0].cause

    report = judged(two, config=configured(IgnoreRule(fingerprint=first.fingerprint, reason="x")))

    assert [each.cause.subject for each in report.problems] == [SHOP]
    assert first.subject == BANK


def test_a_rule_with_code_and_fingerprint_asks_for_both():
    fingerprint = judged(*BOTH).problems[0].cause.fingerprint

    report = ignoring(IgnoreRule(code="A001", fingerprint=fingerprint, reason="x"))

    assert report.ignored == ()


def test_ignoring_a_cause_hides_none_of_its_symptoms():
    report = judged(*SERVED, CAUSE, config=configured(IgnoreRule(code="C001", reason="known")))

    assert sorted(outline(report)) == [("A001",), ("B001",)]


def test_an_ignored_symptom_takes_its_severity_with_it():
    symptom = rule("A001", finding(SHOP, servers=["s"]), severity=Severity.CRITICAL)

    report = judged(symptom, CAUSE, config=configured(IgnoreRule(code="A001", reason="known")))

    assert [(each.cause.code, each.severity) for each in report.problems] == [
        ("C001", Severity.MEDIUM)
    ]
    assert report.verdict is Verdict.DEGRADED
