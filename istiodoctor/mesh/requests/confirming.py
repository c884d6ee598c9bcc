"""The path of a request, each hop confirmed or contradicted by Envoy and the wire.

Where observations are clear, the path ends as they show.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.requests.answers import ENDS_UNKNOWN, STOPPED, AnswerKind, Ending
from istiodoctor.mesh.requests.entries import addresses_of, serving_workloads
from istiodoctor.mesh.requests.hops import BROKEN, Hop
from istiodoctor.mesh.requests.path_observations import (
    CONNECTED,
    PathObservations,
    Seen,
    reply_of,
    requests_in,
    trouble,
)
from istiodoctor.mesh.requests.path_targets import (
    PathTargets,
    Target,
    WireObservation,
    observed,
    path_targets,
    server_meant,
    was_probed,
    why_missed,
)
from istiodoctor.mesh.requests.request_paths import RequestPath, past_certificates, request_paths
from istiodoctor.mesh.requests.seen_addresses import dns_hop
from istiodoctor.mesh.requests.seen_answers import closed, differ, ending_of, judged, unanswered
from istiodoctor.mesh.requests.seen_handshakes import is_turned_away
from istiodoctor.mesh.requests.seen_hops import ObservedPath, hops_seen
from istiodoctor.mesh.requests.sending import why_not_sent
from istiodoctor.mesh.workloads.service_ports import services_of
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.observation import HttpTarget, Outcome, ProbeTargets, TlsTarget
from istiodoctor.model.value import Value

MOST_REQUESTS = 11
"""The one asked about, and as many redirects as are followed."""
BEFORE_THE_GATEWAY = frozenset({"dns", "front", "service", "workload"})
"""Hops where clients stop and probes go on: these reach the pods by a port-forward."""


def confirming_targets(mesh: Mesh, request: Request) -> ProbeTargets:
    """Return what to probe to confirm the path of a request, as far as it is known by now.

    What is seen may lead on: asked again, this returns more, until nothing new is seen.
    """
    planned = [
        (request_path.request.host, path_targets(mesh, request_path))
        for each in _followed(mesh, request)
        for request_path in request_paths(mesh, each)
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
        for request_path in request_paths(mesh, waiting.pop(0)):
            ending = confirmed_path(mesh, request_path).ending
            if ending.kind is not AnswerKind.REDIRECT:
                continue
            try:
                target = request_path.request.redirected(ending.location, ending.status)
            except ValueError:
                continue
            if target.url not in found:
                found[target.url] = target
                waiting.append(target)
    return tuple(found.values())


def confirmed_path(
    mesh: Mesh, request_path: RequestPath, blamed: RequestPath | None = None
) -> RequestPath:
    """Return a request's path with what Envoy and the wire show of each hop.

    `blamed` is the same path as findings have it, stopped where one of them breaks it.
    """
    course = _course(mesh, request_path, blamed or request_path)
    observations = _path_observations(mesh, request_path)
    observed_path = ObservedPath(
        request_path=request_path, hops=course.hops, observations=observations
    )
    reply, ending = _replied(mesh, request_path, course, observations)
    seen = {**hops_seen(mesh, observed_path), **reply}
    hops = [seen[i].on(hop) if i in seen else hop for i, hop in enumerate(course.hops)]
    cut = next((i for i, hop in enumerate(hops) if _stops(i, hop, course)), None)
    name = _name(mesh, request_path, observations)
    whole = (*((name,) if name else ()), *(hops if cut is None else hops[: cut + 1]))
    is_cut_short = cut is not None and cut < len(hops) - 1
    ending = _sound(whole, STOPPED if is_cut_short else ending)
    is_unseen = ending.kind is not AnswerKind.NONE and _is_unseen(mesh, request_path, observations)
    return replace(request_path, hops=whole, ending=ending, is_unseen=is_unseen)


class _Course(Value, frozen=True, kw_only=True):
    """A path continued past hops that observations may show to work."""

    hops: tuple[Hop, ...]
    ending: Ending
    cut: int | None
    """The hop that stops it, unless what was seen belies that."""


def _course(mesh: Mesh, request_path: RequestPath, blamed: RequestPath) -> _Course:
    full, cut = request_path, None
    if any(hop.hop == "certificate" and hop.state is BROKEN for hop in request_path.hops):
        full, cut = past_certificates(mesh, request_path), len(request_path.hops) - 1
    hops = list(full.hops)
    for index, hop in enumerate(blamed.hops):
        if hop != hops[index]:
            hops[index], cut = hop, index
    return _Course(hops=tuple(hops), ending=full.ending, cut=cut)


def _path_observations(mesh: Mesh, request_path: RequestPath) -> PathObservations:
    if not was_probed(mesh):
        return PathObservations(path_targets=PathTargets())
    planned, seen = path_targets(mesh, request_path), observed(mesh)
    missed = next((each for each in planned.every if each not in seen), None)

    def among(targets: tuple[Target, ...]) -> tuple[WireObservation, ...]:
        return tuple(seen[each] for each in targets if each in seen)

    return PathObservations(
        path_targets=planned,
        pods=among(planned.pods),
        addresses=among(planned.addresses),
        name=among(planned.name),
        has_front=bool(request_path.entry and request_path.entry.front),
        missed=why_missed(mesh, missed) if missed else "",
    )


def _name(mesh: Mesh, request_path: RequestPath, observations: PathObservations) -> Hop | None:
    if request_path.workload is None or not observations.path_targets.name:
        return None  # nothing was to be looked at
    own = _own_addresses(mesh, request_path.workload)
    others = {
        address: other.owner
        for other in serving_workloads(mesh, request_path.request)
        if other is not request_path.workload
        for address in _own_addresses(mesh, other) - own
    }
    return dns_hop(request_path.request.host, observations, own, others)


def _own_addresses(mesh: Mesh, workload: Workload) -> frozenset[str]:
    """Return where a gateway's Services say that clients find it."""
    services = services_of(mesh, workload)
    nodes = (pod.status.host_ip for pod in workload.pods)
    is_on_nodes = any(each.spec.type in ("NodePort", "LoadBalancer") for each in services)
    own = (address for each in services for address in addresses_of(each))
    return frozenset({*own, *(filter(None, nodes) if is_on_nodes else ())})


