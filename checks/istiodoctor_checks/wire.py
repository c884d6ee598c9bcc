"""What findings about the wire have in common."""

from collections.abc import Iterable

from istiodoctor.finding import Confidence, Evidence, Severity
from istiodoctor.mesh.observations.certificates import SeenCertificate
from istiodoctor.mesh.observations.verification import Observation
from istiodoctor.model.ref import Place
from istiodoctor_checks.served import value_of
from istiodoctor_checks.text import listing

SHOWN = 4


def observed_evidence(seen: Iterable[Observation]) -> tuple[Evidence, ...]:
    """Return handshakes, requests or what Envoys hold as evidence: the first few."""
    return tuple(Evidence.of_observation(each) for each in list(seen)[:SHOWN])


def presenter(seen: SeenCertificate) -> str:
    """Say who presents a certificate: the server, or what answers before it."""
    if not seen.is_from_before:
        return str(seen.server)
    perhaps = " (here perhaps another network's)" if seen.is_perhaps_another_networks else ""
    return f"What answers at {listing(seen.access_points)}{perhaps}, on the way to {seen.server},"


def objects_of(seen: SeenCertificate) -> tuple[Place, ...]:
    """Return the Secrets that a certificate came from, then the server; else the server alone.

    For one of something before the gateway, the Services at whose addresses it was seen.
    """
    if seen.is_from_before:
        services = dict.fromkeys(
            access_point.service for access_point in seen.access_points if access_point.service
        )
        return (*map(Place, services), seen.server.place)
    stored = tuple(
        value_of(each, each.pair.certificate_key if each.pair else "tls.crt")
        for each in seen.stored
    )
    return (*stored, seen.server.place)


def doubted(seen: SeenCertificate) -> Severity | None:
    """Return low for what may be another network's, else nothing: the check's own severity."""
    return Severity.LOW if seen.is_perhaps_another_networks else None


def sureness(seen: SeenCertificate) -> Confidence:
    """Return how a finding is known: what may be another network's is suspected."""
    return Confidence.SUSPECTED if seen.is_perhaps_another_networks else Confidence.OBSERVED


def keys_of(seen: SeenCertificate) -> frozenset[tuple[str, str]]:
    """Return the Secrets on which a finding about a certificate meets others."""
    return frozenset() if seen.is_from_before else seen.keys


def detail_of(seen: SeenCertificate) -> str:
    """Return what tells findings about one Gateway apart: the credential, else a host."""
    if keys_of(seen):
        return "/".join(min(seen.keys))
    return min(seen.hosts)
