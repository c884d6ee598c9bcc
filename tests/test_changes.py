"""What differs between two reports, and what only looks as if it did."""

from collections.abc import Iterable
from dataclasses import replace

from istiodoctor.changes import ChangeKind, HostChange, changes
from istiodoctor.config import Config, IgnoreRule
from istiodoctor.finding import Severity
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Unread, UnreadReason
from istiodoctor.report import HostReport, Report, ScanError, Verdict
from tests.diagnosis.rules import everything_read, finding, gateway, judged, rule

LOGIN, SHOP = gateway("login"), gateway("shop")
HIGH, LOW = Severity.HIGH, Severity.LOW


def told(older: Report, newer: Report) -> list[tuple[str, str, str]]:
    """Return each change of a problem: its kind, the code, and the subject's name."""
    return [
        (each.kind.value, each.problem.cause.code, each.problem.cause.subject.name)
        for each in changes(older, newer).problems
    ]


def blind(*unread: Unread, **rest: object) -> Report:
    """Return the report of a check that found nothing where not everything could be read."""
    return judged(needing(), snapshot=everything_read(unread=unread))


def needing(*subjects: object):
    return rule("AAA001", *map(finding, subjects), needs={Kind.SECRET})  # type: ignore[arg-type]


def unread(name: str, namespace: str = "shop", reason: UnreadReason = UnreadReason.FORBIDDEN):
    return Unread(kind=Kind.SECRET, namespace=namespace, name=name, reason=reason)


def seeing(findings: Iterable[object], *missed: Unread) -> Report:
    return judged(needing(*findings), snapshot=everything_read(unread=missed))


def test_two_looks_at_the_same_are_no_change():
    report = judged(rule("AAA001", finding(LOGIN), finding(SHOP)))

    assert not changes(report, report)


def test_what_is_gone_is_told_before_what_is_new():
    older = judged(rule("AAA001", finding(LOGIN)), rule("AAA002"))
    newer = judged(rule("AAA001"), rule("AAA002", finding(SHOP)))

    assert told(older, newer) == [("gone", "AAA001", "login"), ("new", "AAA002", "shop")]


def test_a_problem_that_is_worded_anew_is_the_same():
    older = judged(rule("AAA001", finding(SHOP, message="one host", hosts={"a"})))
    newer = judged(rule("AAA001", finding(SHOP, message="two hosts", hosts={"a", "b"})))

    assert told(older, newer) == []


def test_a_problem_may_become_worse():
    older = judged(rule("AAA001", finding(SHOP, severity=LOW)))
    newer = judged(rule("AAA001", finding(SHOP, severity=HIGH)))

    (change,) = changes(older, newer).problems
    assert (change.kind, change.before, change.problem.severity) == (
        ChangeKind.SEVERITY,
        LOW,
        HIGH,
    )


def test_a_problem_that_another_explains_now_is_not_gone():
    symptom = rule("AAA002", finding(SHOP, servers={"s"}))
    alone = judged(rule("AAA001", explains={"AAA002"}), symptom)
    both = judged(rule("AAA001", finding(LOGIN, servers={"s"}), explains={"AAA002"}), symptom)

    assert told(alone, both) == [("explained", "AAA002", "shop"), ("new", "AAA001", "login")]
    assert told(both, alone) == [("gone", "AAA001", "login"), ("unexplained", "AAA002", "shop")]
    assert [
        each.cause and each.cause.code
        for pair in ((alone, both), (both, alone))
        for each in changes(*pair).problems
    ] == ["AAA001", None, None, "AAA001"]


def test_a_problem_that_is_left_out_now_is_not_gone():
    broken = rule("AAA001", finding(SHOP))
    config = Config(rules=(IgnoreRule(code="AAA001", reason="known"),))

    assert told(judged(broken), judged(broken, config=config)) == [("ignored", "AAA001", "shop")]


def test_a_problem_is_not_gone_because_its_check_was_not_selected():
    older = judged(rule("AAA001", finding(SHOP)), rule("AAA002"))

    (change,) = changes(older, judged(rule("AAA002"))).problems
    assert (change.kind, change.reason) == (ChangeKind.UNSEEN, "its check was not selected")


def test_a_problem_is_not_gone_because_nothing_could_be_read():
    older = judged(rule("AAA001", finding(SHOP)))
    error = ScanError(kind="unreachable", message="cannot reach it")
    nothing = Report(tool=older.tool, scan=older.scan, verdict=Verdict.INCOMPLETE, error=error)

    (change,) = changes(older, nothing).problems
    assert (change.kind, change.reason) == (ChangeKind.UNSEEN, "cannot reach it")
    assert told(nothing, older) == [("new", "AAA001", "shop")]


def test_a_problem_is_not_gone_where_its_check_could_not_look():
    newer = seeing([], unread("shop-cert"))

    (change,) = changes(seeing([SHOP]), newer).problems
    assert change.kind is ChangeKind.UNSEEN
    assert change.reason == newer.checks[0].reason != ""


def test_nor_where_its_check_found_another_but_could_not_look_everywhere():
    newer = seeing([LOGIN], unread("shop-cert"))

    (change,) = changes(seeing([LOGIN, SHOP]), newer).problems
    assert (change.kind, change.problem.cause.subject) == (ChangeKind.UNSEEN, SHOP)
    assert change.reason == "Secret in shop could not be read"


def test_a_problem_is_gone_where_no_less_was_seen_than_before():
    older = seeing([LOGIN, SHOP], unread("pod-1"))

    assert told(older, seeing([], unread("pod-2"))) == [
        ("gone", "AAA001", "login"),
        ("gone", "AAA001", "shop"),
    ]
    assert told(older, seeing([LOGIN], unread("pod-2"))) == [("gone", "AAA001", "shop")]


def test_what_was_found_and_cannot_be_understood_hides_no_problem():
    newer = seeing([], unread("shop-cert", reason=UnreadReason.REDACTED))

    assert told(seeing([SHOP]), newer) == [("gone", "AAA001", "shop")]


def test_hosts_that_are_served_better_or_worse_come_or_go_are_changes():
    report = judged(rule("AAA001"))

    def serving(**verdicts: Verdict) -> Report:
        hosts = (
            HostReport(host=host, gateway=SHOP, verdict=verdict)
            for host, verdict in verdicts.items()
        )
        return replace(report, hosts=tuple(hosts))

    older = serving(a=Verdict.BROKEN, b=Verdict.HEALTHY, c=Verdict.HEALTHY)
    newer = serving(a=Verdict.HEALTHY, b=Verdict.HEALTHY, d=Verdict.DEGRADED)

    assert changes(older, newer).hosts == (
        HostChange(host="a", gateway=SHOP, before=Verdict.BROKEN, after=Verdict.HEALTHY),
        HostChange(host="c", gateway=SHOP, before=Verdict.HEALTHY, after=None),
        HostChange(host="d", gateway=SHOP, before=None, after=Verdict.DEGRADED),
    )
