"""What handshakes show of a gateway: its pods, the port, the server by SNI, the certificate."""

from collections.abc import Iterable

from istiodoctor.mesh.hosts import certificate_covers
from istiodoctor.mesh.requests.hops import BROKEN, WARNING, Hop
from istiodoctor.mesh.requests.path_observations import (
    CONNECTED,
    PathObservations,
    Seen,
    confirmed,
    contradicted,
    described,
    handshakes_in,
    listing,
    place_of,
    requests_in,
    trouble,
    trusted,
    unknown,
    why_failed,
)
from istiodoctor.mesh.requests.path_targets import WireObservation
from istiodoctor.model.credential import CertificateFacts
from istiodoctor.model.observation import Outcome, TlsObservation

TURNED_AWAY = "it asks clients for a certificate, and turns away one without"


def workload_seen(observations: PathObservations) -> Seen:
    """Return whether pods could be reached."""
    heard = observations.heard_of_pods
    if not heard:
        return unknown(
            observations.why_unknown
            if observations.path_targets.pods
            else observations.path_targets.why_not
        )
    places = {place_of(each) for each in heard}
    unheard = [trouble(each) for each in observations.pods if place_of(each) not in places]
    also = f"; {listing(unheard, 1)}" if unheard else ""
    return confirmed(f"reached {listing(map(place_of, heard))}{also}")


def listener_seen(hop: Hop, observations: PathObservations) -> Seen:
    """Return whether the port takes connections."""
    heard = observations.heard_of_pods
    if not heard:
        return unknown(
            observations.why_unknown
            if observations.path_targets.pods
            else observations.path_targets.why_not
        )
    if hop.state is BROKEN:
        words = listing(_heard_as(heard))
        return contradicted(words, WARNING) if _works(observations) else confirmed(words)
    refused = [each for each in heard if each.outcome not in CONNECTED]
    if not refused:
        return confirmed("it takes connections")
    words = listing(map(trouble, refused))
    return contradicted(words, BROKEN if len(refused) == len(heard) else WARNING)


def _heard_as(heard: Iterable[WireObservation]) -> list[str]:
    every = tuple(heard)
    asked = ((each, each.last.status or why_failed(each)) for each in requests_in(every))
    shaken = [f"{place_of(each)}: {each.ending}" for each in handshakes_in(every)]
    return shaken or [f"{place_of(each)}: {words}" for each, words in asked]


def _works(observations: PathObservations) -> bool:
    has_handshake = any(
        each.outcome is Outcome.HANDSHAKE for each in handshakes_in(observations.pods)
    )
    return has_handshake or any(
        0 < each.last.status < 400 for each in requests_in(observations.pods)
    )


def server_seen(
    hop: Hop, observations: PathObservations, *, lacks_certificate: bool, is_passed: bool
) -> Seen:
    """Return whether TLS is agreed on under the name; a certificate may be what is lacking.

    `is_passed` says that it is the backend's, which has a certificate of its own.
    """
    group = [each for each in observations.handshakes if each.outcome in CONNECTED]
    if not group:
        return unknown(observations.why_unknown)
    good = [each for each in group if is_greeting(each)]
    bad = [each for each in group if not is_greeting(each)]
    words = listing(f"{place_of(each)}: {each.ending}" for each in bad)
    if hop.state is BROKEN:
        return contradicted(_agreement(good), WARNING) if good else confirmed(words)
    if not bad:
        return _backends(good) if is_passed else confirmed(_agreement(good))
    if good:
        return contradicted(words, WARNING)
    return unknown() if lacks_certificate else contradicted(words)


def _backends(good: list[TlsObservation]) -> Seen:
    worst = _worst(good)
    if worst.leaf is None:
        return confirmed(_agreement(good))
    is_refused = _is_refused(worst)
    words = f"{_agreement(good)} with the backend: {_presented(worst, is_refused=is_refused)}"
    return contradicted(words) if is_refused else confirmed(words)


def _agreement(good: list[TlsObservation]) -> str:
    if any(each.outcome is not Outcome.HANDSHAKE for each in good):
        return TURNED_AWAY
    versions = listing(each.version for each in good)
    asked = any(each.client_certificate_requested for each in good)
    return f"{versions}{', without a certificate of the client' if asked else ''}"


def is_greeting(seen: TlsObservation) -> bool:
    """Whether a TLS server answers: the handshake succeeds, or asks for a client certificate."""
    return seen.outcome is Outcome.HANDSHAKE or is_turned_away(seen)


def is_turned_away(seen: TlsObservation) -> bool:
    """Whether a client was refused for having no certificate."""
    refusals = (Outcome.ALERT, Outcome.RESET)
    return seen.client_certificate_requested and seen.outcome in refusals


def certificate_seen(
    hop: Hop,
    observations: PathObservations,
    stored: CertificateFacts | None,
    others: Iterable[CertificateFacts],
) -> Seen:
    """Return which certificate is served in truth, beside the one that is stored.

    `others` are stored for the same server, of another kind of key.
    """
    group = [each for each in observations.handshakes if each.outcome in CONNECTED]
    if not group:
        return unknown(observations.why_unknown)
    shown = [each for each in group if each.leaf]
    if not shown:
        words = listing(f"{place_of(each)}: {each.ending}" for each in group)
        return confirmed(words) if hop.state is BROKEN else contradicted(words)
    beside = {each.fingerprint_sha256 for each in others}
    strange = [each for each in shown if stored and not _is(each, stored)]
    if strange and all(each.leaf and each.leaf.fingerprint_sha256 in beside for each in shown):
        return unknown("the other one was served")
    worst = _worst(strange or shown)
    is_refused = _is_refused(worst)
    words = _presented(worst, is_refused=is_refused)
    if strange and stored:
        words = f"{place_of(worst)}: {words}; the Secret holds serial {stored.serial}"
    if hop.state is BROKEN:
        is_good = worst.verified and worst.outcome is Outcome.HANDSHAKE
        return contradicted(words, WARNING) if is_good else confirmed(words)
    if strange:
        return contradicted(words, BROKEN if is_refused else WARNING)
    if is_refused:
        return contradicted(words)
    return confirmed(words, WARNING if worst.verified is False else None)


def _presented(seen: TlsObservation, *, is_refused: bool) -> str:
    if seen.leaf is None:
        return ""
    return f"{described(seen.leaf)}, {trusted(seen, is_refused=is_refused)}"


def _is(seen: TlsObservation, stored: CertificateFacts) -> bool:
    return seen.leaf is not None and seen.leaf.fingerprint_sha256 == stored.fingerprint_sha256


def _worst(shown: list[TlsObservation]) -> TlsObservation:
    """Return the one that clients like least."""
    return min(shown, key=lambda each: (not _is_refused(each), each.verified is not False))


def _is_refused(seen: TlsObservation) -> bool:
    """Whether every client refuses it: for its dates or names, whatever roots one trusts."""
    leaf = seen.leaf
    if leaf is None or seen.verified:
        return False
    names = (*leaf.dns_names, *leaf.ip_addresses)
    is_in_time = leaf.not_before <= seen.at <= leaf.not_after
    is_named = not seen.target.sni or any(
        certificate_covers(name, seen.target.sni) for name in names
    )
    return not (is_in_time and is_named)
