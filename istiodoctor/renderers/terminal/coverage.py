"""The last part of the output: what could not be read, and which checks have run."""

from collections import Counter
from collections.abc import Iterable

from istiodoctor.renderers.phrases import counted, listed, unique
from istiodoctor.renderers.terminal.page import Page, Span
from istiodoctor.renderers.text import visible
from istiodoctor.report import CheckRun, Outcome, Report, UnreadReport

WORDS = {
    Outcome.PASSED: "passed",
    Outcome.FAILED: "found something",
    Outcome.SKIPPED: "could not look",
    Outcome.ERRORED: "broke",
    Outcome.NOT_REQUESTED: "not requested",
}
_EXPLAINED = (Outcome.ERRORED, Outcome.SKIPPED, Outcome.NOT_REQUESTED)
_GROUPS = 8
_CODES = 6
_PLACES = 3
_NOTES = 6
_KINDS = 12
_NOT_GIVEN = "not among the files: "
_NAME = 80
_TEXT = 240


def write_notes(page: Page, report: Report) -> None:
    """Write what the source has to say, and which APIs the cluster does not have."""
    notes = [visible(note, _TEXT) for note in report.scan.notes[:_NOTES]]
    if len(report.scan.notes) > _NOTES:
        notes.append(f"+{len(report.scan.notes) - _NOTES:,} more")
    if report.scan.absent_apis:
        notes.append(f"Not installed there: {listed(report.scan.absent_apis, _PLACES * 2)}")
    if notes:
        page.heading("Notes")
    for note in notes:
        page.paragraph(note, lead=("  - ",))


def write_unread(page: Page, report: Report) -> None:
    """Write what could not be read, one line for each kind and reason; then what was not given."""
    if report.unread:
        groups: dict[tuple[str, str, str], list[UnreadReport]] = {}
        for unread in report.unread:
            groups.setdefault((unread.kind, unread.api_group, unread.reason), []).append(unread)
        page.heading("Unread", f"{len(report.unread):,} that could not be read")
        page.rows(_unread_row(*key, group) for key, group in list(groups.items())[:_GROUPS])
        _write_rest(page, len(groups) - _GROUPS)
    if report.outside:
        outside: dict[str, list[UnreadReport]] = {}
        for each in report.outside:
            outside.setdefault(each.reason, []).append(each)
        page.heading("Not known", "what else there is of these kinds")
        page.rows(_outside_row(reason, each) for reason, each in outside.items())


def _outside_row(reason: str, unread: list[UnreadReport]) -> tuple[Span, ...]:
    names = listed(unique(each.kind for each in unread), _KINDS)
    messages = unique(each.message for each in unread)
    words = f": {visible(messages[0], _TEXT)}" if messages else ""
    return (visible(reason, _NAME), "magenta"), f"{names}{words}"


def _unread_row(
    kind: str, group: str, reason: str, unread: list[UnreadReport]
) -> tuple[Span, ...]:
    what = visible(f"{kind}.{group}" if group else kind or "document", _NAME)
    places = unique(_place(one) for one in unread)
    where = f" {listed(places, _PLACES)}" if places else ""
    messages = unique(one.message for one in unread)
    words = f": {visible(messages[0], _TEXT)}" if messages else ""
    return (visible(reason, _NAME), "magenta"), f"{what}{where}{words}"


def _place(unread: UnreadReport) -> str:
    if unread.file:
        return f"{unread.file}:{unread.line}" if unread.line else unread.file
    if unread.name:
        return f"{unread.namespace}/{unread.name}" if unread.namespace else unread.name
    return f"in {unread.namespace}" if unread.namespace else ""


def write_checks(page: Page, report: Report) -> None:
    """Write how many checks had which outcome and, by reason, why some did not look."""
    if not report.checks:
        return
    counts = Counter(run.outcome for run in report.checks)
    outcomes = ", ".join(
        f"{counts[outcome]:,} {word}" for outcome, word in WORDS.items() if counts[outcome]
    )
    page.heading("Checks", f"{len(report.checks):,}: {outcomes}")
    rows = list(_reason_rows(report.checks))
    page.rows(rows[:_GROUPS])
    _write_rest(page, len(rows) - _GROUPS)


def _reason_rows(checks: Iterable[CheckRun]) -> Iterable[tuple[Span, ...]]:
    groups: dict[tuple[Outcome, str], list[str]] = {}
    for run in checks:
        groups.setdefault((run.outcome, _in_short(run)), []).append(run.code)
    for outcome in _EXPLAINED:
        same = [(reason, codes) for (kind, reason), codes in groups.items() if kind is outcome]
        for reason, codes in sorted(same, key=lambda group: -len(group[1])):
            words = f"{visible(reason, _TEXT)}  " if reason else ""
            yield WORDS[outcome], f"{words}[{listed(codes, _CODES)}]"


def _in_short(run: CheckRun) -> str:
    """Return the reason; the kinds that were not given are listed once, under Not known."""
    reason, found, _ = run.reason.partition(_NOT_GIVEN)
    return f"{reason}{_NOT_GIVEN.rstrip(': ')}" if found else reason


def _write_rest(page: Page, number: int) -> None:
    if number > 0:
        page.paragraph((f"+{counted(number, 'more group')}: --output json", "dim"), lead=("  ",))
