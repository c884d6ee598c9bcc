"""Findings of one code with equal identity are one finding."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Severity
from istiodoctor.fix import Fix
from istiodoctor.model.kind import GATEWAY_API
from istiodoctor.model.ref import Place, Ref
from tests.diagnosis.rules import finding, gateway, judged, rule, secret

SOON = datetime(2026, 3, 5, tzinfo=UTC)


def evidence(*texts: str) -> tuple[Evidence, ...]:
    return tuple(Evidence(text=text) for text in texts)


def test_findings_of_one_code_about_one_subject_are_united():
    report = judged(
        rule(
            "X001",
            finding(
                secret("cert"),
                objects=[secret("cert"), gateway("a")],
                hosts=["a.example.com"],
                message="a",
                evidence=evidence("both", "a"),
                severity=Severity.LOW,
                confidence=Confidence.SUSPECTED,
                deadline=SOON + timedelta(days=1),
                fixes=(Fix(title="Do it"),),
            ),
            finding(
                secret("cert"),
                objects=[secret("cert"), gateway("b")],
                hosts=["b.example.com"],
                message="b",
                evidence=evidence("both", "b"),
                severity=Severity.HIGH,
                confidence=Confidence.CERTAIN,
                deadline=SOON,
                fixes=(Fix(title="Do it"), Fix(title="Do something else")),
            ),
        )
    )

    (problem,) = report.problems
    cause = problem.cause
    assert cause.objects == (Place(secret("cert")), Place(gateway("b")), Place(gateway("a")))
    assert cause.hosts == ("a.example.com", "b.example.com")
    assert [each.text for each in cause.evidence] == ["both", "b", "a"]
    assert [each.fix.title for each in cause.fixes] == ["Do it", "Do something else"]
    assert (cause.message, cause.own_severity, cause.confidence, cause.deadline) == (
        "b",
        Severity.HIGH,
        Confidence.CERTAIN,
        SOON,
    )


def test_equal_identities_of_two_codes_stay_two_problems():
    report = judged(rule("X001", finding()), rule("X002", finding()))

    assert [each.cause.code for each in report.problems] == ["X001", "X002"]


def test_a_detail_makes_another_problem_of_one_object():
    report = judged(rule("X001", finding(detail="a"), finding(detail="b")))

    assert len({each.cause.fingerprint for each in report.problems}) == 2


def test_gateways_of_two_apis_with_one_name_are_two_problems():
    theirs = Ref(GATEWAY_API, "Gateway", "shop", "web")

    report = judged(rule("X001", finding(gateway("web")), finding(theirs)))

    assert {each.cause.subject for each in report.problems} == {gateway("web"), theirs}
    assert len({each.cause.fingerprint for each in report.problems}) == 2


def test_a_fingerprint_survives_new_hosts_words_and_evidence():
    before = judged(rule("X001", finding(hosts=["a.example.com"])))
    after = judged(
        rule(
            "X001",
            finding(hosts=["a.example.com", "b.example.com"], message="new words"),
            finding(objects=[gateway("web"), secret("cert")], evidence=evidence("more")),
            severity=Severity.CRITICAL,
        )
    )

    fingerprints = {each.cause.fingerprint for each in (*before.problems, *after.problems)}
    assert fingerprints == {f"v1:{sha256(b'X001' + bytes(1) + b'Gateway/shop/web/').hexdigest()}"}


def test_findings_that_differ_in_evidence_and_fixes_only_are_united_in_any_order():
    one = finding(evidence=evidence("a"), fixes=(Fix(title="x"),), title="A")
    other = finding(evidence=evidence("b"), fixes=(Fix(title="y"),), title="B")

    assert judged(rule("X001", one, other)).problems == judged(rule("X001", other, one)).problems


def test_evidence_of_one_problem_is_bounded():
    findings = (finding(evidence=evidence(f"line {number:04}")) for number in range(1000))

    report = judged(rule("X001", *findings))

    assert [each.text for each in report.problems[0].cause.evidence] == [
        f"line {number:04}" for number in range(20)
    ]
