"""Run the checks; tell what became of each."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from istiodoctor.check import Check
from istiodoctor.finding import Finding, Identity
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
    try:
        findings = tuple(_sound(each) for each in check.run(mesh))
    except (Exception, SystemExit) as error:  # a plugin's bug is a result, not a crash
        reason = f"{type(error).__name__}: {error}"[:MOST_REASON]
        return Run(check=check, outcome=Outcome.ERRORED, reason=reason)
    outcome = Outcome.FAILED if findings else Outcome.PASSED
    return Run(check=check, outcome=outcome, findings=findings, searched=check.rests.searches)


def _sound(found: Any) -> Finding:
    """Return what a check yielded if it can be reported; raises TypeError."""
    if not isinstance(found, Finding):
        raise TypeError(f"it yielded {type(found).__name__}, not a Finding")
    if not found.objects or not all(isinstance(place, Place) for place in found.objects):
        raise TypeError("a finding names no object")
    if not isinstance(found.message, str) or not isinstance(found.identity, Identity):
        raise TypeError("a finding has no message or no identity")
    return found


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
