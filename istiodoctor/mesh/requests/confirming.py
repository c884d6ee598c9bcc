"""A request's way beside what Envoy and the wire show of it, hop by hop.

Where the wire is plain, the way ends as the wire says.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.requests.answers import DARK, STOPPED, AnswerKind, Ending
from istiodoctor.mesh.requests.entries import addresses_of, serving_workloads
from istiodoctor.mesh.requests.hops import BROKEN, Hop
from istiodoctor.mesh.requests.looking import (
    Looks,
    Observation,
    Target,
    looks,
    observed,
    server_meant,
    was_probed,
    why_missed,
)
from istiodoctor.mesh.requests.observations import (
    CONNECTED,
    Seen,
    Sight,
    reply_of,
    requests_in,
    trouble,
)
from istiodoctor.mesh.requests.request_paths import Way, past_certificates, ways
from istiodoctor.mesh.requests.seen_addresses import dns_hop
from istiodoctor.mesh.requests.seen_answers import closed, differ, ending_of, judged, unanswered
from istiodoctor.mesh.requests.seen_handshakes import is_turned_away
from istiodoctor.mesh.requests.seen_hops import Meeting, hops_seen
from istiodoctor.mesh.requests.sending import why_not_sent
from istiodoctor.mesh.workloads.service_ports import services_of
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.observation import HttpTarget, Outcome, ProbeTargets, TlsTarget
from istiodoctor.model.value import Value

MOST_REQUESTS = 11
"""The one asked about, and as many redirects as are followed."""
BEFORE_THE_GATEWAY = frozenset({"dns", "front", "service", "workload"})
"""Where clients stop, and the probe goes on: it comes to the pods by another way."""


def confirming_targets(mesh: Mesh, request: Request) -> ProbeTargets:
    """Return what would show the way of a request, as far as it is known by now.

    What is seen may lead on: asked again, this returns more, until nothing new is seen.
    """
    planned = [
        (way.request.host, looks(mesh, way))
        for each in _followed(mesh, request)
        for way in ways(mesh, each)
    ]
    every = dict.fromkeys(target for _, each in planned for target in each.every)
    return ProbeTargets(
        tls=tuple(each for each in every if isinstance(each, TlsTarget)),
        http=tuple(each for each in every if isinstance(each, HttpTarget)),
        hosts=tuple(dict.fromkeys(host for host, each in planned if each.every)),
    )


def _followed(mesh: Mesh, request: Request) -> tuple[Request, ...]:
    """Return a request and those that redirects make of it, as objects and wire have them."""
    found = {request.url: request}
    waiting = [request]
    while waiting and len(found) < MOST_REQUESTS:
        for way in ways(mesh, waiting.pop(0)):
            ending = confirmed(mesh, way).ending
            if ending.kind is not AnswerKind.REDIRECT:
                continue
            try:
                target = way.request.redirected(ending.location, ending.status)
            except ValueError:
                continue
            if target.url not in found:
                found[target.url] = target
                waiting.append(target)
    return tuple(found.values())


def confirmed(mesh: Mesh, way: Way, blamed: Way | None = None) -> Way:
    """Return a way with what Envoy and the wire show of each hop.

    `blamed` is the same way as findings have it, stopped where one of them breaks it.
    """
    course = _course(mesh, way, blamed or way)
    sight = _sight(mesh, way)
    meeting = Meeting(way=way, hops=course.hops, sight=sight)
    reply, ending = _replied(mesh, way, course, sight)
    seen = {**hops_seen(mesh, meeting), **reply}
    hops = [seen[i].on(hop) if i in seen else hop for i, hop in enumerate(course.hops)]
    cut = next((i for i, hop in enumerate(hops) if _stops(i, hop, course)), None)
    name = _name(mesh, way, sight)
    whole = (*((name,) if name else ()), *(hops if cut is None else hops[: cut + 1]))
    is_cut_short = cut is not None and cut < len(hops) - 1
    ending = _sound(whole, STOPPED if is_cut_short else ending)
    is_unseen = ending.kind is not AnswerKind.NONE and _is_unseen(mesh, way, sight)
    return replace(way, hops=whole, ending=ending, is_unseen=is_unseen)


class _Course(Value, frozen=True, kw_only=True):
    """A way past what may only seem to stop it."""

    hops: tuple[Hop, ...]
    ending: Ending
    cut: int | None
    """The hop that stops it, unless what was seen belies that."""


def _course(mesh: Mesh, way: Way, blamed: Way) -> _Course:
    full, cut = way, None
    if any(hop.hop == "certificate" and hop.state is BROKEN for hop in way.hops):
        full, cut = past_certificates(mesh, way), len(way.hops) - 1
    hops = list(full.hops)
    for index, hop in enumerate(blamed.hops):
        if hop != hops[index]:
            hops[index], cut = hop, index
    return _Course(hops=tuple(hops), ending=full.ending, cut=cut)


def _sight(mesh: Mesh, way: Way) -> Sight:
    if not was_probed(mesh):
        return Sight(looks=Looks())
    planned, seen = looks(mesh, way), observed(mesh)
    missed = next((each for each in planned.every if each not in seen), None)

    def among(targets: tuple[Target, ...]) -> tuple[Observation, ...]:
        return tuple(seen[each] for each in targets if each in seen)

    return Sight(
        looks=planned,
        pods=among(planned.pods),
        addresses=among(planned.addresses),
        name=among(planned.name),
        has_front=bool(way.entry and way.entry.front),
        missed=why_missed(mesh, missed) if missed else "",
    )


def _name(mesh: Mesh, way: Way, sight: Sight) -> Hop | None:
    if way.workload is None:
        return None
    own = _own_addresses(mesh, way.workload)
    others = {
        address: other.owner
        for other in serving_workloads(mesh, way.request)
        if other is not way.workload
        for address in _own_addresses(mesh, other) - own
    }
    return dns_hop(way.request.host, sight, own, others)


def _own_addresses(mesh: Mesh, workload: Workload) -> frozenset[str]:
    """Return where a gateway's Services say that clients find it."""
    services = services_of(mesh, workload)
    nodes = (pod.status.host_ip for pod in workload.pods)
    is_on_nodes = any(each.spec.type in ("NodePort", "LoadBalancer") for each in services)
    own = (address for each in services for address in addresses_of(each))
    return frozenset({*own, *(filter(None, nodes) if is_on_nodes else ())})


