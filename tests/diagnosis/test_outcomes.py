"""What became of a check: only one that looked everywhere and saw nothing has passed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from istiodoctor.check import Check
from istiodoctor.diagnosis.report import verdict
from istiodoctor.diagnosis.runs import run_checks
from istiodoctor.finding import Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import secrets_named
from istiodoctor.mesh.logs.meaning import Meaning
from istiodoctor.mesh.question import Question, question
from istiodoctor.model.kind import Kind
from istiodoctor.model.pods import Pod
from istiodoctor.model.ref import Place
from istiodoctor.model.snapshot import EVERYWHERE, Snapshot, Unread, UnreadReason
from istiodoctor.problem import Problem
from istiodoctor.report import CheckRun, HostReport, Outcome, Report, Verdict
from tests.diagnosis.rules import about, everything_read, finding, gateway, judged, outline, rule

PODS_FORBIDDEN = Unread(kind=Kind.POD, namespace="shop", reason=UnreadReason.FORBIDDEN)
UNPARSED = Unread(
    kind=None, reason=UnreadReason.MALFORMED, message="no YAML", file="web.yaml", line=3
)


def outcomes(report: Report) -> list[tuple[str, Outcome, str]]:
    return [(run.code, run.outcome, run.reason) for run in report.checks]


def needing(code: str, *kinds: Kind) -> Check:
    return rule(code, needs=kinds)


def broken(code: str, error: BaseException) -> Check:
    def judge(mesh: Mesh) -> Iterator[Finding]:
        yield finding()
        raise error

    return Check(code=code, name="broken", severity=Severity.HIGH, judge=judge)


def test_a_check_that_read_everything_and_saw_nothing_has_passed():
    report = judged(needing("X001", Kind.POD))

    assert outcomes(report) == [("X001", Outcome.PASSED, "")]


@pytest.mark.promise("the checks that needed it are *skipped*, never *passed*")
def test_a_check_that_could_not_look_everywhere_is_skipped_and_says_why():
    snapshot = everything_read(unread=(PODS_FORBIDDEN,))

    report = judged(
        needing("X001", Kind.POD, Kind.SERVICE), needing("X002", Kind.SERVICE), snapshot=snapshot
    )

    assert outcomes(report) == [
        ("X001", Outcome.SKIPPED, "pods in shop: forbidden"),
        ("X002", Outcome.PASSED, ""),
    ]


def test_what_a_partial_reading_shows_counts_all_the_same():
    snapshot = everything_read(unread=(PODS_FORBIDDEN,))

    report = judged(rule("X001", finding(), needs=[Kind.POD]), snapshot=snapshot)

    assert outcomes(report) == [("X001", Outcome.FAILED, "")]
    assert outline(report) == [("X001",)]


def test_a_document_of_no_known_kind_may_have_been_what_any_check_looks_for():
    snapshot = everything_read(unread=(UNPARSED,))

    report = judged(needing("X001", Kind.POD), rule("X002", finding()), snapshot=snapshot)

    assert outcomes(report) == [
        ("X001", Outcome.SKIPPED, "document: malformed (web.yaml:3)"),
        ("X002", Outcome.FAILED, ""),
    ]


def test_reasons_are_few_and_in_an_order_of_their_own():
    unread = [Unread(kind=Kind.POD, namespace=name) for name in ("d", "b", "a", "c", "a")]

    report = judged(needing("X001", Kind.POD), snapshot=everything_read(unread=tuple(unread)))

    assert (
        report.checks[0].reason
        == "pods in a: failed; pods in b: failed; pods in c: failed and 1 more"
    )


def test_what_is_unread_is_listed_in_an_order_of_its_own():
    unread = [
        Unread(kind=kind, namespace=name, line=line)
        for kind in (Kind.SERVICE, None, Kind.POD)
        for name in ("b", "a")
        for line in (10, 9, None)
    ]

    one = judged(snapshot=everything_read(unread=tuple(unread)))
    other = judged(snapshot=everything_read(unread=tuple(reversed(unread))))

    assert one.unread == other.unread
    assert [(each.kind, each.namespace, each.line) for each in one.unread[:4]] == [
        ("", "a", None),
        ("", "a", 9),
        ("", "a", 10),
        ("", "b", None),
    ]


@pytest.mark.parametrize("error", [KeyError("shop"), RecursionError("too deep"), SystemExit(3)])
def test_a_check_that_breaks_is_a_result_and_the_others_run(error):
    report = judged(broken("X001", error), rule("X002", finding()))

    assert outcomes(report) == [
        ("X001", Outcome.ERRORED, f"{type(error).__name__}: {error}"),
        ("X002", Outcome.FAILED, ""),
    ]
    assert outline(report) == [("X002",)]


@pytest.mark.parametrize(
    "found",
    [
        "a text",
        None,
        Finding(message="no object", objects=(), identity=finding().identity),
        Finding(message="no place", objects=(gateway("web"),), identity=finding().identity),  # type: ignore[arg-type]
        Finding(message=None, objects=(Place(gateway("web")),), identity=finding().identity),  # type: ignore[arg-type]
    ],
    ids=["text", "none", "no-object", "no-place", "no-message"],
)
def test_what_cannot_be_reported_is_the_bug_of_its_check(found):
    report = judged(rule("X001", found))

    assert [run.outcome for run in report.checks] == [Outcome.ERRORED]


def test_a_check_whose_observations_nobody_asked_for_is_not_requested():
    whole = everything_read()
    without_logs = Snapshot(
        taken_at=whole.taken_at, source="test", requested=frozenset(Kind) - {Kind.POD_LOG}
    )

    report = judged(rule("X001", finding(), needs=[Kind.POD, Kind.POD_LOG]), snapshot=without_logs)

    assert outcomes(report) == [("X001", Outcome.NOT_REQUESTED, "needs pods/log")]
    assert report.verdict is Verdict.HEALTHY


def test_where_else_a_missing_secret_is_matters_until_it_is_reported_as_missing():
    search = Unread(
        kind=Kind.SECRET, namespace=EVERYWHERE, name="cert", reason=UnreadReason.FORBIDDEN
    )
    snapshot = everything_read(unread=(search,))
    other = needing("X001", Kind.SECRET)

    alone = judged(other, snapshot=snapshot)
    beside = judged(
        other, rule("X002", finding(credentials=[("istio-system", "cert")])), snapshot=snapshot
    )

    assert [run.outcome for run in alone.checks] == [Outcome.SKIPPED]
    assert [run.outcome for run in beside.checks] == [Outcome.PASSED, Outcome.FAILED]


def test_a_check_that_searched_in_vain_for_it_has_not_passed_all_the_same():
    search = Unread(
        kind=Kind.SECRET, namespace=EVERYWHERE, name="cert", reason=UnreadReason.FORBIDDEN
    )
    missing = rule("X002", finding(credentials=[("istio-system", "cert")]))

    def judge(mesh: Mesh) -> Iterator[Finding]:
        return iter([finding()] if secrets_named(mesh, "cert") else [])

    searching = Check(
        code="X001",
        name="elsewhere",
        severity=Severity.HIGH,
        judge=judge,
    )
    report = judged(searching, missing, snapshot=everything_read(unread=(search,)))

    assert [run.outcome for run in report.checks] == [Outcome.SKIPPED, Outcome.FAILED]


def test_a_check_is_not_skipped_for_want_of_what_only_illustrates():
    events = Unread(kind=Kind.EVENT, namespace="shop", reason=UnreadReason.FORBIDDEN)
    illustrated = rule("X001", needs=[Kind.POD], evidence=[Kind.EVENT])

    report = judged(illustrated, snapshot=everything_read(unread=(events,)))

    assert [run.outcome for run in report.checks] == [Outcome.PASSED]
    assert report.verdict is Verdict.HEALTHY


# What follows from the code of a check


@question
def careless(mesh: Mesh) -> int:
    return len(mesh.all(Pod))


def asking(code: str, *asked: Question[[], Any]) -> Check:
    """Return a stranger's check that asks what a tuple holds, which its code does not name."""

    def judge(mesh: Mesh) -> Iterator[Finding]:
        for each in asked:
            each(mesh)
        return iter(())

    return replace(rule(code), judge=judge, origin="acme 1.0")


