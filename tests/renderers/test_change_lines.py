"""Changes between two looks, in a line each."""

from dataclasses import replace

from istiodoctor.changes import Changes, HostChange, changes
from istiodoctor.problem import Diagnosis, Problem, Severity
from istiodoctor.renderers.terminal.changes import change_lines, one_line, problem_lines
from istiodoctor.report import HostReport, Ignored, Report, ScanError, Verdict
from tests.support.reports import (
    GATEWAY,
    broken_report,
    error_report,
    healthy_report,
    hostile_report,
    many_problems_report,
)

BROKEN, HEALTHY = broken_report(), healthy_report()


def lines(older: Report, newer: Report) -> list[str]:
    return [one_line(line) for line in change_lines(changes(older, newer))]


def with_problems(*problems: Problem) -> Report:
    return replace(BROKEN, problems=problems)


def alone(diagnosis: Diagnosis) -> Problem:
    return Problem(
        rank=1,
        cause=replace(diagnosis, caused_by=()),
        severity=diagnosis.own_severity,
        confidence=diagnosis.confidence,
        hosts=diagnosis.hosts,
        deadline=None,
    )


def test_each_kind_of_change_is_one_line():
    first = BROKEN.problems[0]
    bare = replace(first, symptoms=())
    symptom = alone(first.symptoms[0])
    milder = replace(bare, severity=Severity.LOW)
    title, subject = first.cause.title, first.cause.subject
    about = f"{first.cause.code} {title}: {subject}"
    below = f"{symptom.cause.code} {symptom.cause.title}: {symptom.cause.subject}"
    ignored = Ignored(
        fingerprint=first.cause.fingerprint, code="x", reason="known", until=None, by=""
    )
    nothing = replace(with_problems(), error=ScanError(kind="unreachable", message="no route"))

    assert lines(with_problems(), with_problems(bare)) == [f"new: critical {about}"]
    assert lines(with_problems(milder), with_problems(bare)) == [
        f"changed severity: critical {about} (was low)"
    ]
    assert lines(with_problems(symptom), with_problems(first)) == [
        f"explained by {first.cause.code}: {below}",
        f"new: critical {about}",
    ]
    assert lines(with_problems(first), with_problems(symptom)) == [
        f"gone: {about}",
        f"no longer explained by {first.cause.code}: {symptom.severity} {below}",
    ]
    assert lines(with_problems(bare), replace(with_problems(), ignored=(ignored,))) == [
        f"ignored: {about}"
    ]
    assert lines(with_problems(bare), replace(nothing, hosts=BROKEN.hosts)) == [
        f"could not look: {about} (no route)"
    ]


def test_hosts_that_changed_alike_share_a_line():
    def serving(verdict: Verdict, *hosts: str) -> Report:
        served = (HostReport(host=host, gateway=GATEWAY, verdict=verdict) for host in hosts)
        return replace(HEALTHY, hosts=tuple(served))

    older = serving(Verdict.BROKEN, "a", "b", "c", "d", "e", "f", "gone")
    newer = serving(Verdict.HEALTHY, "a", "b", "c", "d", "e", "f", "new")

    assert lines(older, newer) == ["now healthy, was broken: a, b, c, d, +2 more"]


def test_many_changes_are_cut():
    shown = lines(error_report(), many_problems_report())

    assert len(shown) == 21
    assert shown[-1] == f"+{len(many_problems_report().problems) - 20} more"
    assert len(problem_lines(many_problems_report().problems)) == 21


def test_nothing_that_was_read_can_drive_a_terminal():
    hostile = hostile_report()
    host = HostChange(host="\x1b[2J\n", gateway=None, before=Verdict.BROKEN, after=Verdict.HEALTHY)

    shown = [
        *lines(with_problems(), hostile),
        *lines(hostile, with_problems()),
        *(one_line(line) for line in change_lines(Changes(hosts=(host,)))),
    ]

    assert len(shown) >= 3
    assert all(line.isprintable() for line in shown)
