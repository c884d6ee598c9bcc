"""An answer for each host that `--host` asked about, also when nothing is wrong."""

from istiodoctor.problem import Severity
from istiodoctor.renderers.phrases import listed, numbered, unique
from istiodoctor.renderers.terminal.headline import verdict_span
from istiodoctor.renderers.terminal.page import Page
from istiodoctor.renderers.terminal.served import where_it_breaks
from istiodoctor.renderers.text import visible
from istiodoctor.report import HostReport, Outcome, Report, Verdict

_HOST = 100
_DNS_NAME = 253
"""How long a DNS name can be."""

_REASONS = 4
_UNWELL = (Verdict.BROKEN, Verdict.DEGRADED)
_VERDICTS = {
    Severity.CRITICAL: Verdict.BROKEN,
    Severity.HIGH: Verdict.DEGRADED,
    Severity.MEDIUM: Verdict.DEGRADED,
}


def write_answers(page: Page, report: Report) -> None:
    """Write one answer for each host in the scope, and what none of them takes into account."""
    if not report.scope_hosts:
        return
    answers = [(host, *_answer(host, report)) for host in report.scope_hosts]
    page.blank()
    page.rows(
        (verdict_span(verdict, visible(host, _HOST)), words) for host, verdict, words in answers
    )
    if unseen := _unseen(report):
        page.paragraph(f"Not looked at: {unseen}", lead=("  ",))


def _answer(host: str, report: Report) -> tuple[Verdict, str]:
    covering = _names_covering(host)
    served = _served(covering, report.hosts)
    problems = [
        problem
        for problem in report.problems
        if any(name.lower() in covering for name in problem.hosts)
    ]
    see = f"see {numbered(problem.rank for problem in problems)}" if problems else ""
    worst = [_VERDICTS[one.severity] for one in problems if one.severity in _VERDICTS]
    verdict = served.verdict if served else Verdict.INCOMPLETE
    if served and served.gateway is None:
        near = served.path[-1].text.partition("; ")[2]
        said = "; ".join(filter(None, ("no gateway that I can see serves it", near)))
    elif served and verdict in _UNWELL:
        said = _breaking(served)
    elif worst:
        verdict = worst[0]
        said = str(verdict)
    else:
        fine = "nothing that breaks it" if problems else "nothing wrong that I can see"
        said = fine if served else "no gateway that I can see serves it"
    return verdict, "; ".join(filter(None, (said, see)))


def _breaking(served: HostReport) -> str:
    place = where_it_breaks(served)
    return f"{served.verdict} at the {place}" if place else str(served.verdict)


def _served(covering: frozenset[str], hosts: tuple[HostReport, ...]) -> HostReport | None:
    """Return the report about this host, else about the longest wildcard that covers it."""
    reports = [report for report in hosts if report.host.lower() in covering]
    return max(reports, key=lambda report: len(report.host), default=None)


def _names_covering(host: str) -> frozenset[str]:
    """Return the host and every wildcard that it falls under."""
    name = host[:_DNS_NAME].lower()
    dots = [index for index, character in enumerate(name) if character == "."]
    return frozenset({name, "*", *(f"*{name[dot:]}" for dot in dots)})


def _unseen(report: Report) -> str:
    """Return what could not be judged, so that nothing wrong is not taken for all well."""
    reasons = unique(
        run.reason or run.name
        for run in report.checks
        if run.outcome in (Outcome.SKIPPED, Outcome.ERRORED, Outcome.NOT_REQUESTED)
    )
    return listed(reasons, _REASONS, limit=160, separator="; ")
