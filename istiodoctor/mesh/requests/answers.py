"""How the way of a request ends, and when something that is not there is known not to exist."""

from collections.abc import Generator
from enum import StrEnum

from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.requests.hops import BROKEN, UNKNOWN, Hop
from istiodoctor.mesh.requests.outcomes import AnswerOutcome
from istiodoctor.mesh.requests.unread import Kinds, are_complete, named, refused
from istiodoctor.model.ref import Ref
from istiodoctor.model.value import Value


class AnswerKind(StrEnum):
    """What a client gets in the end."""

    BACKEND = "backend"
    """A backend answers."""
    DIRECT_RESPONSE = "direct-response"
    """Envoy answers by itself, as a route tells it to."""
    REDIRECT = "redirect"
    NONE = "none"
    """An error, or nothing: the way is broken."""
    UNKNOWN = "unknown"
    """Something on the way was not read."""


class Ending(Value, frozen=True, kw_only=True):
    """How a way ends."""

    kind: AnswerKind
    status: int = 0
    """What Envoy answers by itself, and what a backend was seen to answer; else 0."""
    location: str = ""
    """Of a redirect."""
    outcome: AnswerOutcome | None = None
    """What a client gets, where that does not follow from the kind or the last hop."""


HopGenerator = Generator[Hop, None, Ending]
"""Hops one after the other, and at last how it ends."""


def hops_and_ending(hop_generator: HopGenerator) -> tuple[tuple[Hop, ...], Ending]:
    """Return the hops of a walk to its end, and how it ends."""
    hops: list[Hop] = []
    while True:
        try:
            hops.append(next(hop_generator))
        except StopIteration as end:
            return tuple(hops), end.value


STOPPED = Ending(kind=AnswerKind.NONE)
ENDS_UNKNOWN = Ending(kind=AnswerKind.UNKNOWN)
ANSWERED = Ending(kind=AnswerKind.BACKEND)


def ends_at(
    mesh: Mesh,
    hop: str,
    text: str,
    *,
    rests_on: Kinds,
    called: str = "routes",
    ref: Ref | None = None,
    outcome: AnswerOutcome | None = None,
    status: int = 0,
) -> HopGenerator:
    """End where something is not there: unknown where it may exist unseen.

    `rests_on` are the kinds that it would be one of, or be made of; `called` is a word for them.
    """
    unread = refused(mesh, rests_on)
    if not unread and are_complete(mesh, rests_on):
        yield Hop(hop=hop, ref=ref, state=BROKEN, text=text, outcome=outcome)
        return Ending(kind=AnswerKind.NONE, status=status)
    read = named(unread) or called
    yield Hop(hop=hop, ref=ref, state=UNKNOWN, text=f"as far as {read} were read, {text}")
    return ENDS_UNKNOWN


def ends_unknown(hop: str, text: str, ref: Ref | None = None) -> HopGenerator:
    """End where what comes next cannot be told."""
    yield Hop(hop=hop, ref=ref, state=UNKNOWN, text=text)
    return ENDS_UNKNOWN
