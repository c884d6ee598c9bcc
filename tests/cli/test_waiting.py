"""When waiting ends, and which report is left: looks that were made up."""

import re
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from istiodoctor.cli.waiting import Subject, Waited, wait
from istiodoctor.finding import Severity
from istiodoctor.report import CheckRun, Outcome, Report, ScanError, UnreadReport, Verdict
from tests.diagnosis.rules import finding, gateway, judged, rule

HIGH = Severity.HIGH
BROKEN = judged(rule("AAA001", finding(gateway("shop"), severity=HIGH)))
MENDED = judged(rule("AAA001"))
SETTLING = judged(rule("AAA001", finding(severity=Severity.LOW, is_settling=True)))
BLIND = replace(
    MENDED,
    verdict=Verdict.INCOMPLETE,
    checks=(
        CheckRun(code="AAA001", name="a", outcome=Outcome.SKIPPED, reason="secrets: forbidden"),
    ),
    unread=(
        UnreadReport(
            api_group="", kind="Secret", namespace="shop", name="", reason="forbidden", message=""
        ),
    ),
)


def failed(kind: str) -> Report:
    error = ScanError(kind=kind, message=f"it is {kind}")
    return replace(MENDED, verdict=Verdict.INCOMPLETE, checks=(), error=error)


def never() -> Report:
    raise AssertionError("there was no need to look again")


def looks(*reports: Report) -> Callable[[], Report]:
    """Return a look that sees these in turn, and the last of them from then on."""
    coming = list(reports)
    return lambda: coming.pop(0) if len(coming) > 1 else coming[0]


def waited(first: Report, look: Callable[[], Report], seconds: float = 0.5) -> Waited:
    return wait((Subject("", look, first),), HIGH, seconds=seconds, since=time.monotonic())


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines after the first two, without what differs from run to run."""
    lines = capsys.readouterr().err.splitlines()
    return [re.sub(r"^[\d:]{8} | \(\w+, \d+ scans?\)$", "", line) for line in lines[2:]]


@pytest.mark.parametrize("kind", ["unauthorized", "no-istio", "no-kubeconfig"])
def test_what_does_not_pass_by_itself_is_not_waited_for(kind: str):
    assert waited(failed(kind), never).reports == (failed(kind),)


def test_nor_is_what_there_is_no_time_left_for():
    begun = time.monotonic() - 60

    assert wait((Subject("", never, BROKEN),), HIGH, seconds=5, since=begun) == ((BROKEN,), False)


@pytest.mark.parametrize("kind", ["unreachable", "timed-out"])
def test_a_cluster_that_does_not_answer_is_waited_for(kind: str):
    assert waited(failed(kind), looks(MENDED)).reports == (MENDED,)


def test_once_it_has_answered_nothing_is_taken_for_final(capsys: pytest.CaptureFixture[str]):
    look = looks(failed("unauthorized"), failed("unauthorized"), MENDED)

    assert waited(BROKEN, look, seconds=60).reports == (MENDED,)
    assert said(capsys) == [
        "could not look: it is unauthorized; trying again",
        "can look again",
        "gone: AAA001 problem-aaa001: Gateway shop/shop",
        "nothing high or worse remains",
    ]


def test_what_may_be_over_by_itself_is_waited_for_however_low():
    assert waited(SETTLING, looks(MENDED)).reports == (MENDED,)


def test_a_look_that_could_not_see_leaves_the_report_as_it_was(
    capsys: pytest.CaptureFixture[str],
):
    assert waited(BROKEN, looks(BLIND)).reports == (BROKEN,)
    assert said(capsys) == [
        "could not look for AAA001: secrets: forbidden; trying again",
        "time is up; remaining: AAA001",
        "the report is of 12:00:00; later looks saw less",
    ]


def test_a_name_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str]):
    hostile = judged(
        rule("AAA001", finding(gateway("\x1b[2J\u202e\n12:00:00 gone"), severity=HIGH))
    )

    waited(hostile, looks(MENDED))

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert all(line.isascii() and line.isprintable() for line in lines)


def test_ctrl_c_leaves_what_the_last_whole_round_has_seen():
    def interrupted() -> Report:
        raise KeyboardInterrupt

    subjects = (Subject("blue", looks(MENDED), BROKEN), Subject("green", interrupted, BROKEN))

    assert wait(subjects, HIGH, seconds=60, since=time.monotonic()) == ((BROKEN, BROKEN), True)
