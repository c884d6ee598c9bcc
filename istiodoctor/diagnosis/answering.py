"""What a client gets at the end of a way: in words for people, in values for programs."""

from collections.abc import Iterable

from istiodoctor.mesh.requests.outcomes import ClusterState
from istiodoctor.mesh.requests.request_paths import RequestPath
from istiodoctor.report import (
    Answer,
    AnswerKind,
    AnswerOutcome,
    Hop,
    HopState,
    RouteCluster,
    ServedCertificate,
    said,
)

_OUTCOMES = {
    AnswerKind.BACKEND: AnswerOutcome.BACKEND,
    AnswerKind.DIRECT_RESPONSE: AnswerOutcome.DIRECT,
    AnswerKind.REDIRECT: AnswerOutcome.REDIRECT,
    AnswerKind.UNKNOWN: AnswerOutcome.UNKNOWN,
}
_BROKEN_AT = {
    "service": AnswerOutcome.NO_PORT,
    "workload": AnswerOutcome.REFUSED,
    "listener": AnswerOutcome.REFUSED,
    "filter-chain": AnswerOutcome.RESET,
    "certificate": AnswerOutcome.RESET,
    "virtual-host": AnswerOutcome.ERROR,
    "redirect": AnswerOutcome.ERROR,
    "route": AnswerOutcome.ERROR,
    "backend": AnswerOutcome.ERROR,
    "endpoints": AnswerOutcome.ERROR,
}
"""What a client gets where a way ends at a hop that does not say it itself."""
_STATUS = {
    AnswerOutcome.NO_CLUSTER: 503,
    AnswerOutcome.NO_ENDPOINT: 503,
    AnswerOutcome.NOT_FOUND: 404,
    AnswerOutcome.DENIED: 403,
    AnswerOutcome.DIRECT: 500,
}
"""What Envoy answers where HTTP reaches it and the way ends broken."""
_SHOWN = frozenset({HopState.OK, HopState.WARNING})


def answer(way: RequestPath) -> Answer:
    """Return what a client gets."""
    ending = way.ending
    outcome = _outcome(way)
    is_http = any(hop.hop == "virtual-host" for hop in way.hops)
    own = _STATUS.get(outcome, 0) if is_http and ending.kind is AnswerKind.NONE else 0
    return Answer(
        kind=ending.kind,
        text=_text(way),
        status=ending.status or own,
        location=ending.location,
        outcome=outcome,
        clusters=_clusters(way.hops),
        certificate=_certificate(way.hops),
    )


def broken(hops: Iterable[Hop]) -> Hop:
    """Return the hop at which a way is broken."""
    return next(hop for hop in hops if hop.state is HopState.BROKEN)


def _outcome(way: RequestPath) -> AnswerOutcome:
    if way.ending.outcome:
        return way.ending.outcome
    if way.ending.kind is not AnswerKind.NONE:
        return _OUTCOMES[way.ending.kind]
    hop = broken(way.hops)
    if hop.cluster and hop.cluster.state is ClusterState.OK:
        return AnswerOutcome.BACKEND  # what comes of it there is for the backend to say
    if hop.outcome:
        return hop.outcome
    if hop.hop == "filter-chain" and way.workload is None and way.request.scheme == "http":
        return AnswerOutcome.NOT_FOUND
    return _BROKEN_AT.get(hop.hop, AnswerOutcome.UNKNOWN)


def _clusters(hops: Iterable[Hop]) -> tuple[RouteCluster, ...]:
    return tuple(hop.cluster for hop in hops if hop.cluster)


def _certificate(hops: Iterable[Hop]) -> ServedCertificate | None:
    return next((hop.certificate for hop in hops if hop.certificate and hop.state in _SHOWN), None)


def _text(way: RequestPath) -> str:
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
            return said(broken(way.hops))
