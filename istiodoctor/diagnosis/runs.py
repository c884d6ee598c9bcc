"""Run the checks; tell what became of each."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from istiodoctor.check import Check
from istiodoctor.command import raw_fault
from istiodoctor.diagnosis.explanations import says_why
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.log_meanings import Meaning
from istiodoctor.mesh.mesh import Record
from istiodoctor.mesh.requests.unread import kinds_that_decide
from istiodoctor.model.decode import TYPES
from istiodoctor.model.kind import OPTIONAL_READS, Kind
from istiodoctor.model.redaction import redact
from istiodoctor.model.ref import Place
from istiodoctor.model.snapshot import (
    EVERYWHERE,
    OUTSIDE,
    Reading,
    Snapshot,
    Unread,
    UnreadReason,
)
from istiodoctor.report import CheckRun, Outcome

SHOWN_REASONS = 3
MOST_REASON = 500
UNDECIDED = frozenset({Kind.INGRESS, Kind.GATEWAY})
OUTSIDE_WORDS = {
    UnreadReason.NOT_GIVEN: "not among the files",
    UnreadReason.NOT_REQUESTED: "not asked for in other namespaces",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One check's findings and outcome."""

    check: Check
    outcome: Outcome
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    unread: tuple[Unread, ...] = ()
    """What it could not look at; of one that found something all the same, what else."""

    @property
    def report(self) -> CheckRun:
        """The line of the report."""
        return CheckRun(
            code=self.check.code, name=self.check.name, outcome=self.outcome, reason=self.reason
        )


def run_checks(checks: Iterable[Check], mesh: Mesh, snapshot: Snapshot) -> tuple[Run, ...]:
    """Run every check on one mesh; a crash is a result of its own."""
    runs = tuple(_run(check, mesh, snapshot) for check in checks)
    reported = frozenset(
        name for run in runs for finding in run.findings for _, name in finding.credentials
    )
    doubt = _Doubt(mesh=mesh, snapshot=snapshot, reported=reported)
    return tuple(doubt.of(run) for run in runs)


def not_looked_at(runs: Iterable[Run]) -> tuple[Unread, ...]:
    """Return what could not be looked at by the checks that were asked for."""
    return tuple(dict.fromkeys(each for run in runs for each in run.unread))


def run_last(
    checks: Iterable[Check], runs: Iterable[Run], mesh: Mesh, snapshot: Snapshot
) -> tuple[Run, ...]:
    """Run checks of last resort, and keep of each finding the hosts that no other explains."""
    told: dict[str, list[tuple[Severity, str]]] = defaultdict(list)
    for run in runs:
        for finding in run.findings:
            for host in finding.hosts:
                told[host].append((finding.severity or run.check.severity, run.check.code))
    found = [_run(check, mesh, snapshot) for check in checks]
    doubt = _Doubt(mesh=mesh, snapshot=snapshot, reported=frozenset())
    return tuple(doubt.of(_unexplained(run, told)) for run in found)


def _unexplained(run: Run, told: Mapping[str, Iterable[tuple[Severity, str]]]) -> Run:
    if run.outcome is not Outcome.FAILED:
        return run
    findings: list[Finding] = []
    for finding in run.findings:
        least = _EXPLAINED_BY[finding.severity or run.check.severity]
        hosts = frozenset(
            host
            for host in finding.hosts
            if not any(
                severity.rank <= least.rank and says_why(finding.hop, code)
                for severity, code in told.get(host, ())
            )
        )
        if hosts:
            findings.append(replace(finding, hosts=hosts))
    outcome = Outcome.FAILED if findings else Outcome.PASSED
    return replace(run, outcome=outcome, findings=tuple(findings))


_EXPLAINED_BY = {
    Severity.CRITICAL: Severity.MEDIUM,
    Severity.HIGH: Severity.MEDIUM,
    Severity.MEDIUM: Severity.LOW,
    Severity.LOW: Severity.LOW,
    Severity.INFO: Severity.INFO,
}
"""How grave another finding about a host must be to say why it fails."""


