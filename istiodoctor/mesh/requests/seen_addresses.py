"""What is seen before a gateway: where its name points, and what answers at its addresses."""

from collections.abc import Mapping

from msgspec.structs import replace

from istiodoctor.mesh.requests.hops import BROKEN, OK, UNKNOWN, WARNING, Hop
from istiodoctor.mesh.requests.path_observations import (
    CONNECTED,
    PathObservations,
    Seen,
    confirmed,
    contradicted,
    described,
    handshakes_in,
    is_heard,
    listing,
    place_of,
    reply_of,
    requests_in,
    trouble,
    trusted,
    unknown,
    why_failed,
)
from istiodoctor.mesh.requests.path_targets import WireObservation
from istiodoctor.mesh.requests.seen_answers import differ
from istiodoctor.mesh.requests.seen_handshakes import is_greeting
from istiodoctor.mesh.workloads.private_addresses import is_private
from istiodoctor.model.http_statuses import REDIRECTS
from istiodoctor.model.observation import SILENT, HttpStep, Outcome, TlsObservation
from istiodoctor.model.ref import Ref


def dns_hop(
    host: str, observations: PathObservations, own: frozenset[str], others: Mapping[str, Ref]
) -> Hop:
    """Return the hop of a name: where it resolves, and whether that is the gateway.

    `own` are the gateway's addresses as its Services have them, `others` those of gateways that
    serve the host as well.
    """
    found = tuple(
        dict.fromkeys(address for each in observations.name for address in each.addresses)
    )
    if not observations.name:
        seen = unknown(f"was not resolved: {observations.missed}", UNKNOWN)
    elif found:
        seen = _resolved(found, observations, own, others)
    else:
        seen = _unresolved(observations.name[0])
    # The objects say nothing of names: what was seen is all there is to say.
    return replace(
        Hop(hop="dns", ref=None, state=seen.state or OK, text=f"{host} {seen.words}"),
        confirmation=seen.confirmation,
    )


def _unresolved(seen: WireObservation) -> Seen:
    if seen.outcome is Outcome.UNREACHABLE:
        words = seen.detail if isinstance(seen, TlsObservation) else seen.last.error
        # Clients elsewhere may ask other name servers, and it may not be published yet.
        return contradicted(f"does not resolve here ({words})", UNKNOWN)
    return unknown(f"was not resolved: {why_failed(seen)}", UNKNOWN)


def _resolved(
    found: tuple[str, ...],
    observations: PathObservations,
    own: frozenset[str],
    others: Mapping[str, Ref],
) -> Seen:
    where = f"resolves to {listing(found)}"
    what = _answer_of(observations)
    if observations.has_front:
        return confirmed(f"{where}, where something before the gateway is to be{what}")
    known = own | {address for each in observations.addresses for address in each.addresses}
    if known & set(found):
        return confirmed(f"{where}, an address of the gateway{what}")
    other = next((others[each] for each in found if each in others), None)
    if other:
        return contradicted(f"{where}, an address of {other}: clients get there", WARNING)
    if _same_certificate(observations):
        return confirmed(f"{where}, where the gateway's certificate is served{what}")
    if not any(each.outcome in CONNECTED for each in observations.name):
        words = f"{where}; {why_failed(observations.name[0])}"
        return _silence(words, observations.name) if known else unknown(words, UNKNOWN)
    if not known:
        return unknown(f"{where}; whether that is the gateway cannot be told{what}", UNKNOWN)
    shown = [each for each in handshakes_in(observations.name) if each.leaf]
    is_good = any(each.verified for each in shown)
    beside = f", not to {listing(sorted(known))}{what}"
    # Something before the gateway, of which the objects know nothing, may have its own name.
    return contradicted(f"{where}{beside}", WARNING if is_good or not shown else BROKEN)


def _answer_of(observations: PathObservations) -> str:
    """Say what answered there to a request, or to a handshake."""
    for each in requests_in(observations.name):
        step = each.last
        if step.status:
            return f"; it answers {_answer(step)}"
    silent = [each for each in observations.name if each.outcome not in CONNECTED]
    return f"; {why_failed(silent[0])}" if silent else ""


def _answer(step: HttpStep) -> str:
    return f"{step.status} to {step.location}" if step.status in REDIRECTS else f"{step.status}"


def _same_certificate(observations: PathObservations) -> bool:
    at_pods = {each.leaf.fingerprint_sha256 for each in observations.handshakes if each.leaf}
    by_name = {
        each.leaf.fingerprint_sha256 for each in handshakes_in(observations.name) if each.leaf
    }
    return bool(at_pods & by_name)


def _silence(words: str, seen: tuple[WireObservation, ...]) -> Seen:
    """Judge an address where nobody answers: a private one may only be out of reach from here."""
    is_plain = any(each.outcome is Outcome.REFUSED for each in seen)
    addresses = [address for each in seen for address in each.addresses]
    is_public = bool(addresses) and not any(map(is_private, addresses))
    return contradicted(words, BROKEN if is_plain or is_public else UNKNOWN)


def front_seen(observations: PathObservations) -> Seen:
    """Return what stands before the gateway, as clients meet it."""
    seen = (*observations.name, *observations.addresses)
    if not seen:
        return unknown(observations.why_unknown)
    shaken = handshakes_in(seen)
    shown = next((each for each in shaken if each.leaf), None)
    if shown and shown.leaf:
        words = f"{described(shown.leaf)}, {trusted(shown)}"
        return contradicted(words, WARNING) if shown.verified is False else confirmed(words)
    silent = [each for each in seen if each.outcome not in CONNECTED]
    if len(silent) == len(seen):
        return unknown(trouble(silent[0]), UNKNOWN)
    return confirmed("it answers")


def service_seen(observations: PathObservations) -> Seen:
    """Return whether a gateway's addresses answer, and answer as its pods do."""
    if not observations.path_targets.addresses:
        return unknown(
            observations.path_targets.why_not or "it has no address outside the cluster"
        )
    seen = observations.addresses
    if not seen:
        return unknown(observations.missed)
    different = [each for each in seen if _is_different(each, observations)]
    if different:
        words = listing(f"{place_of(each)}: {_told(each)}" for each in different)
        return contradicted(f"{words}, unlike the pods")
    outside, inside = reply_of(seen), reply_of(observations.pods)
    if outside and inside and differ(outside, inside):
        state = BROKEN if outside.status >= 400 else WARNING
        words = f"the pods answer {_answer(inside)}, {outside.access_point} {_answer(outside)}"
        return contradicted(words, state)
    answering = [each for each in seen if each.outcome in CONNECTED]
    silent = [each for each in seen if each.outcome in SILENT]
    if answering:
        words = f"{listing(map(place_of, answering))} answers"
        also = f"; {listing(map(trouble, silent))}" if silent else ""
        return confirmed(words) if not silent else contradicted(words + also, WARNING)
    if not silent:
        return unknown(trouble(seen[0]))
    words = listing(map(trouble, silent))
    is_alike = not any(each.outcome in CONNECTED for each in observations.pods)
    if is_alike and any(map(is_heard, observations.pods)):
        return confirmed(words)
    return _silence(words, tuple(silent))


def _is_different(seen: WireObservation, observations: PathObservations) -> bool:
    """Whether an address refuses the TLS that pods agree on."""
    if observations.has_front or not isinstance(seen, TlsObservation):
        return False
    pods = handshakes_in(observations.pods)
    failed = seen.outcome in CONNECTED and not is_greeting(seen)
    return failed and any(map(is_greeting, pods))


def _told(seen: WireObservation) -> str:
    return seen.ending if isinstance(seen, TlsObservation) else trouble(seen)
