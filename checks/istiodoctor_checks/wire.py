"""What findings about the wire have in common."""

from collections.abc import Iterable

from istiodoctor.finding import Evidence, EvidenceKind
from istiodoctor.mesh.wire.certificates import SeenCertificate
from istiodoctor.model.observation import HttpStep, TlsObservation
from istiodoctor.model.ref import Place
from istiodoctor_checks.served import value_of

SHOWN = 4


def handshake_evidence(seen: Iterable[TlsObservation]) -> tuple[Evidence, ...]:
    """Return handshakes as evidence: the first few."""
    return tuple(
        Evidence(
            kind=EvidenceKind.TLS,
            text=str(each),
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
            text=str(each),
            ref=(each.door.pod or each.door.service) if each.door else None,
            at=each.at,
        )
        for each in list(steps)[:SHOWN]
    )


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
