"""How the path of a request ends, and whether what is missing is known not to exist."""

from collections.abc import Generator
from enum import StrEnum
from typing import TypeVar

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
    """An error, or no answer: a hop is broken."""
    UNKNOWN = "unknown"
    """A hop could not be read."""


class Ending(Value, frozen=True, kw_only=True):
    """How the path of a request ends."""

    kind: AnswerKind
    status: int = 0
    """What Envoy answers by itself, and what a backend was seen to answer; else 0."""
    location: str = ""
    """Of a redirect."""
    is_of_other_requests: bool = False
    """Of a 404: whether all routes of the host are there, and take other requests."""
    outcome: AnswerOutcome | None = None
    """What a client gets, where that does not follow from the kind or the last hop."""


HopGenerator = Generator[Hop, None, Ending]
"""Yields the hops of a request one after the other, and returns how it ends."""


R = TypeVar("R")


def exhausted(hop_generator: Generator[Hop, None, R]) -> tuple[tuple[Hop, ...], R]:
    """Return all hops that a generator yields, and what it returns."""
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
    """Yield a broken hop for what is missing, or an unknown one where it may exist unread.

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
    """Yield an unknown hop, and end."""
    yield Hop(hop=hop, ref=ref, state=UNKNOWN, text=text)
    return ENDS_UNKNOWN
