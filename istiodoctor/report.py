"""The result of a scan, which every renderer is given; `docs/report.schema.json` is its JSON."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from istiodoctor.command import change, kubectl
from istiodoctor.finding import (
    Confidence,
    Evidence,
    EvidenceKind,
    Fix,
    Patch,
    PatchType,
    Risk,
    Severity,
)
from istiodoctor.mesh.requests.answers import AnswerKind
from istiodoctor.mesh.requests.hops import Confirmation, Hop, HopState
from istiodoctor.mesh.requests.outcomes import (
    AnswerOutcome,
    ClusterState,
    RouteCluster,
    ServedCertificate,
)
from istiodoctor.model.kind import kind_of
from istiodoctor.model.ref import Place, Ref

# What a report is made of, so that renderers need to know this module only.
__all__ = [
    "SCHEMA_VERSION",
    "Answer",
    "AnswerKind",
    "AnswerOutcome",
    "BaselineState",
    "CertificateReport",
    "CertificateSource",
    "CheckRun",
    "ClusterState",
    "ClusterSummary",
    "ComponentVersion",
    "Confidence",
    "Confirmation",
    "Diagnosis",
    "Evidence",
    "EvidenceKind",
    "Fix",
    "Hop",
    "HopState",
    "HostReport",
    "Ignored",
    "Outcome",
    "Patch",
    "PatchType",
    "Place",
    "Problem",
    "ProvenFix",
    "Ref",
    "Report",
    "Risk",
    "RouteCluster",
    "ScanError",
    "ScanInfo",
    "ServedCertificate",
    "Severity",
    "Stop",
    "ToolInfo",
    "Trace",
    "TraceLeg",
    "TraceVerdict",
    "Traces",
    "UnreadReport",
    "Verdict",
    "api_version",
    "change",
    "kubectl",
    "said",
]

SCHEMA_VERSION = "1"


def api_version(ref: Ref) -> str:
    """Return the `apiVersion` of an object: the best version we know, else the group alone."""
    kind = kind_of(ref.group, ref.kind)
    version = kind.value.versions[0] if kind and kind.value.versions else ""
    if not ref.group:
        return version or "v1"
    return f"{ref.group}/{version}" if version else ref.group


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


class BaselineState(StrEnum):
    """How a problem compares with an earlier report."""

    NEW = "new"
    UNCHANGED = "unchanged"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """How one host is served, and whether it is."""

    host: str
    gateway: Ref | None
    verdict: Verdict
    path: tuple[Hop, ...] = ()


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
    """The pods whose Envoy holds it, or the doors where it was served; none for what is stored."""

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
    scope_hosts: tuple[str, ...] = ()
    """The hosts that `--host` asked about: each gets an answer, also when nothing is wrong."""

    def count(self, severity: Severity) -> int:
        """How many problems (not symptoms) have this severity."""
        return sum(problem.severity is severity for problem in self.problems)


class TraceVerdict(StrEnum):
    """What becomes of one request."""

    ANSWERED = "answered"
    """By a backend, by Envoy itself as a route says, or by a redirect to another place."""
    STOPPED = "stopped"
    UNKNOWN = "unknown"
    """It stops nowhere that was read; something on the way was not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a client gets at the end of one leg."""

    kind: AnswerKind
    text: str
    status: int = 0
    """What Envoy answers by itself, and what a backend was seen to answer; else 0."""
    location: str = ""
    """Where a redirect sends the client, be it in circles."""
    outcome: AnswerOutcome = AnswerOutcome.UNKNOWN
    clusters: tuple[RouteCluster, ...] = ()
    """Those that the route sends requests to; none where Envoy answers by itself."""
    certificate: ServedCertificate | None = None
    """What the client is shown; None without a handshake, or where it comes from no Secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLeg:
    """One request of a trace on its way through one gateway."""

    url: str
    gateway: Ref | None
    """The gateway's pods; None where no gateway takes the request."""
    hops: tuple[Hop, ...]
    """In order; those after a broken one are not there, unless they were looked at on the wire."""
    answer: Answer
    follows: int | None = None
    """The leg, counted from 0, whose redirect led here; None for the request asked about."""
    is_unseen: bool = False
    """Its end was to be looked at on the wire, and nothing could be learned of it."""

    @property
    def is_stopped(self) -> bool:
        """Whether it ends without what the client wants."""
        return self.answer.kind is AnswerKind.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Where a request stops, and why."""

    leg: int
    """Counted from 0."""
    hop: Hop
    command: tuple[str, ...] = ()
    """What explains the finding behind it; empty where no check has found one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The way of one request, redirects followed."""

    url: str
    method: str
    tool: ToolInfo
    scan: ScanInfo
    verdict: TraceVerdict
    legs: tuple[TraceLeg, ...] = ()
    """In order: a request's branches, one for each gateway, before what their redirects led to."""
    stopped_at: Stop | None = None
    is_probed: bool = False
    """Whether the wire was looked at too."""
    notes: tuple[str, ...] = ()
    """In what the request that was sent is not the one that was asked about, for people."""
    error: ScanError | None = None
    """Why nothing could be read."""
    id: str = ""
    """What tells it from the others of one run: from the file of requests, or its number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """The ways of many requests through one cluster, in the order in which they were given."""

    tool: ToolInfo
    scan: ScanInfo
    traces: tuple[Trace, ...]

    def count(self, verdict: TraceVerdict) -> int:
        """How many requests end like this."""
        return sum(each.verdict is verdict for each in self.traces)


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