def naming(code: str, asked: Question[[], Any]) -> Check:
    def judge(mesh: Mesh) -> Iterator[Finding]:
        asked(mesh)
        return iter(())

    return replace(rule(code), judge=judge, origin="acme 1.0")


def test_a_strangers_check_that_rests_on_what_nobody_could_know_is_errored():
    report = judged(asking("X001", about(Kind.POD)))

    ((_, outcome, reason),) = outcomes(report)
    assert outcome is Outcome.ERRORED
    assert reason.startswith("UnknownNeed: it rests on pods, which does not follow from")


def test_it_is_so_for_log_lines_too():
    @question(Kind.POD_LOG, logs={Meaning.SDS_PUSHED})
    def pushes(mesh: Mesh) -> None:
        return None

    ((_, outcome, reason),) = outcomes(judged(asking("X001", pushes)))

    assert outcome is Outcome.ERRORED
    assert reason.startswith("UnknownNeed: it rests on pods/log, sds-pushed, which")


def test_it_is_so_for_every_check_that_asks_a_question_which_reads_more_than_it_says():
    report = judged(naming("X001", careless), naming("X002", careless))

    assert [run.outcome for run in report.checks] == [Outcome.ERRORED, Outcome.ERRORED]


def test_it_is_so_however_often_the_same_mesh_is_judged():
    snapshot = everything_read()
    mesh = Mesh(snapshot)
    runs = [run_checks([naming("X001", careless)], each, snapshot) for each in (mesh, mesh)]
    later = run_checks([naming("X001", careless)], mesh.after(snapshot, frozenset()), snapshot)

    found = [run.outcome for each in (*runs, later) for run in each]
    assert found == [Outcome.ERRORED] * 3


