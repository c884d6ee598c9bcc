"""What the answer to a request shows of the hops behind the handshake, and of the ending."""

from dataclasses import dataclass

from istiodoctor.mesh.requests.answers import STOPPED, AnswerKind, Ending
from istiodoctor.mesh.requests.hops import BROKEN, WARNING, Hop
from istiodoctor.mesh.requests.path_observations import Seen, confirmed, contradicted, unknown
from istiodoctor.model.http_statuses import REDIRECTS
from istiodoctor.model.observation import HttpStep

OF_HTTP = ("virtual-host", "redirect", "route", "backend", "endpoints")
"""The hops that only a request shows."""
NO_ENDPOINT = "no healthy upstream"
MOST_BODY = 160
"""How many characters of an error's page are quoted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an answer shows: by the index of the hop, and the ending."""

    seen: dict[int, Seen]
    ending: Ending


def judged(hops: tuple[Hop, ...], expected: Ending, step: HttpStep, *, is_direct: bool) -> Reply:
    """Compare an answer with the path that the objects describe.

    `is_direct` says that Envoy hands on bytes, so that whatever answers is the backend.
    """
    actual = ending_of(step, is_direct=is_direct)
    if any(hop.state is BROKEN for hop in hops if hop.hop in OF_HTTP):
        expected = STOPPED
    words = _words(step, actual, is_direct=is_direct)
    place = _place(hops, expected, actual, step)
    if place is not None and expected.kind is AnswerKind.NONE and _several(hops):
        return Reply(seen={place: confirmed(words)}, ending=STOPPED)
    agrees = _agrees(expected, actual, step, is_direct=is_direct)
    seen = {index: confirmed() for index in _passed(hops, place, actual)}
    if place is None:
        return Reply(seen=seen, ending=actual)
    if agrees:
        is_new = expected.kind is AnswerKind.UNKNOWN and actual is STOPPED
        seen[place] = confirmed(words, BROKEN if is_new else None)
        keeps = expected.kind in (AnswerKind.NONE, AnswerKind.DIRECT_RESPONSE)
        return Reply(seen=seen, ending=expected if keeps else _reached(expected, actual))
    seen[place] = contradicted(words, BROKEN if actual is STOPPED else WARNING)
    return Reply(seen=seen, ending=actual)


def differ(one: HttpStep, other: HttpStep) -> bool:
    """Whether two answers to one request send a client to different ends."""
    ends = [ending_of(each) for each in (one, other)]
    if any(each.kind is AnswerKind.REDIRECT for each in ends):
        return ends[0] != ends[1]
    return (one.status >= 400 or other.status >= 400) and one.status != other.status


def unanswered(hops: tuple[Hop, ...], words: str) -> dict[int, Seen]:
    """Return that the hops which only a request shows were not looked at, and why."""
    return {index: unknown(words) for index, hop in enumerate(hops) if hop.hop in OF_HTTP}


def closed(hops: tuple[Hop, ...], words: str) -> dict[int, Seen]:
    """Return that a connection was closed where an answer was due."""
    index = next((i for i, hop in enumerate(hops) if hop.hop == "route"), len(hops) - 1)
    return {index: confirmed(words) if hops[index].state is BROKEN else contradicted(words)}


def ending_of(step: HttpStep, *, is_direct: bool = False) -> Ending:
    """Return how a request ends that is answered so."""
    if step.status in REDIRECTS and step.location:
        return Ending(kind=AnswerKind.REDIRECT, status=step.status, location=step.location)
    if step.from_upstream or is_direct:
        return Ending(kind=AnswerKind.BACKEND, status=step.status)
    if step.status >= 400:
        return STOPPED
    return Ending(kind=AnswerKind.DIRECT_RESPONSE, status=step.status)


def _words(step: HttpStep, actual: Ending, *, is_direct: bool) -> str:
    by = (
        ""
        if step.access_point is None or step.access_point.pod
        else f", through {step.access_point}"
    )
    onward = f" to {step.location}" if actual.kind is AnswerKind.REDIRECT else ""
    if step.from_upstream or is_direct:
        return f"from the backend{by}: {step.status}{onward}"
    if onward:
        return f"{step.status}{onward}{by}"
    if actual is STOPPED:
        said = f": {step.body[:MOST_BODY].strip()}" if step.body else ""
        return f"the gateway itself answers {step.status}{by}{said}"
    return f"{step.status}{by}, with no sign that it came from a backend"


def _agrees(expected: Ending, actual: Ending, step: HttpStep, *, is_direct: bool) -> bool:
    match expected.kind:
        case AnswerKind.UNKNOWN:
            return True
        case AnswerKind.NONE:
            return actual is STOPPED
        case AnswerKind.REDIRECT:
            return actual == expected
        case AnswerKind.DIRECT_RESPONSE:
            return expected.status == step.status and not step.from_upstream
        case AnswerKind.BACKEND:
            is_own = actual.kind is AnswerKind.REDIRECT and not (step.from_upstream or is_direct)
            return actual is not STOPPED and not is_own


def _reached(expected: Ending, actual: Ending) -> Ending:
    if expected.kind is AnswerKind.BACKEND and actual.kind is AnswerKind.DIRECT_RESPONSE:
        return Ending(kind=AnswerKind.BACKEND, status=actual.status)
    return actual


def _place(hops: tuple[Hop, ...], expected: Ending, actual: Ending, step: HttpStep) -> int | None:
    """Return the hop that an answer speaks of; None where the path ends before all of them."""
    own = [index for index, hop in enumerate(hops) if hop.hop in OF_HTTP or hop.hop == "front"]
    if not own:
        return None
    if _several(hops):  # one answer does not tell which of them gave it
        return next((index for index in own if hops[index].hop == "route"), own[0])
    broken = next((index for index in own if hops[index].state is BROKEN), None)
    if broken is not None:
        return broken
    if expected.kind is AnswerKind.REDIRECT or not _has(hops, "backend"):
        return own[-1]
    name = "backend"
    if actual is STOPPED:
        name = "route" if step.status < 500 else name
        name = "endpoints" if NO_ENDPOINT in step.body else name
    elif not (actual.kind is AnswerKind.BACKEND or step.from_upstream) and step.location:
        name = "route"
    found = [index for index in own if hops[index].hop == name]
    return found[-1] if found else own[-1]


def _several(hops: tuple[Hop, ...]) -> bool:
    return sum(hop.hop == "backend" for hop in hops) > 1


def _has(hops: tuple[Hop, ...], name: str) -> bool:
    return any(hop.hop == name for hop in hops)


def _passed(hops: tuple[Hop, ...], place: int | None, actual: Ending) -> list[int]:
    """Return the hops that an answer shows to be passed, beside the one that it speaks of."""
    if place is None:
        return []
    before = [i for i in range(place) if hops[i].hop in OF_HTTP and hops[i].state is not BROKEN]
    behind = [
        i
        for i in range(place + 1, len(hops))
        if hops[i].hop == "endpoints" and actual is not STOPPED and not _several(hops)
    ]
    return [*before, *behind]
