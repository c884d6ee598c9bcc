"""One rule broken for one subject: what a check states."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from istiodoctor.command import Command, fault_of
from istiodoctor.mesh.envoy.secrets import PodSecret
from istiodoctor.mesh.observations.verification import Observation
from istiodoctor.model.kind import Kind
from istiodoctor.model.log import LogLine
from istiodoctor.model.observation import TlsObservation
from istiodoctor.model.ref import Place, Ref


class Severity(StrEnum):
    """How much is broken."""

    CRITICAL = "critical"
    """HTTPS is down for a host now."""
    HIGH = "high"
    """Down for some clients or hosts, or at the next restart or renewal."""
    MEDIUM = "medium"
    """Wrong but reachable."""
    LOW = "low"
    """Latent."""
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


class Confidence(StrEnum):
    """How a finding is known."""

    OBSERVED = "observed"
    """Seen on the wire, in Envoy or in a log."""
    CERTAIN = "certain"
    """Follows from the objects."""
    SUSPECTED = "suspected"
    """Version unknown, partial read, or an inferred rule."""

    @property
    def rank(self) -> int:
        """0 for the surest."""
        return list(Confidence).index(self)


class Risk(StrEnum):
    """What applying a fix may cost."""

    SAFE = "safe"
    RESTARTS_TRAFFIC = "restarts-traffic"
    NEEDS_ISSUANCE = "needs-issuance"
    OUTSIDE_CLUSTER = "outside-cluster"


class EvidenceKind(StrEnum):
    """Where a piece of evidence comes from."""

    OBJECT = "object"
    LOG = "log"
    EVENT = "event"
    ENVOY = "envoy"
    TLS = "tls"
    HTTP = "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One fact that a finding rests on, in words."""

    text: str
    kind: EvidenceKind = EvidenceKind.OBJECT
    ref: Ref | None = None
    at: datetime | None = None

    @classmethod
    def of_line(cls, line: LogLine) -> "Evidence":
        """Return a line of a log, as it is written."""
        return cls(text=line.message, kind=EvidenceKind.LOG, ref=line.pod, at=line.at)

    @classmethod
    def of_observation(cls, seen: Observation) -> "Evidence":
        """Return what a handshake, a request or an Envoy showed, in its own words."""
        if isinstance(seen, PodSecret):
            at = seen.secret.last_updated
            return cls(text=str(seen), kind=EvidenceKind.ENVOY, ref=seen.pod, at=at)
        if isinstance(seen, TlsObservation):
            kind, access_point = EvidenceKind.TLS, seen.target.access_point
            return cls(
                text=str(seen), kind=kind, ref=access_point.pod or access_point.service, at=seen.at
            )
        ref = (seen.access_point.pod or seen.access_point.service) if seen.access_point else None
        return cls(text=str(seen), kind=EvidenceKind.HTTP, ref=ref, at=seen.at)


class PatchType(StrEnum):
    """How a patch body is to be applied."""

    MERGE = "merge"
    """JSON Merge Patch (RFC 7396)."""
    JSON = "json"
    """JSON Patch (RFC 6902)."""
    CREATE = "create"
    """The body is a whole new manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A change of one object, as data."""

    ref: Ref
    type: PatchType
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A way to mend a finding, as data; rendering quotes.

    Commands are made by the builders of `istiodoctor.command`. Where one of them, or a patch, is
    for an object that there cannot be, no command is printed at all, and `why` says so.
    """

    title: str
    risk: Risk = Risk.SAFE
    patches: tuple[Patch, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    """Each command as an argument list.

    A tuple of a check's own is taken too. What was read must then never begin one of its words
    after the first unless something before it keeps it from being an option: `secret/NAME`,
    `--selector=VALUE`, or `--`.
    """
    verify: tuple[str, ...] = ()
    """A command that shows whether it worked."""
    undo: tuple[str, ...] = ()
    """A command, or a sentence as one word, that takes it back."""
    why: str = ""
    """What to know before applying it."""

    withheld: str = ""
    """Why none of its commands and patches is printed, as a clause; found where it is made."""

    def __post_init__(self) -> None:
        """Withhold every command where one cannot be: half of a fix may do harm."""
        made = (*self.commands, self.verify, self.undo)
        faults = (
            self.withheld,
            *(each.withheld for each in made if isinstance(each, Command)),
            *(fault_of(patch.ref) for patch in self.patches),
        )
        if fault := next(filter(None, faults), ""):
            reason = f"No command is printed: {fault}."
            why = self.why if reason in self.why else f"{self.why} {reason}".strip()
            for name in ("commands", "verify", "undo"):
                object.__setattr__(self, name, ())
            object.__setattr__(self, "withheld", fault)
            object.__setattr__(self, "why", why)


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """What makes a finding the same finding over runs: no indexes, host lists or wording."""

    kind: str
    """With its group where two kinds have one name: Istio's Gateway and the Gateway API's."""
    namespace: str
    name: str
    """Pods are named by their owner."""
    detail: str = ""
    """One credential or one host."""

    @classmethod
    def of(cls, ref: Ref, detail: str = "") -> "Identity":
        """Return the identity of a finding about this object."""
        kind = ref.resource if ref.is_gateway_api_gateway else ref.kind
        return cls(kind, ref.namespace, ref.name, detail)

    def __str__(self) -> str:
        """Return a stable text: the last rank, and what the fingerprint is made of."""
        return "/".join((self.kind, self.namespace, self.name, self.detail))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check's statement about one subject."""

    message: str
    """One or two sentences: object, place, consequence."""
    objects: tuple[Place, ...]
    """The objects concerned with their fields; the first is the one to change."""
    identity: Identity
    title: str = ""
    """A short line; empty for the check's own first line."""
    hosts: frozenset[str] = frozenset()
    evidence: tuple[Evidence, ...] = ()
    fixes: tuple[Fix, ...] = ()
    severity: Severity | None = None
    """None for the check's own."""
    confidence: Confidence = Confidence.CERTAIN
    deadline: datetime | None = None
    """When it gets worse by itself: an expiry."""
    is_settling: bool = False
    """It is so new that it may be over by itself within minutes: `scan --wait` waits for it."""
    credentials: frozenset[tuple[str, str]] = frozenset()
    """Namespace and name of the Secrets concerned: findings meet on them."""
    servers: frozenset[str] = frozenset()
    """Identities (`Server.id`) of the servers concerned: findings meet on them."""
    absences: frozenset[tuple[Kind, str, str]] = frozenset()
    """Kind, namespace and name of objects whose absence this rests on.

    They are read once more before it is reported.
    """

    @property
    def subject(self) -> Ref:
        """The object to change."""
        return self.objects[0].ref
