"""One rule broken for one subject: what a check states."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from istiodoctor.evidence import Evidence
from istiodoctor.fix import Fix
from istiodoctor.model.kind import Kind
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
    hop: str = ""
    """The hop of a request at which it shows, as a trace calls it: it says which other checks may
    know why. For checks of last resort."""
    culprits: frozenset[Ref] = frozenset()
    """Objects that the evidence itself names as the cause.

    Where there are any, only a finding about one of them explains this one.
    """
    absences: frozenset[tuple[Kind, str, str]] = frozenset()
    """Kind, namespace and name of objects whose absence this rests on.

    They are read once more before it is reported.
    """

    @property
    def subject(self) -> Ref:
        """The object to change."""
        return self.objects[0].ref