@question
def endless(mesh: Mesh) -> int:
    return 1 + endless(mesh)


def test_a_check_whose_question_goes_in_a_circle_is_errored_and_says_which():
    report = judged(naming("X001", endless))

    assert outcomes(report) == [
        ("X001", Outcome.ERRORED, "OpenQuestion: endless was asked while it was being answered")
    ]


def test_what_it_names_it_may_ask():
    report = judged(naming("X001", about(Kind.POD)))

    assert [run.outcome for run in report.checks] == [Outcome.PASSED]


# The verdict


def problem(severity: Severity) -> Problem:
    return judged(rule("X001", finding(), severity=severity)).problems[0]


def run(outcome: Outcome) -> CheckRun:
    return CheckRun(code="X001", name="x", outcome=outcome)


LOOKED = [run(Outcome.PASSED), run(Outcome.FAILED), run(Outcome.NOT_REQUESTED)]


@pytest.mark.parametrize(
    ("severities", "runs", "expected"),
    [
        ([Severity.CRITICAL, Severity.LOW], LOOKED, Verdict.BROKEN),
        ([Severity.CRITICAL], [run(Outcome.SKIPPED)], Verdict.BROKEN),
        ([Severity.HIGH], LOOKED, Verdict.DEGRADED),
        ([Severity.MEDIUM], [run(Outcome.ERRORED)], Verdict.DEGRADED),
        ([Severity.LOW], [run(Outcome.SKIPPED)], Verdict.INCOMPLETE),
        ([Severity.INFO], [run(Outcome.ERRORED)], Verdict.INCOMPLETE),
        ([Severity.LOW, Severity.INFO], LOOKED, Verdict.HEALTHY),
        ([], [*LOOKED, run(Outcome.SKIPPED)], Verdict.INCOMPLETE),
        ([], LOOKED, Verdict.HEALTHY),
    ],
)
def test_the_verdict_is_the_first_that_applies(severities, runs, expected):
    assert verdict([problem(each) for each in severities], runs) is expected


def test_a_host_whose_way_is_not_known_is_not_healthy():
    dark = HostReport(host="shop.example.com", gateway=None, verdict=Verdict.INCOMPLETE)

    assert verdict([], LOOKED, [dark]) is Verdict.INCOMPLETE
