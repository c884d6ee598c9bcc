"""The result of a scan, which every renderer is given; `docs/report.schema.json` is its JSON."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from istiodoctor.finding import Severity
from istiodoctor.mesh.requests.hops import Confirmation, Hop, HopState
from istiodoctor.model.ref import Ref
from istiodoctor.problem import Diagnosis, Problem

# Imported from here by renderers, which know reports only.
__all__ = [
    "SCHEMA_VERSION",
    "CertificateReport",
    "CertificateSource",
    "CheckRun",
    "ClusterSummary",
    "ComponentVersion",
    "Confirmation",
    "Hop",
    "HopState",
    "HostReport",
    "Ignored",
    "LastChange",
    "LastChangeKind",
    "Outcome",
    "Report",
    "ScanError",
    "ScanInfo",
    "ToolInfo",
    "UnreadReport",
    "Verdict",
    "said",
]

SCHEMA_VERSION = "1"


class Verdict(StrEnum):
    """One word for the whole scan."""

    BROKEN = "broken"
    DEGRADED = "degraded"
    INCOMPLETE = "incomplete"
    HEALTHY = "healthy"


class Outcome(StrEnum):
    """What became of one check. Only PASSED means that it looked and saw nothing."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    ERRORED = "errored"
    NOT_REQUESTED = "not-requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolInfo:
    """Which tool made the report."""

    name: str
    version: str
    checks: int
    """How many checks were selected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentVersion:
    """A version of Istio found running."""

    revision: str
    component: str
    """`istiod` or `gateway`."""
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSummary:
    """Which cluster was scanned; empty strings for files."""

    context: str = ""
    server: str = ""
    uid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanInfo:
    """What was scanned, and when."""

    taken_at: datetime
    duration_seconds: float
    source: str
    """`cluster`, `files`, `demo`, … with the path or context behind a colon where there is one."""
    cluster: ClusterSummary = ClusterSummary()
    istio_versions: tuple[ComponentVersion, ...] = ()
    absent_apis: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanError:
    """Why nothing could be scanned."""

    kind: str
    """`no-kubeconfig`, `unreachable`, `unauthorized`, `no-istio`, `no-objects`, `timed-out`."""
    message: str


class LastChangeKind(StrEnum):
    """What became of an object."""

    CREATED = "created"
    UPDATED = "updated"
    APPLIED = "applied"
    """By server-side apply."""
    EVENT = "event"
    """A controller recorded something about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastChange:
    """The last change of one object, or the last Event about it."""

    ref: Ref
    at: datetime
    kind: LastChangeKind
    by: str = ""
    """The field manager, or who recorded the Event; empty where nobody says; hostile."""
    text: str = ""
    """Of an Event: its reason and message; hostile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """How one host is served, and whether it is."""

    host: str
    gateway: Ref | None
    verdict: Verdict
    path: tuple[Hop, ...] = ()
    last_changes: tuple[LastChange, ...] = ()
    """What changed last on its path, the newest first; of a broken or degraded host only."""


class CertificateSource(StrEnum):
    """Where a certificate was seen."""

    STORED = "stored"
    ENVOY = "envoy"
    WIRE = "wire"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateReport:
    """One certificate that a gateway uses, as one source shows it."""

    credential: Ref
    """The Secret that it is from, or that is to be served there."""
    source: CertificateSource
    subject_alternative_names: tuple[str, ...]
    not_before: datetime | None
    not_after: datetime | None
    """None where Envoy does not say."""
    renewal_time: datetime | None
    """When what is stored is to be renewed; None for what is only seen."""
    serial: str
    fingerprint_sha256: str
    """Empty where only Envoy's list of loaded certificates shows it."""
    seen_at: tuple[str, ...] = ()
    """The pods whose Envoy holds it, or the endpoints that served it; none for what is stored."""

    @property
    def identity(self) -> tuple[str, datetime | None, datetime | None]:
        """What tells it from others of its Secret, whichever source shows it."""
        return (self.serial, self.not_before, self.not_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """A problem that the configuration tells us to leave out, with its reason."""

    fingerprint: str
    code: str
    reason: str
    until: datetime | None
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRun:
    """What became of one check."""

    code: str
    name: str
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadReport:
    """One thing that could not be read."""

    api_group: str
    kind: str
    namespace: str
    name: str
    reason: str
    message: str
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a renderer may know."""

    tool: ToolInfo
    scan: ScanInfo
    verdict: Verdict
    error: ScanError | None = None
    problems: tuple[Problem, ...] = ()
    hosts: tuple[HostReport, ...] = ()
    certificates: tuple[CertificateReport, ...] = ()
    resolved: tuple[Diagnosis, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    checks: tuple[CheckRun, ...] = ()
    unread: tuple[UnreadReport, ...] = ()
    outside: tuple[UnreadReport, ...] = ()
    """What was neither given nor asked for and may be there: nothing is known of it."""
    scope_hosts: tuple[str, ...] = ()
    """The hosts that `--host` asked about: each gets an answer, also when nothing is wrong."""

    def count(self, severity: Severity) -> int:
        """How many problems (not symptoms) have this severity."""
        return sum(problem.severity is severity for problem in self.problems)


def said(hop: Hop) -> str:
    """Return what is wrong at a hop: as the objects have it, and as it was seen."""
    if hop.state is not HopState.BROKEN or not hop.seen:
        return hop.text
    match hop.confirmation:
        case Confirmation.CONTRADICTED:
            return f"the objects say: {hop.text}; seen: {hop.seen}"
        case Confirmation.CONFIRMED:
            return f"{hop.text}; seen: {hop.seen}"
        case Confirmation.NOT_LOOKED_AT:
            return hop.text