def _replied(
    mesh: Mesh, way: Way, course: _Course, sight: Sight
) -> tuple[Mapping[int, Seen], Ending]:
    """Return what the answer to a request shows, or why there is none."""
    hops = course.hops
    if sight.reply:
        server = server_meant(mesh, way)
        is_direct = server is not None and not server.routes_http
        reply = judged(hops, course.ending, sight.reply, is_direct=is_direct)
        outside = reply_of(sight.addresses)
        if outside and differ(outside, sight.reply):  # clients come by the addresses
            return reply.seen, ending_of(outside, is_direct=is_direct)
        return reply.seen, reply.ending
    if not was_probed(mesh):
        return {}, course.ending
    cut_off = [each for each in requests_in(sight.pods) if each.outcome is Outcome.RESET]
    is_refused = any(each.outcome is not Outcome.HANDSHAKE for each in sight.handshakes)
    if cut_off and not is_refused:
        return closed(hops, trouble(cut_off[0])), course.ending
    return unanswered(hops, _why_silent(way.request, sight)), course.ending


def _why_silent(request: Request, sight: Sight) -> str:
    why_not = why_not_sent(request)
    if why_not:
        return why_not
    if any(map(is_turned_away, sight.handshakes)):
        return "the server wants a certificate of the client, and the probe has none"
    silent = (each for each in requests_in(sight.every) if each.outcome not in CONNECTED)
    found = next((trouble(each) for each in silent), "")
    return found or sight.why_dark


def _is_unseen(mesh: Mesh, way: Way, sight: Sight) -> bool:
    """Whether the end of a way should have been seen, and was not."""
    if not was_probed(mesh) or sight.reply or sight.looks.why_not:
        return False
    is_declined = bool(why_not_sent(way.request))
    if any(each.outcome in CONNECTED for each in sight.every):
        return not (is_declined or any(map(is_turned_away, sight.handshakes)))
    return bool(sight.looks.every) or not is_declined


def _stops(index: int, hop: Hop, course: _Course) -> bool:
    """Whether a way ends at a hop: one that findings break, or one that the wire breaks."""
    if hop.state is not BROKEN:
        return False
    is_new = course.hops[index].state is not BROKEN
    return index == course.cut or (is_new and hop.hop not in BEFORE_THE_GATEWAY)


def _sound(hops: tuple[Hop, ...], ending: Ending) -> Ending:
    """Return an ending that fits the hops: stopped where one is broken, and only there."""
    if any(hop.state is BROKEN for hop in hops):
        return ending if ending.kind is AnswerKind.NONE else STOPPED
    return DARK if ending.kind is AnswerKind.NONE else ending
