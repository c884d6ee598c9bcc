"""The path of a request: hop by hop, redirects followed, with the findings that explain it."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from dataclasses import replace as replaced

from msgspec.structs import replace

from istiodoctor.command import code, istiodoctor
from istiodoctor.diagnosis.agreed_hosts import DIFFERS, unsure
from istiodoctor.diagnosis.answer import answer, broken
from istiodoctor.diagnosis.explanations import Explanations, code_for, explained
from istiodoctor.diagnosis.report import Judgement, diagnose
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.in_force import asked_pods
from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.requests.answers import Ending
from istiodoctor.mesh.requests.confirming import confirmed_path
from istiodoctor.mesh.requests.path_targets import was_probed
from istiodoctor.mesh.requests.request_paths import RequestPath, request_paths
from istiodoctor.mesh.requests.sending import can_be_sent, why_not_sent
from istiodoctor.model.redaction import REDACTED, redact_parameters, redact_query
from istiodoctor.report import HopState, Report
from istiodoctor.trace_report import (
    Answer,
    AnswerKind,
    AnswerOutcome,
    Stop,
    Trace,
    TracedPath,
    Traces,
    TraceVerdict,
)

MOST_REDIRECTS = 10
"""What browsers and curl follow, roughly."""
MOST_LEGS = 50


def trace(judgement: Judgement, request: Request) -> Trace:
    """Follow a request through the mesh; what the checks found says why it stops."""
    return _Tracer.of(judgement).trace(request)


def traces(judgement: Judgement, asked: Iterable[tuple[str, Request]]) -> Traces:
    """Follow many requests, each with its id: what the checks found is judged once for all."""
    tracer = _Tracer.of(judgement)
    return Traces(
        tool=tracer.report.tool,
        scan=tracer.report.scan,
        traces=tuple(tracer.trace(request, name) for name, request in asked),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tracer:
    """What the traces of one run share."""

    mesh: Mesh
    report: Report
    explanations: Explanations
    is_probed: bool
    others: tuple[Mesh, ...] = ()
    """What else the files can mean."""

    @classmethod
    def of(cls, judgement: Judgement) -> "_Tracer":
        report = diagnose(judgement)
        return cls(
            mesh=judgement.mesh,
            report=report,
            explanations=Explanations(report.problems),
            is_probed=was_probed(judgement.mesh),
            others=tuple(each.mesh for each in judgement.others),
        )

    def trace(self, request: Request, name: str = "") -> Trace:
        """Follow one request."""
        legs = _traced_paths(self.mesh, request, self.explanations)
        others = [_traced_paths(each, request, self.explanations) for each in self.others]
        if any(_ends(each) != _ends(legs) for each in others):
            legs = tuple(_unsure(legs, others))
        stopped = next((i for i, leg in enumerate(legs) if leg.is_stopped), None)
        return Trace(
            id=name,
            url=redact_query(request.url),
            method=request.method,
            tool=self.report.tool,
            scan=self.report.scan,
            verdict=_verdict(legs),
            legs=legs,
            stopped_at=None if stopped is None else _stop(stopped, legs[stopped]),
            is_probed=self.is_probed,
            notes=tuple(_notes(request)) if self.is_probed else (),
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


def _traced_paths(
    mesh: Mesh, request: Request, explanations: Explanations
) -> tuple[TracedPath, ...]:
    """Return every path: the branches of a request first, then what their redirects lead to."""
    legs: list[TracedPath] = []
    seen = {_key(request)}
    waiting: deque[tuple[tuple[Request, ...], int | None]] = deque([((request,), None)])
    while waiting and len(legs) < MOST_LEGS:
        chain, follows = waiting.popleft()
        for found in request_paths(mesh, chain[-1]):
            is_held = found.workload is not None and bool(asked_pods(mesh, found.workload))
            told = explained(found, explanations, is_held=is_held)
            path = confirmed_path(mesh, found, told)
            target, path = _followed(path, chain)
            if target and _leads_outside(mesh, target, chain[-1]):
                target = None
            if target and _key(target) not in seen:
                seen.add(_key(target))
                waiting.append(((*chain, target), len(legs)))
            legs.append(_traced_path(path, follows, explanations))
    return tuple(legs)


def _key(request: Request) -> tuple[str, ...]:
    return request.method, request.url, request.authority, request.server_name


def _followed(path: RequestPath, chain: tuple[Request, ...]) -> tuple[Request | None, RequestPath]:
    """Return the request that a redirect leads to, or a path that stops where it leads nowhere."""
    if path.ending.kind is not AnswerKind.REDIRECT:
        return None, path
    try:
        target = path.request.redirected(path.ending.location, path.ending.status)
    except ValueError as error:
        return None, _stopped(path, f"that leads nowhere: {error}")
    if any(_key(each) == _key(target) for each in chain):
        return None, _stopped(path, "where the request has been before: a loop")
    if len(chain) > MOST_REDIRECTS:
        return None, _stopped(path, f"the last of {MOST_REDIRECTS} redirects that are followed")
    return target, path


def _stopped(path: RequestPath, why: str) -> RequestPath:
    """Return a path broken at the hop where its redirect was seen; else at the last one."""
    hops = list(path.hops)
    seen = [
        i
        for i, hop in enumerate(hops)
        if f"{path.ending.status} to {path.ending.location}" in hop.seen
    ]
    index = seen[0] if seen else len(hops) - 1
    hop = replace(hops[index], state=HopState.BROKEN, outcome=AnswerOutcome.REDIRECT)
    if seen:
        hops[index] = replace(hop, seen=f"{hop.seen}, {why}")
    else:
        hops[index] = replace(hop, text=f"{hop.text}, {why}")
    ending = Ending(kind=AnswerKind.NONE, status=path.ending.status, location=path.ending.location)
    return replace(path, hops=tuple(hops), ending=ending)


def _leads_outside(mesh: Mesh, target: Request, origin: Request) -> bool:
    """Whether a redirect sends the client to a place that none of the gateways has."""
    if target.host == origin.host:
        return False
    return all(each.workload is None for each in request_paths(mesh, target))


def _traced_path(path: RequestPath, follows: int | None, explanations: Explanations) -> TracedPath:
    hops = (
        replace(hop, code=code_for(hop, path, explanations))
        if hop.state is HopState.BROKEN and not hop.code
        else hop
        for hop in path.hops
    )
    query = path.request.query
    found = answer(path)
    return TracedPath(
        url=redact_query(path.request.url),
        gateway=path.workload.owner if path.workload else None,
        hops=tuple(
            replace(
                hop, text=_without_query(hop.text, query), seen=_without_query(hop.seen, query)
            )
            for hop in hops
        ),
        answer=replaced(
            found,
            text=_without_query(found.text, query),
            location=redact_parameters(found.location),
        ),
        follows=follows,
        is_unseen=path.is_unseen,
    )


def _without_query(text: str, query: str | None) -> str:
    """Return words about a request without its query, which a redirect takes along."""
    return text.replace(f"?{query}", f"?{REDACTED}") if query else text


def _ends(legs: tuple[TracedPath, ...]) -> tuple[object, ...]:
    """Return what a client gets, without the names of objects."""
    return tuple(
        (each.url, each.answer.kind, each.answer.status, each.answer.location, each.answer.outcome)
        for each in legs
    )


def _unsure(
    legs: tuple[TracedPath, ...], others: list[tuple[TracedPath, ...]]
) -> Iterator[TracedPath]:
    """Yield the paths up to the first that ends differently, which ends unknown."""
    for number, leg in enumerate(legs):
        rest = [each[number] for each in others if number < len(each)]
        is_same = len(rest) == len(others) and all(
            _ends((each,)) == _ends((leg,)) for each in rest
        )
        if is_same and number < len(legs) - 1:
            yield leg
            continue
        hops = unsure(leg.hops, [each.hops for each in rest])
        end = next(
            (i for i, hop in enumerate(hops) if hop.state is HopState.UNKNOWN), len(hops) - 1
        )
        last = replace(hops[end], state=HopState.UNKNOWN, text=DIFFERS, code="")
        yield TracedPath(
            url=leg.url,
            gateway=leg.gateway,
            hops=(*hops[:end], last),
            answer=Answer(kind=AnswerKind.UNKNOWN, text=DIFFERS),
            follows=leg.follows,
        )
        return


def _stop(index: int, leg: TracedPath) -> Stop:
    hop = broken(leg.hops)
    command = istiodoctor("explain", code(hop.code)) if hop.code else ()
    return Stop(leg=index, hop=hop, command=command)


def _verdict(legs: tuple[TracedPath, ...]) -> TraceVerdict:
    if any(leg.is_stopped for leg in legs):
        return TraceVerdict.STOPPED
    is_dark = any(hop.state is HopState.UNKNOWN for leg in legs for hop in leg.hops)
    is_unseen = any(leg.is_unseen or leg.answer.kind is AnswerKind.UNKNOWN for leg in legs)
    if is_dark or is_unseen:
        return TraceVerdict.UNKNOWN
    return TraceVerdict.ANSWERED
