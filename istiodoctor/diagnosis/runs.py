"""Run the checks; tell what became of each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from istiodoctor.check import Check
from istiodoctor.command import raw_fault
from istiodoctor.finding import Finding, Fix, Identity
from istiodoctor.mesh import Mesh
from istiodoctor.model.kind import OPTIONAL_READS, Kind
from istiodoctor.model.ref import Place
from istiodoctor.model.snapshot import EVERYWHERE, Snapshot, Unread
from istiodoctor.report import CheckRun, Outcome

SHOWN_REASONS = 3
MOST_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One check's findings and outcome."""

    check: Check
    outcome: Outcome
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    searched: bool = False
    """Whether it asked where else a Secret is."""

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
    return tuple(_doubted(run, snapshot, reported) for run in runs)


def _run(check: Check, mesh: Mesh, snapshot: Snapshot) -> Run:
    declined = (check.needs & OPTIONAL_READS) - snapshot.requested
    if declined:
        return Run(
            check=check,
            outcome=Outcome.NOT_REQUESTED,
            reason=f"needs {_listing(declined)}",
        )
    mesh.searched = False
    try:
        findings = tuple(_sound(each) for each in check.run(mesh))
    except (Exception, SystemExit) as error:  # a plugin's bug is a result, not a crash
        reason = f"{type(error).__name__}: {error}"[:MOST_REASON]
        return Run(check=check, outcome=Outcome.ERRORED, reason=reason)
    outcome = Outcome.FAILED if findings else Outcome.PASSED
    return Run(check=check, outcome=outcome, findings=findings, searched=mesh.searched)


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

    The builders of commands make none like that; a stranger's check may put its own together.
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


def _doubted(run: Run, snapshot: Snapshot, reported: frozenset[str]) -> Run:
    """Return a check that saw nothing as skipped where it could not look everywhere."""
    if run.outcome is not Outcome.PASSED:
        return run
    unread = [
        each
        for each in snapshot.unread
        if (each.kind is None or each.kind in run.check.needs)
        and (run.searched or not _is_search(each, reported))
    ]
    if not unread:
        return run
    return replace(run, outcome=Outcome.SKIPPED, reason=_reason(unread))


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
    shown = list(dict.fromkeys(str(each) for each in sorted(unread, key=unread_order)))
    more = f" and {len(shown) - SHOWN_REASONS} more" if len(shown) > SHOWN_REASONS else ""
    return ("; ".join(shown[:SHOWN_REASONS]) + more)[:MOST_REASON]


def _listing(kinds: Iterable[Kind]) -> str:
    return ", ".join(sorted(map(str, kinds)))
