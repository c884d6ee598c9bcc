"""What holds under everything that files can mean, and what is withheld.

Where one object is given differently in several files, or names no namespace, each meaning is
judged by itself. A finding is said where all of them have it; where folders are for different
clusters, one of those without the others must have it, too.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from istiodoctor.check import Check
from istiodoctor.diagnosis.runs import Run
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.model.ref import UNKNOWN_NAMESPACE, Ref
from istiodoctor.report import Outcome

MOST_CODES = 10
REASON = "what it finds does not hold under everything that the files can mean"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One meaning of the files, judged."""

    mesh: Mesh
    runs: tuple[Run, ...]
    namespace: str = UNKNOWN_NAMESPACE
    """Where the objects that name no namespace are in it."""
    is_part: bool = False
    """Whether it leaves out folders that are for other clusters."""


class Names:
    """Names of objects as they are the same in all cases: what has moved is in no namespace."""

    def __init__(self, cases: Sequence[Case]) -> None:
        """Learn from the first case which objects name no namespace."""
        self.unplaced = frozenset(
            ref for ref in cases[0].mesh.snapshot.locations if ref.namespace == UNKNOWN_NAMESPACE
        )
        self._kinds = frozenset(
            (kind, ref.name) for ref in self.unplaced for kind in (ref.kind, ref.resource)
        )
        assumed = {each.namespace for each in cases}
        self._namespaces = (
            re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, sorted(assumed)))})(?=[/.])")
            if len(assumed) > 1
            else None
        )

    def of(self, ref: Ref, case: Case) -> Ref:
        """Return how an object of a case is called in all."""
        if case.namespace == UNKNOWN_NAMESPACE or ref.namespace != case.namespace:
            return ref
        unplaced = ref._replace(namespace=UNKNOWN_NAMESPACE)
        return unplaced if unplaced in self.unplaced else ref

    def key(self, finding: Finding, case: Case) -> Identity:
        """Return what makes a finding of one case the same as one of another."""
        identity = finding.identity
        has_moved = identity.namespace == case.namespace != UNKNOWN_NAMESPACE
        if has_moved and (identity.kind, identity.name) in self._kinds:
            identity = replace(identity, namespace=UNKNOWN_NAMESPACE)
        if self._namespaces is not None:
            detail = self._namespaces.sub(UNKNOWN_NAMESPACE, identity.detail)
            identity = replace(identity, detail=detail)
        return identity


def agreed(cases: Sequence[Case]) -> tuple[tuple[Run, ...], tuple[str, ...]]:
    """Return the runs of all checks with what holds in every case, and a note on the rest."""
    names = Names(cases)
    there = [
        frozenset(names.of(ref, case) for ref in case.mesh.snapshot.locations) for case in cases
    ]
    runs: list[Run] = []
    withheld: dict[str, int] = {}
    for several in zip(*(case.runs for case in cases), strict=True):
        run, lost = _agreed(several, cases, names, there)
        runs.append(run)
        if lost:
            withheld[run.check.code] = lost
    return tuple(runs), _notes(withheld)


def withheld_hosts(cases: Sequence[Case], agreed_runs: Iterable[Run]) -> frozenset[str]:
    """Return the hosts that something of weight was found for which does not hold in all cases."""
    if len(cases) < 2:
        return frozenset()
    names = Names(cases)
    kept = {
        run.check.code: {names.key(each, cases[0]) for each in run.findings} for run in agreed_runs
    }
    return frozenset(
        host
        for case in cases
        for run in case.runs
        for each in run.findings
        if _severity(each, run.check).rank <= Severity.MEDIUM.rank
        and names.key(each, case) not in kept.get(run.check.code, ())
        for host in each.hosts
    )


def _agreed(
    runs: Sequence[Run], cases: Sequence[Case], names: Names, there: Sequence[frozenset[Ref]]
) -> tuple[Run, int]:
    """Return one check's run under all cases, and how many of its findings are withheld."""
    first = next((run for run in runs if run.outcome is Outcome.ERRORED), runs[0])
    if first.outcome in (Outcome.ERRORED, Outcome.NOT_REQUESTED):
        return first, 0
    found = [_by_key(run, case, names) for run, case in zip(runs, cases, strict=True)]
    keys = dict.fromkeys(
        key for each, case in zip(found, cases, strict=True) if not case.is_part for key in each
    )
    kept = tuple(
        each for key in keys for each in _kept(key, first.check, found, cases, names, there)
    )
    lost = len(keys) - len({names.key(each, cases[0]) for each in kept})
    if kept:
        return replace(first, outcome=Outcome.FAILED, findings=kept, reason=""), lost
    if lost:
        return replace(first, outcome=Outcome.SKIPPED, findings=(), reason=REASON), lost
    skipped = next((run for run in runs if run.outcome is Outcome.SKIPPED), None)
    return skipped or replace(first, outcome=Outcome.PASSED, findings=()), 0


def _by_key(run: Run, case: Case, names: Names) -> dict[Identity, list[Finding]]:
    found: dict[Identity, list[Finding]] = {}
    for each in run.findings:
        found.setdefault(names.key(each, case), []).append(each)
    return found


def _kept(
    key: Identity,
    check: Check,
    found: Sequence[Mapping[Identity, list[Finding]]],
    cases: Sequence[Case],
    names: Names,
    there: Sequence[frozenset[Ref]],
) -> tuple[Finding, ...]:
    """Return what the first case says of a subject, no worse than any other case has it.

    Nothing where it does not hold in all of them.
    """
    several = [each.get(key, []) for each in found]
    whole = [each for each, case in zip(several, cases, strict=True) if not case.is_part]
    if not all(whole):
        return ()
    parts = [
        (each, refs)
        for each, refs, case in zip(several, there, cases, strict=True)
        if case.is_part
    ]
    objects = {place.ref for each in whole[0] for place in each.objects} & there[0]
    if parts and not any(each for each, _ in parts):
        return ()
    if any(not each and objects <= refs for each, refs in parts):
        return ()
    severity = max(
        (min((_severity(each, check) for each in case), key=_rank) for case in whole), key=_rank
    )
    confidence = max(
        (min((each.confidence for each in case), key=_rank) for case in whole), key=_rank
    )
    return tuple(
        replace(
            each,
            severity=max(_severity(each, check), severity, key=_rank),
            confidence=max(each.confidence, confidence, key=_rank),
        )
        for each in whole[0]
    )


def _severity(finding: Finding, check: Check) -> Severity:
    return finding.severity or check.severity


def _rank(value: Severity | Confidence) -> int:
    return value.rank


def _notes(withheld: Mapping[str, int]) -> tuple[str, ...]:
    if not withheld:
        return ()
    codes = sorted(withheld)
    more = f" and {len(codes) - MOST_CODES} more" if len(codes) > MOST_CODES else ""
    return (
        f"withheld, as it does not hold under everything that the files can mean:"
        f" {', '.join(codes[:MOST_CODES])}{more}",
    )
