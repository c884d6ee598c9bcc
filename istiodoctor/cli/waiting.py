"""Scan again and again until nothing that counts remains, or time is up."""

import gc
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import NamedTuple

from istiodoctor.changes import ChangeKind, changes
from istiodoctor.cli.lines import Lines, lines
from istiodoctor.problem import Problem, Severity
from istiodoctor.renderers.phrases import counted, listed, unique
from istiodoctor.renderers.terminal.changes import Line, change_lines, problem_lines
from istiodoctor.report import Report

FIRST_PAUSE = 2.0
LONGEST_PAUSE = 10.0
"""Seconds between the end of a scan and the next: as long as a scan takes, at least, and longer
from one to the next; a change brings the short one back."""
GROWTH = 1.5
PASSING = frozenset({"unreachable", "timed-out"})
"""Errors of a first scan that are waited for; whatever else is wrong stays so."""
_CODES = 5


@dataclass(frozen=True, slots=True)
class Subject:
    """One cluster that is looked at again and again, and the last that was seen of it."""

    name: str
    """Empty where there is one only."""
    look: Callable[[], Report]
    """Scans it, opened anew: credentials, time limit and clock begin again."""
    report: Report
    lost: str = ""
    """What the last look could not see, and why; empty if the report is of the last look."""


class Waited(NamedTuple):
    """How waiting ended."""

    reports: tuple[Report, ...]
    """The last of each subject that saw what was waited for."""
    is_interrupted: bool = False


def wait(subjects: Sequence[Subject], limit: Severity, *, seconds: float, since: float) -> Waited:
    """Look again until no subject has anything to wait for, or the time is up.

    That is a problem at the limit or above, one that is so new that it may be over by itself, or
    a cluster that cannot be reached. `seconds` count from `since`, a time of the monotonic clock.
    A look that has begun when they are over is finished; the last begins when they are over,
    at the latest. Ctrl-C ends the waiting as well.
    """
    waiting = _Waiting(tuple(subjects), limit, since=since, until=since + seconds)
    if not waiting.remaining():
        return waiting.waited()
    with lines(waiting.status) as shown:
        try:
            waiting.watch(shown)
        except KeyboardInterrupt:
            return waiting.waited(is_interrupted=True)
    return waiting.waited()


class _Waiting:
    def __init__(
        self, subjects: tuple[Subject, ...], limit: Severity, *, since: float, until: float
    ) -> None:
        self._subjects = subjects
        self._limit = limit
        self._since = since
        self._until = until
        self._looks = 1
        self._next: float | None = None
        """When the next look begins; None during one."""

    def waited(self, *, is_interrupted: bool = False) -> Waited:
        """Return what there is so far."""
        reports = tuple(each.report for each in self._subjects)
        return Waited(reports, is_interrupted)

    def remaining(self) -> tuple[str, ...]:
        """Return what is waited for: codes, and clusters that cannot be reached."""
        return tuple(unique(name for each in self._subjects for name in self._awaited(each)))

    def _awaited(self, subject: Subject) -> Iterator[str]:
        error = subject.report.error
        if error and error.kind in PASSING:
            yield f"no answer from {subject.name or 'the cluster'}"
        for problem in subject.report.problems:
            if _counts(problem, self._limit):
                yield problem.cause.code

    def status(self) -> str:
        """Return the line that is renewed: what changes most comes first, what may be cut last."""
        now, then = time.monotonic(), self._next
        ahead = f" in {ceil(then - now)}s" if then and then > now else ""
        times = f"{_span(now - self._since)} of {_span(self._until - self._since)}"
        remainder = self._remainder()
        return f"{times}, looking again{ahead}; remaining: {remainder}" if remainder else times

    def _remainder(self) -> str:
        return listed(self.remaining(), _CODES)

    def watch(self, shown: Lines) -> None:
        """Look until the end, and say what changes."""
        self._begin(shown)
        pause = FIRST_PAUSE
        while self.remaining() and (left := self._until - time.monotonic()) > 0:
            self._pause(min(pause, left))
            began = time.monotonic()
            news = self._look()
            took = time.monotonic() - began
            for line in news:
                shown.say(line)
            pause = min(max(FIRST_PAUSE if news else pause * GROWTH, took), LONGEST_PAUSE)
        self._end(shown)

    def _begin(self, shown: Lines) -> None:
        seconds = _span(self._until - self._since)
        what = f"waiting up to {seconds} until nothing {self._limit} or worse remains"
        shown.say((f"{what}; times are UTC",))
        for subject in self._subjects:
            counting = [each for each in subject.report.problems if _counts(each, self._limit)]
            for line in problem_lines(counting):
                shown.say(_of(subject, line))

    def _pause(self, seconds: float) -> None:
        _collect_garbage()
        self._next = time.monotonic() + seconds
        time.sleep(seconds)
        self._next = None

    def _look(self) -> list[Line]:
        """Look at every subject, and return what to say of it."""
        after = tuple(_looked_at(each, self._limit) for each in self._subjects)
        self._looks += 1
        news = [
            _of(subject, line)
            for before, subject in zip(self._subjects, after, strict=True)
            for line in _news(before, subject)
        ]
        self._subjects = after
        return news

    def _end(self, shown: Lines) -> None:
        spent = f"{_span(time.monotonic() - self._since)}, {counted(self._looks, 'scan')}"
        if self.remaining():
            shown.say((("time is up", "bold"), f"; remaining: {self._remainder()} ({spent})"))
        elif any(each.report.error for each in self._subjects):
            shown.say((f"nothing is left to wait for ({spent})",))
        else:
            shown.say((f"nothing {self._limit} or worse remains ({spent})",))
        for subject in self._subjects:
            if subject.lost:
                seen = f"{subject.report.scan.taken_at:%H:%M:%S}"
                shown.say(_of(subject, (f"the report is of {seen}; later looks saw less",)))


def _collect_garbage() -> None:
    """Free what the last look has left, a whole cluster: the command has switched that off.

    Ctrl-C is kept until the end: Python would lose it in a finalizer.
    """
    pressed: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        gc.collect()
    finally:
        signal.signal(signal.SIGINT, handler)
    if pressed:
        raise KeyboardInterrupt


def _counts(problem: Problem, limit: Severity) -> bool:
    return problem.severity.rank <= limit.rank or problem.is_settling


def _looked_at(subject: Subject, limit: Severity) -> Subject:
    """Return the subject after one more look.

    One that could not see what is waited for leaves the report as it was: nobody knows whether
    that is gone.
    """
    report = subject.look()
    if report.error and not subject.report.error:
        return replace(subject, lost=f": {report.error.message}")
    for each in changes(subject.report, report).problems:
        if each.kind is ChangeKind.UNSEEN and _counts(each.problem, limit):
            code = each.problem.cause.code
            return replace(subject, lost=f" for {code}: {each.reason}")
    return replace(subject, report=report, lost="")


def _news(before: Subject, after: Subject) -> Iterator[Line]:
    """Yield what one more look at a subject has brought; the same loss is said once."""
    if after.lost:
        if after.lost != before.lost:
            yield (("could not look", "bold"), f"{after.lost}; trying again")
        return
    if before.lost or (before.report.error and not after.report.error):
        yield ("can look again",)
    yield from change_lines(changes(before.report, after.report))
    error = after.report.error
    if error and error != before.report.error:
        yield (("could not look", "bold"), f": {error.message}")


def _of(subject: Subject, line: Line) -> Line:
    return ((f"{subject.name}: ", "bold"), *line) if subject.name else line


def _span(seconds: float) -> str:
    """Return `45s`, `2m05s`, `1h00m`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"
