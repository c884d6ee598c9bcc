"""The way of one request: hop by hop, redirects followed, with the findings that explain it."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from istiodoctor.command import code, istiodoctor
from istiodoctor.diagnosis.blame import blamed, code_for
from istiodoctor.diagnosis.report import Judgement, diagnose
from istiodoctor.mesh.trace.answers import STOPPED
from istiodoctor.mesh.trace.confirming import confirmed
from istiodoctor.mesh.trace.journeys import Way
from istiodoctor.mesh.trace.requests import Request
from istiodoctor.mesh.trace.sending import can_be_sent, why_not_sent
from istiodoctor.report import (
    Answer,
    AnswerKind,
    Hop,
    HopState,
    Problem,
    Stop,
    Trace,
    TraceLeg,
    TraceVerdict,
    said,
)

MOST_REDIRECTS = 10
"""What browsers and curl follow, roughly."""
MOST_LEGS = 50


def trace(judgement: Judgement, request: Request) -> Trace:
    """Follow a request through the mesh; what the checks found says why it stops."""
    report = diagnose(judgement)
    legs = _legs(judgement, request, report.problems)
    stopped = next((i for i, leg in enumerate(legs) if leg.is_stopped), None)
    return Trace(
        url=request.url,
        method=request.method,
        tool=report.tool,
        scan=report.scan,
        verdict=_verdict(legs),
        legs=legs,
        stopped_at=None if stopped is None else _stop(stopped, legs[stopped]),
        is_probed=judgement.mesh.was_probed(),
        notes=tuple(_notes(request)) if judgement.mesh.was_probed() else (),
    )


def _notes(request: Request) -> Iterator[str]:
    """Yield in what the request that was sent is not the one that was asked about."""
    why_not = why_not_sent(request)
    if why_not:
        yield f"{why_not[0].upper()}{why_not[1:]}; how it ends is said by the objects alone."
        return
    unsent = [name for name, value in request.headers if not can_be_sent(name, value)]
    if unsent:
        yield f"Never sent, so not part of what was seen: {', '.join(unsent)}."


def _legs(
    judgement: Judgement, request: Request, problems: tuple[Problem, ...]
) -> tuple[TraceLeg, ...]:
    """Return every leg: the branches of a request first, then what their redirects lead to."""
    legs: list[TraceLeg] = []
    seen = {_key(request)}
    waiting: deque[tuple[tuple[Request, ...], int | None]] = deque([((request,), None)])
    while waiting and len(legs) < MOST_LEGS:
        chain, follows = waiting.popleft()
        for found in judgement.mesh.ways(chain[-1]):
            way = confirmed(judgement.mesh, found, blamed(found, problems))
            target, way = _followed(way, chain)
            if target and _leads_outside(judgement, target, chain[-1]):
                target = None
            if target and _key(target) not in seen:
                seen.add(_key(target))
                waiting.append(((*chain, target), len(legs)))
            legs.append(_leg(way, follows, problems))
    return tuple(legs)


def _key(request: Request) -> tuple[str, str]:
    return request.method, request.url


def _followed(way: Way, chain: tuple[Request, ...]) -> tuple[Request | None, Way]:
    """Return the request that a redirect leads to, or the way stopped where it leads nowhere."""
    if way.ending.kind is not AnswerKind.REDIRECT:
        return None, way
    try:
        target = way.request.redirected(way.ending.location, way.ending.status)
    except ValueError as error:
        return None, _stopped(way, f"that leads nowhere: {error}")
    if any(_key(each) == _key(target) for each in chain):
        return None, _stopped(way, "where the request has been before: a loop")
    if len(chain) > MOST_REDIRECTS:
        return None, _stopped(way, f"the last of {MOST_REDIRECTS} redirects that are followed")
    return target, way


def _stopped(way: Way, why: str) -> Way:
    """Return a way broken at the hop where its redirect was seen; else at the last one."""
    hops = list(way.hops)
    seen = [
        i
        for i, hop in enumerate(hops)
        if f"{way.ending.status} to {way.ending.location}" in hop.seen
    ]
    index = seen[0] if seen else len(hops) - 1
    hop = hops[index]
    if seen:
        hops[index] = replace(hop, state=HopState.BROKEN, seen=f"{hop.seen}, {why}")
    else:
        hops[index] = replace(hop, state=HopState.BROKEN, text=f"{hop.text}, {why}")
    return replace(way, hops=tuple(hops), ending=STOPPED)


def _leads_outside(judgement: Judgement, target: Request, origin: Request) -> bool:
    """Whether a redirect sends the client to a place that none of the gateways has."""
    if target.host == origin.host:
        return False
    return all(each.workload is None for each in judgement.mesh.ways(target))


def _leg(way: Way, follows: int | None, problems: tuple[Problem, ...]) -> TraceLeg:
    hops = tuple(
        replace(hop, code=code_for(hop, way, problems))
        if hop.state is HopState.BROKEN and not hop.code
        else hop
        for hop in way.hops
    )
    ending = way.ending
    return TraceLeg(
        url=way.request.url,
        gateway=way.workload.owner if way.workload else None,
        hops=hops,
        answer=Answer(
            kind=ending.kind,
            text=_answered(way),
            status=ending.status,
            location=ending.location,
        ),
        follows=follows,
        is_unseen=way.is_unseen,
    )


def _answered(way: Way) -> str:
    """Say in a few words what the client gets."""
    match way.ending.kind:
        case AnswerKind.BACKEND:
            refs = [hop.ref for hop in way.hops if hop.hop == "backend" and hop.ref]
            names = ", ".join(dict.fromkeys(map(str, refs)))
            status = f" {way.ending.status}" if way.ending.status else ""
            return f"{names or 'the backend'} answers{status}"
        case AnswerKind.DIRECT_RESPONSE:
            return f"Envoy answers {way.ending.status}"
        case AnswerKind.REDIRECT:
            return f"{way.ending.status} to {way.ending.location}"
        case AnswerKind.UNKNOWN:
            return next((hop.text for hop in reversed(way.hops)), "nothing is known")
        case AnswerKind.NONE:
            return said(_broken(way.hops))


def _broken(hops: tuple[Hop, ...]) -> Hop:
    return next(hop for hop in hops if hop.state is HopState.BROKEN)


def _stop(index: int, leg: TraceLeg) -> Stop:
    hop = _broken(leg.hops)
    command = istiodoctor("explain", code(hop.code)) if hop.code else ()
    return Stop(leg=index, hop=hop, command=command)


def _verdict(legs: tuple[TraceLeg, ...]) -> TraceVerdict:
    if any(leg.is_stopped for leg in legs):
        return TraceVerdict.STOPPED
    is_dark = any(hop.state is HopState.UNKNOWN for leg in legs for hop in leg.hops)
    is_unseen = any(leg.is_unseen or leg.answer.kind is AnswerKind.UNKNOWN for leg in legs)
    if is_dark or is_unseen:
        return TraceVerdict.UNKNOWN
    return TraceVerdict.ANSWERED
