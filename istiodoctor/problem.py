"""What is wrong, as a report says it: problems, the symptoms folded under them, fixes."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from istiodoctor.command import change, kubectl
from istiodoctor.evidence import Evidence, EvidenceKind
from istiodoctor.finding import Confidence, Severity
from istiodoctor.fix import Fix, Patch, PatchType, Risk
from istiodoctor.model.kind import kind_of
from istiodoctor.model.ref import Place, Ref

# Imported from here by renderers, which know reports only.
__all__ = [
    "BaselineState",
    "Confidence",
    "Corroboration",
    "Diagnosis",
    "Evidence",
    "EvidenceKind",
    "Fix",
    "Patch",
    "PatchType",
    "Place",
    "Problem",
    "ProvenFix",
    "Ref",
    "Risk",
    "Severity",
    "api_version",
    "change",
    "kubectl",
]


def api_version(ref: Ref) -> str:
    """Return the `apiVersion` of an object: the best version we know, else the group alone."""
    kind = kind_of(ref.group, ref.kind)
    version = kind.value.versions[0] if kind and kind.value.versions else ""
    if not ref.group:
        return version or "v1"
    return f"{ref.group}/{version}" if version else ref.group


class BaselineState(StrEnum):
    """How a problem compares with an earlier report."""

    NEW = "new"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenFix:
    """A fix and whether applying it to a copy was seen to help; None when that was not tried."""

    fix: Fix
    proven: bool | None = None
    why: str = ""

    @property
    def patches(self) -> tuple[Patch, ...]:
        """The changes as data."""
        return self.fix.patches


class Corroboration(StrEnum):
    """What Envoy and the wire say of a diagnosis, where they were looked at."""

    CONFIRMED = "confirmed"
    CONTRADICTED = "contradicted"
    """Clients do not meet what follows from the objects, or not yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One finding after merging: a problem's or a symptom's shared shape."""

    code: str
    name: str
    title: str
    own_severity: Severity
    confidence: Confidence
    message: str
    objects: tuple[Place, ...]
    hosts: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    fixes: tuple[ProvenFix, ...]
    fingerprint: str
    """`v1:` and the SHA-256 of code and identity."""
    identity: str
    deadline: datetime | None = None
    is_settling: bool = False
    """It may be over by itself within minutes."""
    docs: str = ""
    baseline: BaselineState | None = None
    caused_by: tuple[str, ...] = ()
    """Fingerprints of the problems that explain it; empty for a problem."""
    corroboration: Corroboration | None = None

    @property
    def subject(self) -> Ref:
        """The object to change."""
        return self.objects[0].ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A finding that nothing else explains, with those it explains folded under it.

    Severity, confidence, hosts and deadline are the worst or the union of itself and its symptoms.
    """

    rank: int
    cause: Diagnosis
    severity: Severity
    confidence: Confidence
    hosts: tuple[str, ...]
    deadline: datetime | None
    symptoms: tuple[Diagnosis, ...] = ()

    @property
    def is_settling(self) -> bool:
        """Whether some of it is so new that it may be over by itself within minutes."""
        return any(each.is_settling for each in (self.cause, *self.symptoms))
