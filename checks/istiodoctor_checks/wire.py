"""What findings about the wire have in common."""

from collections.abc import Iterable

from istiodoctor.finding import Evidence, EvidenceKind
from istiodoctor.mesh.wire import SeenCertificate
from istiodoctor.model.observation import HttpStep, Outcome, TlsObservation
from istiodoctor.model.ref import Place
from istiodoctor_checks.served import value_of

SHOWN = 4
_WORDS = {
    Outcome.RESET: "the connection was closed without a word",
    Outcome.REFUSED: "the connection was refused: nobody listens",
    Outcome.TIMED_OUT: "there was no answer in time",
    Outcome.UNREACHABLE: "there is no way there",
    Outcome.NOT_TLS: "the answer is not TLS",
    Outcome.HANDSHAKE: "TLS was agreed on",
}


def handshake_evidence(seen: Iterable[TlsObservation]) -> tuple[Evidence, ...]:
    """Return handshakes as evidence: the first few."""
    return tuple(
        Evidence(
            kind=EvidenceKind.TLS,
            text=f"{each.target.door}, {_asked(each)}: {ending(each)}",
            ref=each.target.door.pod or each.target.door.service,
            at=each.at,
        )
        for each in list(seen)[:SHOWN]
    )


def request_evidence(steps: Iterable[HttpStep]) -> tuple[Evidence, ...]:
    """Return requests as evidence: the first few."""
    return tuple(
        Evidence(
            kind=EvidenceKind.HTTP,
            text=f"GET {each.url} through {each.door}: {each.status or each.error}{_onward(each)}",
            ref=(each.door.pod or each.door.service) if each.door else None,
            at=each.at,
        )
        for each in list(steps)[:SHOWN]
    )


def ending(seen: TlsObservation) -> str:
    """Return how a handshake ended, in words."""
    if seen.alert:
        return f"the alert '{seen.alert}'"
    if seen.leaf:
        leaf = seen.leaf
        return (
            f"serial {leaf.serial}, issued by {leaf.issuer or 'nobody'},"
            f" valid until {leaf.not_after:%Y-%m-%d %H:%M} UTC"
        )
    words = _WORDS.get(seen.outcome, str(seen.outcome))
    return f"{words} ({seen.detail})" if seen.detail else words


def objects_of(seen: SeenCertificate) -> tuple[Place, ...]:
    """Return the Secrets that a certificate came from, then the server; else the server alone."""
    stored = tuple(
        value_of(each, each.pair.certificate_key if each.pair else "tls.crt")
        for each in seen.stored
    )
    return (*stored, seen.server.place)


def detail_of(seen: SeenCertificate) -> str:
    """Return what tells findings about one Gateway apart: the credential, else a host."""
    if seen.keys:
        return "/".join(min(seen.keys))
    return min(seen.hosts)


def _asked(seen: TlsObservation) -> str:
    return f"SNI {seen.target.sni}" if seen.target.sni else "without SNI"


def _onward(step: HttpStep) -> str:
    return f" → {step.location}" if step.location else ""
