"""The one result of a trace: what becomes of requests, hop by hop."""

from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.requests.answers import AnswerKind
from istiodoctor.mesh.requests.outcomes import (
    AnswerOutcome,
    ClusterState,
    RouteCluster,
    ServedCertificate,
)
from istiodoctor.model.ref import Ref
from istiodoctor.report import Hop, ScanError, ScanInfo, ToolInfo

# Imported from here by renderers, which know reports only.
__all__ = [
    "Answer",
    "AnswerKind",
    "AnswerOutcome",
    "ClusterState",
    "RouteCluster",
    "ServedCertificate",
    "Stop",
    "Trace",
    "TraceVerdict",
    "TracedPath",
    "Traces",
]


class TraceVerdict(StrEnum):
    """What becomes of one request."""

    ANSWERED = "answered"
    """By a backend, by Envoy itself as a route says, or by a redirect to another place."""
    STOPPED = "stopped"
    UNKNOWN = "unknown"
    """It stops nowhere that was read; something on its path was not read."""


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
class TracedPath:
    """One request of a trace, through one gateway."""

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
    """What becomes of one request, redirects followed."""

    url: str
    method: str
    tool: ToolInfo
    scan: ScanInfo
    verdict: TraceVerdict
    legs: tuple[TracedPath, ...] = ()
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
    """What becomes of many requests to one cluster, in the order in which they were given."""

    tool: ToolInfo
    scan: ScanInfo
    traces: tuple[Trace, ...]

    def count(self, verdict: TraceVerdict) -> int:
        """How many requests end like this."""
        return sum(each.verdict is verdict for each in self.traces)
