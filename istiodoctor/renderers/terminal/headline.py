"""The first lines: the verdict, what was looked at, and how much of it could be seen."""

from istiodoctor.renderers.phrases import (
    counted,
    listed,
    severity_counts,
    timestamp,
    unique,
)
from istiodoctor.renderers.terminal.page import Page, Span
from istiodoctor.renderers.text import visible
from istiodoctor.report import Outcome, Report, Verdict

GLYPHS = {
    Verdict.BROKEN: "✗",
    Verdict.DEGRADED: "!",
    Verdict.INCOMPLETE: "?",
    Verdict.HEALTHY: "✓",
}
STYLES = {
    Verdict.BROKEN: "bold red",
    Verdict.DEGRADED: "bold yellow",
    Verdict.INCOMPLETE: "bold magenta",
    Verdict.HEALTHY: "bold green",
}
NOT_GIVEN = "not-given"
NOT_REQUESTED = "not-requested"
_UNWELL = frozenset({Verdict.BROKEN, Verdict.DEGRADED})
_SOURCE_LIMIT = 100
_SEPARATOR = "  ·  "


def verdict_span(verdict: Verdict, word: str = "") -> Span:
    """Return the verdict as a sign and a word, so that colour only repeats it."""
    return (f"{GLYPHS[verdict]} {word or verdict}", STYLES[verdict])


def write_headline(page: Page, report: Report) -> None:
    """Write the verdict on one line and, under it, the facts that qualify it."""
    verdict = verdict_span(report.verdict, report.verdict.upper())
    column = len(verdict[0]) + 2
    first, *others = _filled(_facts(report), page.prose - column)
    page.paragraph(first, lead=(verdict, "  "))
    for line in others:
        page.paragraph((line, "dim"), lead=(" " * column,))
    if report.error:
        page.blank()
        page.paragraph(report.error.message, f" ({report.error.kind})", lead=("  ",))


def _outline(report: Report) -> str:
    if report.error:
        return "nothing could be scanned"
    return ", ".join(filter(None, (_found(report), _broke(report))))


def _found(report: Report) -> str:
    """Say what was found: problems, or hosts that are not well for another reason."""
    if counts := severity_counts(report):
        return counts
    unwell = sum(host.verdict in _UNWELL for host in report.hosts)
    if unwell:
        return f"no check found why, but {counted(unwell, 'host')} not well"
    if report.verdict is Verdict.INCOMPLETE:
        return "nothing wrong in what could be read"
    return "nothing wrong found"


def _broke(report: Report) -> str:
    """Say which checks broke: nobody knows what they would have found."""
    broken = [run.code for run in report.checks if run.outcome is Outcome.ERRORED]
    return f"{counted(len(broken), 'check')} broke ({listed(broken, 3)})" if broken else ""


def _source(report: Report) -> str:
    kind, _, where = report.scan.source.partition(":")
    where = where or report.scan.cluster.context
    return visible(f"{kind} {where}".rstrip(), _SOURCE_LIMIT)


def _facts(report: Report) -> list[str]:
    """Return the outline of what was found, then what qualifies it."""
    facts = [_outline(report), _source(report), timestamp(report.scan.taken_at)]
    if report.error:
        return facts
    if report.scan.istio_versions:
        facts.append(_istio(report))
    if report.hosts:
        facts.append(counted(len(report.hosts), "host"))
    checks = counted(len(report.checks) or report.tool.checks, "check")
    unseen = sum(run.outcome is Outcome.SKIPPED for run in report.checks)
    facts.append(f"{checks}, {unseen:,} could not look" if unseen else checks)
    if not_given := sorted({each.kind for each in report.outside if each.reason == NOT_GIVEN}):
        facts.append(f"not among the files: {listed(not_given, 3)}")
    if any(each.reason == NOT_REQUESTED for each in report.outside):
        facts.append("other namespaces not looked into")
    return facts


def _filled(facts: list[str], width: int) -> list[str]:
    """Return the facts on as few lines as they fit on, broken only between two of them."""
    lines = facts[:1]
    for fact in facts[1:]:
        longer = lines[-1] + _SEPARATOR + fact
        if len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(fact)
    return lines


def _istio(report: Report) -> str:
    """Return `Istio 1.24.1`, or each version with what runs it where they differ."""
    found = report.scan.istio_versions
    versions = unique(version.version for version in found)
    if len(versions) == 1:
        return f"Istio {visible(versions[0], 40)}"
    parts = unique(
        f"{version.version} ({version.component}"
        + (f" {version.revision})" if version.revision not in ("", "default") else ")")
        for version in found
    )
    return f"Istio {listed(parts, 4)}"
