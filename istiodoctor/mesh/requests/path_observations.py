"""Observations of one path of a request, and how they are worded."""

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from istiodoctor.mesh.requests.hops import BROKEN, OK, UNKNOWN, Confirmation, Hop, HopState
from istiodoctor.mesh.requests.path_targets import PathTargets, WireObservation
from istiodoctor.model.credential import CertificateFacts
from istiodoctor.model.observation import (
    HttpObservation,
    HttpStep,
    Outcome,
    TlsObservation,
)
from istiodoctor.model.value import Value

CONNECTED = frozenset(
    {
        Outcome.HANDSHAKE,
        Outcome.ALERT,
        Outcome.RESET,
        Outcome.NOT_TLS,
        Outcome.ANSWERED,
        Outcome.LOOP,
        Outcome.LEFT,
        Outcome.NOT_HTTP,
    }
)
"""Somebody took the connection, whatever became of it."""
SHOWN_NAMES = 3
SHOWN_PLACES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen at a hop."""

    confirmation: Confirmation
    words: str = ""
    state: HopState | None = None
    """What that makes of the hop; None leaves it as the objects have it."""

    def on(self, hop: Hop) -> Hop:
        """Return a hop with this observation; a confirmed hop is no longer unknown."""
        state = self.state or hop.state
        if self.confirmation is Confirmation.CONFIRMED and state is UNKNOWN:
            state = OK
        return replace(hop, state=state, confirmation=self.confirmation, seen=self.words)


def confirmed(words: str = "", state: HopState | None = None) -> Seen:
    """Return that an observation confirms what the objects say."""
    return Seen(confirmation=Confirmation.CONFIRMED, words=words, state=state)


def contradicted(words: str, state: HopState = BROKEN) -> Seen:
    """Return that an observation contradicts what the objects say."""
    return Seen(confirmation=Confirmation.CONTRADICTED, words=words, state=state)


def unknown(words: str = "", state: HopState | None = None) -> Seen:
    """Return that nothing was observed, and why."""
    return Seen(confirmation=Confirmation.NOT_LOOKED_AT, words=words, state=state)


class PathObservations(Value, frozen=True, kw_only=True):
    """Every observation of one path of a request."""

    path_targets: PathTargets
    pods: tuple[WireObservation, ...] = ()
    addresses: tuple[WireObservation, ...] = ()
    name: tuple[WireObservation, ...] = ()
    has_front: bool = False
    """Whether something before the gateway speaks to clients in its place."""
    missed: str = ""
    """Why some of it was not seen."""

    @property
    def every(self) -> tuple[WireObservation, ...]:
        """All of it."""
        return (*self.pods, *self.addresses, *self.name)

    @property
    def heard_of_pods(self) -> tuple[WireObservation, ...]:
        """What pods did; a port-forward that did not come about says nothing of them."""
        return tuple(each for each in self.pods if is_heard(each))

    @property
    def handshakes(self) -> tuple[TlsObservation, ...]:
        """The handshakes with the gateway itself: at its pods, else at its addresses."""
        at_pods = handshakes_in(self.heard_of_pods)
        if at_pods or self.has_front:
            return at_pods
        return tuple(each for each in handshakes_in(self.addresses) if each.outcome in CONNECTED)

    @property
    def reply(self) -> HttpStep | None:
        """The answer that counts: that of the pods, or of what stands before them."""
        groups = (self.pods, self.addresses, self.name)
        if self.has_front:
            groups = (self.name, self.addresses, self.pods)
        return next(filter(None, map(reply_of, groups)), None)

    @property
    def why_unknown(self) -> str:
        """Why nothing was observed; empty where nothing prevented it."""
        silent = (each for each in self.every if each.outcome not in CONNECTED)
        found = next((trouble(each) for each in silent), "")
        return found or self.path_targets.why_not or self.missed


def reply_of(seen: Iterable[WireObservation]) -> HttpStep | None:
    """Return the first answer to a request."""
    return next((each.last for each in requests_in(seen) if each.last.status), None)


def is_heard(seen: WireObservation) -> bool:
    """Whether a pod took or refused a connection."""
    return seen.outcome in CONNECTED or seen.outcome is Outcome.REFUSED


def handshakes_in(seen: Iterable[WireObservation]) -> tuple[TlsObservation, ...]:
    """Return the handshakes among what was seen."""
    return tuple(each for each in seen if isinstance(each, TlsObservation))


def requests_in(seen: Iterable[WireObservation]) -> tuple[HttpObservation, ...]:
    """Return the requests among what was seen."""
    return tuple(each for each in seen if isinstance(each, HttpObservation))


def place_of(seen: WireObservation) -> str:
    """Name where something was seen."""
    access_point = seen.target.access_point
    return f"Pod {access_point.pod.name}" if access_point.pod else str(access_point)


def trouble(seen: WireObservation) -> str:
    """Say where a connection did not come about, and why."""
    return f"{place_of(seen)}: {why_failed(seen)}"


def why_failed(seen: WireObservation) -> str:
    """Say why a connection did not come about."""
    words = {
        Outcome.FORBIDDEN: "the port-forward is forbidden",
        Outcome.TIMED_OUT: "no answer in time",
        Outcome.REFUSED: "nobody listens",
        Outcome.UNREACHABLE: "there is no way there",
        Outcome.FAILED: "it did not come about",
        Outcome.NOT_PERMITTED: "it is never connected to",
        Outcome.RESET: "the connection was closed without a word",
    }.get(seen.outcome, str(seen.outcome))
    detail = seen.detail if isinstance(seen, TlsObservation) else seen.last.error
    if seen.outcome in (Outcome.REFUSED, Outcome.TIMED_OUT, Outcome.RESET):
        detail = ""  # the same in other words
    said = f" ({detail})" if detail and detail != str(seen.outcome) else ""
    return f"{words}{said}"


def listing(names: Iterable[str], shown: int = SHOWN_PLACES) -> str:
    """Return the first names, and how many more there are."""
    every = list(dict.fromkeys(names))
    more = [f"{len(every) - shown} more"] if len(every) > shown else []
    return ", ".join([*every[:shown], *more])


def described(leaf: CertificateFacts) -> str:
    """Describe a certificate: serial, names, end."""
    names = listing((*leaf.dns_names, *leaf.ip_addresses), SHOWN_NAMES) or "no name"
    return f"serial {leaf.serial}, for {names}, valid until {leaf.not_after:%Y-%m-%d}"


def trusted(seen: TlsObservation, *, is_refused: bool = True) -> str:
    """Say whether clients accept a certificate; all of them, or those with the roots from here."""
    if seen.verified is None:
        why = f" ({seen.reason})" if seen.reason else ""
        return f"whether clients trust it is not known{why}"
    if seen.verified:
        return "trusted"
    return f"{'clients refuse it' if is_refused else 'not trusted from here'}: {seen.reason}"
