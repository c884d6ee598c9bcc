"""What changed between two scans: one line for each change, for people who watch."""

from collections.abc import Iterable, Iterator

from istiodoctor.changes import ChangeKind, Changes, HostChange, ProblemChange
from istiodoctor.problem import Problem
from istiodoctor.renderers.phrases import listed, title_of, unique
from istiodoctor.renderers.terminal.headline import STYLES as VERDICTS
from istiodoctor.renderers.terminal.page import Span
from istiodoctor.renderers.terminal.problems import STYLES as SEVERITIES
from istiodoctor.renderers.text import visible
from istiodoctor.report import Verdict

Line = tuple[Span, ...]
"""One line of raw text; `Page` makes it safe to show, and so does `one_line`."""

_LINES = 20
_CODE = 16
_TEXT = 160
_HOSTS = 4


def one_line(line: Line) -> str:
    """Return a line as plain text without a line break, safe to show."""
    return "".join(visible(span if isinstance(span, str) else span[0]) for span in line)


def problem_lines(problems: Iterable[Problem]) -> list[Line]:
    """Return one line for each problem; many are cut."""
    return _bounded([_named(problem) for problem in problems])


def change_lines(changes: Changes) -> list[Line]:
    """Return one line for each change of a problem, and one for hosts that changed alike."""
    return [*_bounded([_changed(each) for each in changes.problems]), *_hosts(changes.hosts)]


def _bounded(lines: list[Line]) -> list[Line]:
    rest = len(lines) - _LINES
    return [*lines[:_LINES], (f"+{rest:,} more",)] if rest > 0 else lines


def _changed(change: ProblemChange) -> Line:
    problem, cause = change.problem, change.cause.code if change.cause else ""
    match change.kind:
        case ChangeKind.GONE:
            return (("gone: ", "bold green"), *_subject(problem))
        case ChangeKind.NEW:
            return (("new: ", "bold"), *_named(problem))
        case ChangeKind.SEVERITY:
            was = f" (was {change.before})"
            return (("changed severity: ", "bold"), *_named(problem), was)
        case ChangeKind.EXPLAINED:
            return ((f"explained by {visible(cause, _CODE)}: ", "bold"), *_subject(problem))
        case ChangeKind.UNEXPLAINED:
            lead = f"no longer explained by {visible(cause, _CODE)}: "
            return ((lead, "bold"), *_named(problem))
        case ChangeKind.UNSEEN:
            reason = visible(change.reason, _TEXT)
            return (("could not look: ", "bold"), *_subject(problem), f" ({reason})")
        case ChangeKind.IGNORED:
            return (("ignored: ", "bold"), *_subject(problem))


def _named(problem: Problem) -> Line:
    severity = (str(problem.severity), SEVERITIES[problem.severity])
    passing = " (it may be over by itself)" if problem.is_settling else ""
    return (severity, " ", *_subject(problem), passing)


def _subject(problem: Problem) -> Line:
    cause = problem.cause
    title = visible(title_of(cause), _TEXT)
    return (
        (visible(cause.code, _CODE), "bold"),
        f" {title}: {visible(str(cause.subject), _TEXT)}",
    )


def _hosts(changes: Iterable[HostChange]) -> Iterator[Line]:
    """Yield one line for all hosts with the same change; those served before and after only."""
    groups: dict[tuple[Verdict, Verdict], list[str]] = {}
    for each in changes:
        if each.before and each.after:
            groups.setdefault((each.before, each.after), []).append(each.host)
    for (before, after), hosts in groups.items():
        names = listed(unique(hosts), _HOSTS)
        yield ("now ", (str(after), VERDICTS[after]), f", was {before}: {names}")
