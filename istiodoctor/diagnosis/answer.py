"""What a client gets in the end: in words for people, in values for programs."""

from collections.abc import Iterable

from istiodoctor.mesh.requests.outcomes import ClusterState
from istiodoctor.mesh.requests.request_paths import RequestPath
from istiodoctor.report import Hop, HopState, said
from istiodoctor.trace_report import (
    Answer,
    AnswerKind,
    AnswerOutcome,
    RouteCluster,
    ServedCertificate,
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
    "endpoints": AnswerOutcome.NO_ENDPOINT,
}
"""What a client gets where a path ends at a hop that does not say it itself."""
_STATUS = {
    AnswerOutcome.NO_CLUSTER: 503,
    AnswerOutcome.NO_ENDPOINT: 503,
    AnswerOutcome.NOT_FOUND: 404,
    AnswerOutcome.DENIED: 403,
    AnswerOutcome.DIRECT: 500,
}
"""What Envoy answers where HTTP reaches it and the path ends broken."""
_SHOWN = frozenset({HopState.OK, HopState.WARNING})


def answer(path: RequestPath) -> Answer:
    """Return what a client gets."""
    ending = path.ending
    outcome = _outcome(path)
    is_http = any(hop.hop == "virtual-host" for hop in path.hops)
    own = _STATUS.get(outcome, 0) if is_http and ending.kind is AnswerKind.NONE else 0
    return Answer(
        kind=ending.kind,
        text=_text(path),
        status=ending.status or own,
        location=ending.location,
        outcome=outcome,
        clusters=_clusters(path.hops),
        certificate=_certificate(path.hops),
    )


def broken(hops: Iterable[Hop]) -> Hop:
    """Return the hop at which a path is broken."""
    return next(hop for hop in hops if hop.state is HopState.BROKEN)


def _outcome(path: RequestPath) -> AnswerOutcome:
    if path.ending.outcome:
        return path.ending.outcome
    if path.ending.kind is not AnswerKind.NONE:
        return _OUTCOMES[path.ending.kind]
    hop = broken(path.hops)
    if hop.cluster and hop.cluster.state is ClusterState.OK:
        return AnswerOutcome.BACKEND  # what comes of it there is for the backend to say
    if hop.outcome:
        return hop.outcome
    if hop.hop == "filter-chain" and path.workload is None and path.request.scheme == "http":
        return AnswerOutcome.NOT_FOUND
    return _BROKEN_AT.get(hop.hop, AnswerOutcome.UNKNOWN)


def _clusters(hops: Iterable[Hop]) -> tuple[RouteCluster, ...]:
    return tuple(hop.cluster for hop in hops if hop.cluster)


def _certificate(hops: Iterable[Hop]) -> ServedCertificate | None:
    return next((hop.certificate for hop in hops if hop.certificate and hop.state in _SHOWN), None)


def _text(path: RequestPath) -> str:
    """Say in a few words what the client gets."""
    match path.ending.kind:
        case AnswerKind.BACKEND:
            refs = [hop.ref for hop in path.hops if hop.hop == "backend" and hop.ref]
            names = ", ".join(dict.fromkeys(map(str, refs)))
            status = f" {path.ending.status}" if path.ending.status else ""
            return f"{names or 'the backend'} answers{status}"
        case AnswerKind.DIRECT_RESPONSE:
            return f"Envoy answers {path.ending.status}"
        case AnswerKind.REDIRECT:
            return f"{path.ending.status} to {path.ending.location}"
        case AnswerKind.UNKNOWN:
            return next((hop.text for hop in reversed(path.hops)), "nothing is known")
        case AnswerKind.NONE:
            return said(broken(path.hops))