def _replied(
    mesh: Mesh, request_path: RequestPath, course: _Course, observations: PathObservations
) -> tuple[Mapping[int, Seen], Ending]:
    """Return what the answer to a request shows, or why there is none."""
    hops = course.hops
    if observations.reply:
        server = server_meant(mesh, request_path)
        is_direct = server is not None and not server.routes_http
        reply = judged(hops, course.ending, observations.reply, is_direct=is_direct)
        outside = reply_of(observations.addresses)
        if outside and differ(outside, observations.reply):  # clients come by the addresses
            return reply.seen, ending_of(outside, is_direct=is_direct)
        return reply.seen, reply.ending
    if not was_probed(mesh):
        return {}, course.ending
    cut_off = [each for each in requests_in(observations.pods) if each.outcome is Outcome.RESET]
    is_refused = any(each.outcome is not Outcome.HANDSHAKE for each in observations.handshakes)
    if cut_off and not is_refused:
        return closed(hops, trouble(cut_off[0])), course.ending
    return unanswered(hops, _why_silent(request_path.request, observations)), course.ending


def _why_silent(request: Request, observations: PathObservations) -> str:
    why_not = why_not_sent(request)
    if why_not:
        return why_not
    if any(map(is_turned_away, observations.handshakes)):
        return "the server wants a certificate of the client, and the probe has none"
    silent = (each for each in requests_in(observations.every) if each.outcome not in CONNECTED)
    found = next((trouble(each) for each in silent), "")
    return found or observations.why_unknown


def _is_unseen(mesh: Mesh, request_path: RequestPath, observations: PathObservations) -> bool:
    """Whether the end of a path should have been observed, and was not."""
    if not was_probed(mesh) or observations.reply or observations.path_targets.why_not:
        return False
    is_declined = bool(why_not_sent(request_path.request))
    if any(each.outcome in CONNECTED for each in observations.every):
        return not (is_declined or any(map(is_turned_away, observations.handshakes)))
    return bool(observations.path_targets.every) or not is_declined


def _stops(index: int, hop: Hop, course: _Course) -> bool:
    """Whether a path ends at a hop: one that findings break, or one that the wire breaks."""
    if hop.state is not BROKEN:
        return False
    is_new = course.hops[index].state is not BROKEN
    return index == course.cut or (is_new and hop.hop not in BEFORE_THE_GATEWAY)


def _sound(hops: tuple[Hop, ...], ending: Ending) -> Ending:
    """Return an ending that fits the hops: stopped where one is broken, and only there."""
    if any(hop.state is BROKEN for hop in hops):
        return ending if ending.kind is AnswerKind.NONE else STOPPED
    return ENDS_UNKNOWN if ending.kind is AnswerKind.NONE else ending