def _run(check: Check, mesh: Mesh, snapshot: Snapshot) -> Run:
    declined = (check.needs & OPTIONAL_READS) - snapshot.requested
    if declined:
        return Run(
            check=check,
            outcome=Outcome.NOT_REQUESTED,
            reason=f"needs {_listing(declined)}",
        )
    try:
        findings = _found(check, mesh)
    except (Exception, SystemExit) as error:  # a plugin's bug is a result, not a crash
        reason = redact(f"{type(error).__name__}: {error}"[:MOST_REASON])
        return Run(check=check, outcome=Outcome.ERRORED, reason=reason)
    outcome = Outcome.FAILED if findings else Outcome.PASSED
    return Run(check=check, outcome=outcome, findings=findings)


def _found(check: Check, mesh: Mesh) -> tuple[Finding, ...]:
    """Return what a check finds; a plugin's must not read what nobody could know before.

    What it did not need by its code was perhaps not collected: then it would have passed without
    having looked. Of the checks that come with the tool a test tells.
    """
    if check.is_built_in:
        return tuple(_sound(each) for each in check.run(mesh))
    with mesh.recording() as record:
        findings = tuple(_sound(each) for each in check.run(mesh))
    beyond = _beyond(check, mesh, record)
    if beyond:
        raise UnknownNeed(
            f"it rests on {_listing(beyond)}, which does not follow from the questions that its"
            " code names: what is called through a table is declared with rests_on"
        )
    return findings


class UnknownNeed(Exception):
    """A check read something that did not follow from its code."""


def _beyond(check: Check, mesh: Mesh, record: Record) -> frozenset[Kind | Meaning]:
    """Return what a check rests on and could not be known to."""
    asked = check.rests.questions.union(record.questions)
    by_others = {what for question, what in mesh.undeclared if question in asked}
    return frozenset({*record.kinds, *record.logs, *by_others} - {*check.reads, *check.logs})


def _sound(found: Any) -> Finding:
    """Return what a check yielded if it can be reported; raises TypeError."""
    if not isinstance(found, Finding):
        raise TypeError(f"it yielded {type(found).__name__}, not a Finding")
    if not found.objects or not all(isinstance(place, Place) for place in found.objects):
        raise TypeError("a finding names no object")
    if not isinstance(found.message, str) or not isinstance(found.identity, Identity):
        raise TypeError("a finding has no message or no identity")
    names = frozenset(_names(found))
    fixes = tuple(_safe(fix, names) for fix in found.fixes)
    return found if fixes == found.fixes else replace(found, fixes=fixes)


def _safe(fix: Any, names: frozenset[str]) -> Fix:
    """Return a fix without commands in which a name would be an option; raises TypeError.

    The builders of commands make none like that; a plugin's check may put its own together.
    """
    if not isinstance(fix, Fix):
        raise TypeError(f"a finding offers {type(fix).__name__}, not a Fix")
    commands = (*fix.commands, fix.verify, fix.undo)
    if not all(isinstance(words, tuple) and set(map(type, words)) <= {str} for words in commands):
        raise TypeError("a command is no tuple of words")
    fault = next(filter(None, (raw_fault(words, names) for words in commands)), "")
    return replace(fix, withheld=fault) if fault else fix


def _names(found: Finding) -> Iterator[str]:
    """Yield every name that a finding speaks of."""
    for place in found.objects:
        yield from place.ref
    for _, namespace, name in found.absences:
        yield from (namespace, name)
    for namespace, name in found.credentials:
        yield from (namespace, name)
    yield from (found.identity.namespace, found.identity.name, found.identity.detail)
    yield from found.hosts


