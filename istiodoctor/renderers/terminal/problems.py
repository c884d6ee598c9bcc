"""The problems: what is wrong, for whom, what to change, the evidence, and the fixes."""

from collections.abc import Iterable

from istiodoctor.problem import (
    BaselineState,
    Corroboration,
    Diagnosis,
    Evidence,
    EvidenceKind,
    Place,
    Problem,
    Severity,
)
from istiodoctor.renderers.phrases import (
    certainty,
    clock,
    counted,
    listed,
    numbered,
    relative,
    timestamp,
    title_of,
    unique,
)
from istiodoctor.renderers.terminal.fixes import write_fixes
from istiodoctor.renderers.terminal.page import Page, Span
from istiodoctor.renderers.text import visible
from istiodoctor.report import Report

STYLES = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "dim",
}
_CODE = 16
_IN_FULL = 20
_IN_BRIEF = 30
_HOSTS = 4
_OBJECTS = 4
_EVIDENCE = 5
_SYMPTOMS = 5
_TEXT = 400
_TITLE = 160


def write_problems(page: Page, report: Report) -> None:
    """Write the first problems in full and one line for each of the others."""
    ranks = {problem.cause.fingerprint: problem.rank for problem in report.problems}
    for problem in report.problems[:_IN_FULL]:
        page.rule()
        _write_problem(page, problem, report, ranks)
    _write_brief(page, report.problems[_IN_FULL:])
    if report.problems:
        page.rule()
        page.paragraph(
            (
                f"More about a code: istiodoctor explain {report.problems[0].cause.code}",
                "dim",
            )
        )


def write_comparison(page: Page, report: Report) -> None:
    """Write what is gone since the baseline, and what the configuration leaves out."""
    if report.resolved:
        page.heading("Resolved", f"{len(report.resolved):,} since the baseline")
        page.rows((diagnosis.code, _brief(diagnosis)) for diagnosis in report.resolved[:_IN_FULL])
        _write_rest(page, len(report.resolved) - _IN_FULL)
    if report.ignored:
        page.heading("Ignored", f"{len(report.ignored):,}, as configured")
        page.rows(
            (
                ignored.code,
                visible(ignored.reason, _TEXT)
                + (f", until {ignored.until:%Y-%m-%d}" if ignored.until else "")
                + (f" ({visible(ignored.by, _TITLE)})" if ignored.by else ""),
            )
            for ignored in report.ignored[:_IN_FULL]
        )
        _write_rest(page, len(report.ignored) - _IN_FULL)


def _write_brief(page: Page, problems: tuple[Problem, ...]) -> None:
    """Write one line for each code and severity among the problems that come later."""
    groups: dict[tuple[Severity, str], list[Diagnosis]] = {}
    for problem in problems:
        key = (problem.severity, problem.cause.code)
        groups.setdefault(key, []).append(problem.cause)
    if not groups:
        return
    page.heading("Besides", f"{counted(len(problems), 'more problem')}, less urgent")
    page.rows(
        (
            (severity.upper(), STYLES[severity]),
            visible(code, _CODE),
            f"{visible(title_of(causes[0]), _TITLE)}: {_subjects(causes)}",
        )
        for (severity, code), causes in list(groups.items())[:_IN_BRIEF]
    )
    _write_rest(page, len(groups) - _IN_BRIEF)


def _subjects(diagnoses: Iterable[Diagnosis]) -> str:
    return listed(unique(str(one.subject) for one in diagnoses), 2, limit=_TITLE)


def _write_rest(page: Page, number: int) -> None:
    if number > 0:
        page.paragraph((f"+{number:,} more: --output json has them all", "dim"), lead=("  ",))


def _brief(diagnosis: Diagnosis) -> str:
    return f"{visible(title_of(diagnosis), _TITLE)}: {visible(str(diagnosis.subject), _TITLE)}"


