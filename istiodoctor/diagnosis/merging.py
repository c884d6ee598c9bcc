"""Findings of one code with equal identity are one finding."""

import hashlib
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from istiodoctor.check import Check
from istiodoctor.diagnosis.runs import Run
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.model.ref import Place, Ref
from istiodoctor.problem import Corroboration

MOST_EVIDENCE = 20
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Merged:
    """All findings of one code about one subject, as one."""

    check: Check
    identity: Identity
    severity: Severity
    confidence: Confidence
    title: str
    message: str
    objects: tuple[Place, ...]
    hosts: frozenset[str]
    evidence: tuple[Evidence, ...]
    fixes: tuple[Fix, ...]
    deadline: datetime | None
    is_settling: bool
    credentials: frozenset[tuple[str, str]]
    servers: frozenset[str]
    culprits: frozenset[Ref] = frozenset()
    corroboration: Corroboration | None = None

    @property
    def code(self) -> str:
        """The check's code."""
        return self.check.code

    @property
    def fingerprint(self) -> str:
        """A version, then SHA-256 of code and identity: stable over runs and added hosts."""
        digest = hashlib.sha256(f"{self.code}\0{self.identity}".encode("utf-8", "replace"))
        return f"v1:{digest.hexdigest()}"


def merge(runs: Iterable[Run]) -> tuple[Merged, ...]:
    """Merge the findings of every check by identity."""
    groups: dict[tuple[str, Identity], list[Finding]] = {}
    checks: dict[str, Check] = {}
    for run in runs:
        checks[run.check.code] = run.check
        for finding in run.findings:
            groups.setdefault((run.check.code, finding.identity), []).append(finding)
    return tuple(
        _merged(checks[code], identity, sorted(findings, key=_order))
        for (code, identity), findings in groups.items()
    )


def _order(finding: Finding) -> tuple[object, ...]:
    """Order findings of one identity so that the order of input never shows.

    What they say about objects comes first; the rest, as text, decides between equals.
    """
    places = tuple((place.ref, place.path) for place in finding.objects)
    rest = (finding.title, finding.severity, finding.evidence, finding.fixes)
    return (places, finding.message, tuple(sorted(finding.hosts)), repr(rest))


def _merged(check: Check, identity: Identity, findings: list[Finding]) -> Merged:
    severities = [finding.severity or check.severity for finding in findings]
    worst = findings[severities.index(min(severities, key=lambda each: each.rank))]
    deadlines = [finding.deadline for finding in findings if finding.deadline]
    return Merged(
        check=check,
        identity=identity,
        severity=worst.severity or check.severity,
        confidence=min((f.confidence for f in findings), key=lambda each: each.rank),
        title=worst.title or check.title,
        message=worst.message,
        objects=_unique((p for f in (worst, *findings) for p in f.objects), lambda place: place),
        hosts=frozenset().union(*(finding.hosts for finding in findings)),
        evidence=_unique(
            (e for f in (worst, *findings) for e in f.evidence), lambda each: each.text
        )[:MOST_EVIDENCE],
        fixes=_unique((fix for f in (worst, *findings) for fix in f.fixes), lambda fix: fix.title),
        deadline=min(deadlines, default=None),
        is_settling=any(finding.is_settling for finding in findings),
        credentials=frozenset().union(*(finding.credentials for finding in findings)),
        servers=frozenset().union(*(finding.servers for finding in findings)),
        culprits=frozenset().union(*(finding.culprits for finding in findings)),
    )


def _unique(items: Iterable[T], key: Callable[[T], Hashable]) -> tuple[T, ...]:
    found: dict[Hashable, T] = {}
    for item in items:
        found.setdefault(key(item), item)
    return tuple(found.values())