class _Doubt:
    """Tells of each check what it could not look at: one that saw nothing there is skipped."""

    def __init__(self, *, mesh: Mesh, snapshot: Snapshot, reported: frozenset[str]) -> None:
        self.mesh = mesh
        self.snapshot = snapshot
        self.reported = reported
        """Names of Secrets that are reported as missing."""
        self.known = (*snapshot.unread, *snapshot.outside)
        self.deciding = frozenset(kinds_that_decide(mesh))
        """Kinds without which it is not known which Ingresses and Gateways are istiod's."""

    def of(self, run: Run) -> Run:
        """Return a run with what it could not look at."""
        if run.outcome not in (Outcome.PASSED, Outcome.FAILED):
            return run
        unread = self._unread(run.check)
        if not unread and run.outcome is Outcome.PASSED and self._may_be_more(run.check):
            unread = self._absent(run.check)
        if not unread:
            return run
        if run.outcome is Outcome.FAILED:
            return replace(run, unread=unread)
        return replace(run, outcome=Outcome.SKIPPED, reason=_reason(unread), unread=unread)

    def _unread(self, check: Check) -> tuple[Unread, ...]:
        # What was asked for on top, logs and probes, was looked for in vain as well.
        needs = check.needs | (check.evidence & OPTIONAL_READS & self.snapshot.requested)
        if not needs.isdisjoint(UNDECIDED):
            needs |= self.deciding
        unread = [each for each in self.known if each.kind is None or each.kind in needs]
        certain = [each for each in unread if not _is_search(each, self.reported)]
        if len(certain) < len(unread) and not _searches(check, self.mesh):
            unread = certain
        return tuple(unread)

    def _may_be_more(self, check: Check) -> bool:
        """Whether there may be more of what it needs than was given: in plain manifests."""
        return any(
            kind.listed and kind in TYPES and not self.snapshot.is_complete(kind)
            for kind in check.needs
        )

    def _absent(self, check: Check) -> tuple[Unread, ...]:
        """Return what a check would miss if nothing else existed than what was given.

        Plain manifests are no proof that something does not exist. A check that would find
        something then has not passed.
        """
        try:
            found = _found(check, self._closed)
        except (Exception, SystemExit):  # it looked at what was given without a fault
            found = ()
        absences = sorted({each for finding in found for each in finding.absences}, key=_by_name)
        if found and not absences:
            absences = sorted(
                ((kind, "", "") for kind in check.needs if kind in TYPES), key=_by_name
            )
        return tuple(
            Unread(kind=kind, namespace=namespace, name=name, reason=UnreadReason.NOT_GIVEN)
            for kind, namespace, name in absences
        )

    @cached_property
    def _closed(self) -> Mesh:
        """The mesh of what was given, were that everything."""
        listed = {kind: frozenset({EVERYWHERE}) for kind in TYPES}
        return Mesh(self.snapshot.plus(Reading(listed=listed)), self.mesh.facts)


def _by_name(absence: tuple[Kind, str, str]) -> tuple[str, str, str]:
    return str(absence[0]), absence[1], absence[2]


def _searches(check: Check, mesh: Mesh) -> bool:
    """Whether a check asks, in this cluster, where else a Secret is."""
    if not check.searches:
        return False
    with mesh.recording() as record:  # it is asked again: nearly all of it is remembered
        for _ in check.run(mesh):
            pass
    return record.searched


def _is_search(unread: Unread, reported: frozenset[str]) -> bool:
    """Whether this is only where else a Secret might be that is already reported as missing."""
    everywhere = unread.namespace in ("", EVERYWHERE)
    return unread.kind is Kind.SECRET and everywhere and unread.name in reported


def unread_order(unread: Unread) -> tuple[str, ...]:
    """Order what was not read so that the order of reading never shows."""
    return (
        str(unread.kind or ""),
        unread.namespace,
        unread.name,
        str(unread.reason),
        unread.file or "",
        f"{unread.line or 0:9}",
        unread.message,
    )


def _reason(unread: Iterable[Unread]) -> str:
    """Say what was not read: `pods: forbidden; not among the files: services, secrets`."""
    in_order = sorted(unread, key=unread_order)
    parts = [_shortened("; ", (str(each) for each in in_order if each.reason not in OUTSIDE))]
    for reason, words in OUTSIDE_WORDS.items():
        names = _shortened(", ", (_brief(each) for each in in_order if each.reason is reason))
        parts.append(f"{words}: {names}" if names else "")
    return "; ".join(filter(None, parts))[:MOST_REASON]


def _brief(unread: Unread) -> str:
    return str(unread.kind) if unread.namespace == EVERYWHERE and unread.kind else unread.what


def _shortened(separator: str, texts: Iterable[str]) -> str:
    shown = list(dict.fromkeys(texts))
    more = f" and {len(shown) - SHOWN_REASONS} more" if len(shown) > SHOWN_REASONS else ""
    return separator.join(shown[:SHOWN_REASONS]) + more


def _listing(kinds: Iterable[Kind | Meaning]) -> str:
    return ", ".join(sorted(map(str, kinds)))
