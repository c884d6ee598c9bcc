"""Run the checks; tell what became of each."""

from collections.abc import Iterable
from dataclasses import dataclass

from istiodoctor.check import Check
from istiodoctor.finding import Finding
from istiodoctor.mesh import Mesh
from istiodoctor.model.kind import OPTIONAL_READS, Kind
from istiodoctor.model.snapshot import Snapshot, Unread
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

    @property
    def report(self) -> CheckRun:
        """The line of the report."""
        return CheckRun(
            code=self.check.code, name=self.check.name, outcome=self.outcome, reason=self.reason
        )


def run_checks(checks: Iterable[Check], mesh: Mesh, snapshot: Snapshot) -> tuple[Run, ...]:
    """Run every check on one mesh; a crash is a result of its own."""
    return tuple(_run(check, mesh, snapshot) for check in checks)


def _run(check: Check, mesh: Mesh, snapshot: Snapshot) -> Run:
    declined = (check.needs & OPTIONAL_READS) - snapshot.requested
    if declined:
        return Run(
            check=check,
            outcome=Outcome.NOT_REQUESTED,
            reason=f"needs {_listing(declined)}",
        )
    try:
        findings = tuple(check.run(mesh))
    except Exception as error:  # a plugin's bug is a result, not a crash
        reason = f"{type(error).__name__}: {error}"[:MOST_REASON]
        return Run(check=check, outcome=Outcome.ERRORED, reason=reason)
    if findings:
        return Run(check=check, outcome=Outcome.FAILED, findings=findings)
    unread = [each for each in snapshot.unread_of(_in_order(check.needs)) if _matters(each)]
    if unread:
        return Run(check=check, outcome=Outcome.SKIPPED, reason=_reason(unread))
    return Run(check=check, outcome=Outcome.PASSED)


def _matters(unread: Unread) -> bool:
    """Whether something unread lies in the scope of the questions.

    A Secret's name looked for in all namespaces is a search for where a missing one might be; its
    absence where the pods are is already a finding.
    """
    return not (unread.kind is Kind.SECRET and unread.name and not unread.namespace)


def _in_order(kinds: Iterable[Kind]) -> list[Kind]:
    return sorted(kinds, key=str)


def _reason(unread: list[Unread]) -> str:
    shown = [str(each) for each in dict.fromkeys(unread)]
    more = f" and {len(shown) - SHOWN_REASONS} more" if len(shown) > SHOWN_REASONS else ""
    return ("; ".join(shown[:SHOWN_REASONS]) + more)[:MOST_REASON]


def _listing(kinds: Iterable[Kind]) -> str:
    return ", ".join(str(kind) for kind in _in_order(kinds))
