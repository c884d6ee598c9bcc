"""What is different between two reports: of one cluster, at two times."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.problem import Diagnosis, Problem, Ref, Severity
from istiodoctor.report import HostReport, Outcome, Report, Verdict

_BLIND = frozenset({"forbidden", "timed-out", "failed"})
"""Reasons of something unread that say nothing of what is there; the others are said of an
object that was found."""


class ChangeKind(StrEnum):
    """What became of a problem, in the order in which changes are told."""

    GONE = "gone"
    """It was looked for again, and is not there."""
    IGNORED = "ignored"
    """The configuration leaves it out now."""
    EXPLAINED = "explained"
    """It is there, as a symptom of another problem."""
    UNSEEN = "unseen"
    """It could not be looked for again, so nobody knows."""
    SEVERITY = "severity"
    """It is there, and better or worse than it was."""
    UNEXPLAINED = "unexplained"
    """It was a symptom; now it stands for itself."""
    NEW = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemChange:
    """What became of one problem."""

    kind: ChangeKind
    problem: Problem
    """As the newer report has it; where that has it no more, as the older one had it."""
    before: Severity | None = None
    """How bad it was, where that has changed."""
    cause: Diagnosis | None = None
    """What explains it now, or explained it before."""
    reason: str = ""
    """Why it could not be looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostChange:
    """What became of one host at one gateway."""

    host: str
    gateway: Ref | None
    before: Verdict | None
    """None where it was not served."""
    after: Verdict | None
    """None where it is served no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """All that two reports differ in."""

    problems: tuple[ProblemChange, ...] = ()
    """By kind, the worst of each first."""
    hosts: tuple[HostChange, ...] = ()
    """By host and gateway."""

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.problems or self.hosts)


def changes(older: Report, newer: Report) -> Changes:
    """Compare two reports; problems are the same where their fingerprints are.

    A problem that is not in the newer report is gone only if its check has looked, at no less
    than it saw before: a report that lacks it because something could not be read, or because
    its check was not selected, says nothing of it. A report with an error has seen nothing.
    """
    found = [*_left(older, newer), *_kept(older, newer), *_come(older, newer)]
    order = list(ChangeKind)
    found.sort(key=lambda each: (order.index(each.kind), each.problem.rank))
    return Changes(problems=tuple(found), hosts=tuple(_hosts(older, newer)))


def _left(older: Report, newer: Report) -> Iterator[ProblemChange]:
    """Yield what became of the problems that are none any more."""
    after, causes = _problems(newer), _causes(newer)
    ignored = {each.fingerprint for each in newer.ignored}
    blindness = _Blindness(older, newer)
    for fingerprint, problem in _problems(older).items():
        if fingerprint in after:
            continue
        if cause := causes.get(fingerprint):
            yield ProblemChange(kind=ChangeKind.EXPLAINED, problem=problem, cause=cause)
        elif fingerprint in ignored:
            yield ProblemChange(kind=ChangeKind.IGNORED, problem=problem)
        elif reason := blindness.to(problem.cause.code):
            yield ProblemChange(kind=ChangeKind.UNSEEN, problem=problem, reason=reason)
        else:
            yield ProblemChange(kind=ChangeKind.GONE, problem=problem)


def _kept(older: Report, newer: Report) -> Iterator[ProblemChange]:
    """Yield the problems that both reports have, where they are better or worse."""
    problems = _problems(older)
    for fingerprint, problem in _problems(newer).items():
        before = problems.get(fingerprint)
        if before and before.severity is not problem.severity:
            yield ProblemChange(kind=ChangeKind.SEVERITY, problem=problem, before=before.severity)


def _come(older: Report, newer: Report) -> Iterator[ProblemChange]:
    """Yield the problems that were none before."""
    problems, causes = _problems(older), _causes(older)
    for fingerprint, problem in _problems(newer).items():
        if fingerprint not in problems:
            cause = causes.get(fingerprint)
            kind = ChangeKind.UNEXPLAINED if cause else ChangeKind.NEW
            yield ProblemChange(kind=kind, problem=problem, cause=cause)


class _Blindness:
    """What the newer of two reports cannot know."""

    def __init__(self, older: Report, newer: Report) -> None:
        self._error = newer.error.message if newer.error else ""
        self._runs = {run.code: run for run in newer.checks}
        self._unread = sorted(_unread(newer) - _unread(older))

    def to(self, code: str) -> str:
        """Return why it cannot know of a finding of this code; empty if it can.

        A check that cannot look everywhere and finds nothing is skipped. Where it could not look
        everywhere before either, it would find now what it found then.
        """
        run = self._runs.get(code)
        if self._error or run is None:
            return self._error or "its check was not selected"
        match run.outcome:
            case Outcome.PASSED:
                return ""
            case Outcome.FAILED | Outcome.SKIPPED if not self._unread:
                return ""
            case Outcome.FAILED:  # for another subject: nothing tells what it could not read
                _, kind, namespace = self._unread[0]
                where = f" in {namespace}" if namespace else ""
                return f"{kind}{where} could not be read" if kind else "not all could be read"
            case _:
                return run.reason or f"its check was {run.outcome}"


def _problems(report: Report) -> dict[str, Problem]:
    return {problem.cause.fingerprint: problem for problem in report.problems}


def _unread(report: Report) -> frozenset[tuple[str, str, str]]:
    """Return the kinds and namespaces that a report is blind to.

    Single names do not count: pods that replace others are just as unread.
    """
    return frozenset(
        (each.api_group, each.kind, each.namespace)
        for each in report.unread
        if each.reason in _BLIND
    )


def _causes(report: Report) -> dict[str, Diagnosis]:
    """Return the problem of every symptom."""
    return {
        symptom.fingerprint: problem.cause
        for problem in report.problems
        for symptom in problem.symptoms
    }


def _hosts(older: Report, newer: Report) -> Iterator[HostChange]:
    before, after = _verdicts(older), _verdicts(newer)
    for key in sorted(before.keys() | after.keys(), key=lambda each: (each[0], str(each[1]))):
        if before.get(key) is not after.get(key):
            host, gateway = key
            yield HostChange(
                host=host, gateway=gateway, before=before.get(key), after=after.get(key)
            )


def _verdicts(report: Report) -> dict[tuple[str, Ref | None], Verdict]:
    """Return each host's verdict; the worst where several servers of a gateway have it."""
    found: dict[tuple[str, Ref | None], HostReport] = {}
    order = list(Verdict)
    for each in report.hosts:
        known = found.get((each.host, each.gateway))
        if known is None or order.index(each.verdict) < order.index(known.verdict):
            found[each.host, each.gateway] = each
    return {key: each.verdict for key, each in found.items()}