def _write_problem(page: Page, problem: Problem, report: Report, ranks: dict[str, int]) -> None:
    cause = problem.cause
    now = report.scan.taken_at
    _write_title(page, problem)
    page.blank()
    page.paragraph(visible(cause.message, 2 * _TEXT), lead=("  ",))
    page.blank()
    if problem.hosts:
        page.field("hosts", listed(problem.hosts, _HOSTS))
    _write_objects(page, cause.objects)
    if problem.deadline:
        when = f"{relative(problem.deadline, now)} ({timestamp(problem.deadline)})"
        page.field("deadline", (when, "bold"))
    _write_evidence(page, cause.evidence, report)
    _write_symptoms(page, problem, ranks)
    write_fixes(page, cause)


def _write_title(page: Page, problem: Problem) -> None:
    cause = problem.cause
    tags = [certainty(problem.confidence)]
    if cause.corroboration is Corroboration.CONTRADICTED:
        tags.append("contradicted")
    if cause.baseline is BaselineState.NEW:
        tags.append("new")
    tag = ", ".join(filter(None, tags))
    page.paragraph(
        (visible(title_of(cause), _TITLE), "bold"),
        (f"  ({tag})" if tag else "", "dim"),
        lead=(
            (f"{problem.rank}  ", "bold"),
            (problem.severity.upper(), STYLES[problem.severity]),
            (f"  {visible(cause.code, _CODE)}  ", "bold"),
        ),
    )


def _write_objects(page: Page, objects: tuple[Place, ...]) -> None:
    subject, *others = objects
    file = f"  {visible(_file(subject), _TITLE)}" if subject.file else ""
    page.field("change", visible(str(subject.ref), _TITLE), (file, "cyan"))
    paths = unique(place.field for place in objects if place.ref == subject.ref)
    if paths:
        page.field("", listed(paths, 3, limit=_TITLE))
    related = unique(
        str(place.ref) + (f" ({_file(place)})" if place.file else "")
        for place in others
        if place.ref != subject.ref
    )
    for number, name in enumerate(related[:_OBJECTS]):
        page.field("" if number else "see also", visible(name, _TITLE))
    if len(related) > _OBJECTS:
        page.field("", f"+{len(related) - _OBJECTS:,} more")


def _file(place: Place) -> str:
    return f"{place.file}:{place.line}" if place.line else str(place.file)


def _write_evidence(page: Page, evidence: tuple[Evidence, ...], report: Report) -> None:
    label = "evidence"
    for item in evidence[:_EVIDENCE]:
        page.field(label, visible(item.text, _TEXT), (_origin(item, report), "dim"), mark="- ")
        label = ""
    if len(evidence) > _EVIDENCE:
        page.field("", f"+{len(evidence) - _EVIDENCE:,} more")


def _origin(evidence: Evidence, report: Report) -> str:
    """Return where a piece of evidence comes from, but for what its own words say already."""
    parts = [] if evidence.kind is EvidenceKind.OBJECT else [str(evidence.kind)]
    if evidence.ref and str(evidence.ref) not in evidence.text:
        parts.append(visible(str(evidence.ref), _TITLE))
    if evidence.at:
        parts.append(clock(evidence.at, report.scan.taken_at))
    return f"  ({', '.join(parts)})" if parts else ""


def _write_symptoms(page: Page, problem: Problem, ranks: dict[str, int]) -> None:
    label = "explains"
    groups = _by_code(problem.symptoms)
    for code, symptoms in groups[:_SYMPTOMS]:
        others = sorted(
            {ranks[by] for one in symptoms for by in one.caused_by if by in ranks} - {problem.rank}
        )
        also: Span = (f"  (also of {numbered(others)})", "dim") if others else ""
        words = f"{visible(title_of(symptoms[0]), _TITLE)}: {_subjects(symptoms)}"
        page.field(label, words, also, mark=f"{visible(code, _CODE)}  ")
        label = ""
    if len(groups) > _SYMPTOMS:
        page.field("", f"+{len(groups) - _SYMPTOMS:,} more codes")
    if problem.severity is not problem.cause.own_severity:
        page.field("", (f"{problem.cause.own_severity} by itself; these make it worse", "dim"))


def _by_code(symptoms: Iterable[Diagnosis]) -> list[tuple[str, list[Diagnosis]]]:
    groups: dict[str, list[Diagnosis]] = {}
    for symptom in symptoms:
        groups.setdefault(symptom.code, []).append(symptom)
    return list(groups.items())
