"""What a route does with a request that it takes, as hops."""

from collections.abc import Iterator

from istiodoctor.mesh.configuration.cluster import ClusterName
from istiodoctor.mesh.configuration.http2_upgrades import http2_upgrade
from istiodoctor.mesh.configuration.preflights import PREFLIGHT_STATUS, answers_preflight
from istiodoctor.mesh.configuration.received_request import ReceivedRequest
from istiodoctor.mesh.configuration.redirects_sent import SentRedirect, sent_redirect
from istiodoctor.mesh.configuration.route import DirectResponse, Forward, Redirect, Route
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.requests.answers import (
    STOPPED,
    AnswerKind,
    Ending,
    HopGenerator,
    ends_unknown,
)
from istiodoctor.mesh.requests.cluster_hops import hops_of_clusters
from istiodoctor.mesh.requests.connections import Connection
from istiodoctor.mesh.requests.hops import BROKEN, OK, WARNING, Hop
from istiodoctor.mesh.requests.outcomes import AnswerOutcome
from istiodoctor.mesh.requests.policy_hops import FORBIDDEN
from istiodoctor.mesh.requests.route_text import named

ALWAYS = 100


def elsewhere(sent: SentRedirect) -> Ending:
    """Return the ending of a path that a redirect leads elsewhere."""
    return Ending(kind=AnswerKind.REDIRECT, status=sent.status, location=sent.location)


def acted(mesh: Mesh, route: Route, seen: ReceivedRequest, connection: Connection) -> HopGenerator:
    """Yield the hops of what a route does with a request that it takes."""
    ref, text = route.made_by.ref, named(route)
    if seen.refused_upgrade:
        text = f"{text}: Envoy does not allow an upgrade to {seen.refused_upgrade}: {FORBIDDEN}"
        yield Hop(hop="route", ref=ref, state=BROKEN, text=text, outcome=AnswerOutcome.DENIED)
        return Ending(kind=AnswerKind.NONE, status=FORBIDDEN)
    if route.unknown_because:
        return (yield from ends_unknown("route", f"{text}: {route.unknown_because}", ref))
    fault = route.fault
    if fault and fault.abort_status and fault.abort_percentage >= ALWAYS:
        text = f"{text} aborts every request on purpose: {fault.abort_status}"
        yield Hop(hop="route", ref=ref, state=BROKEN, text=text, outcome=AnswerOutcome.FAULT)
        return Ending(kind=AnswerKind.NONE, status=fault.abort_status)
    match route.action:
        case Redirect():
            return (yield from _redirected(route, route.action, seen))
        case DirectResponse(status=status):
            yield Hop(hop="route", ref=ref, state=OK, text=f"{text} answers by itself: {status}")
            return Ending(kind=AnswerKind.DIRECT_RESPONSE, status=status)
        case Forward():
            answers = answers_preflight(route, seen)
            if answers is None:
                text = f"{text}: whether corsPolicy allows the Origin cannot be told"
                return (yield from ends_unknown("route", text, ref))
            if answers:
                text = f"{text} answers the CORS preflight: {PREFLIGHT_STATUS}"
                yield Hop(hop="route", ref=ref, state=OK, text=text)
                return Ending(kind=AnswerKind.DIRECT_RESPONSE, status=PREFLIGHT_STATUS)
            yield Hop(hop="route", ref=ref, state=OK, text=text)
            return (yield from _forwarded(mesh, connection, route.action, seen))
        case None:
            yield Hop(hop="route", ref=ref, state=BROKEN, text=f"{text} does nothing")
            return STOPPED


def _forwarded(
    mesh: Mesh, connection: Connection, action: Forward, seen: ReceivedRequest
) -> HopGenerator:
    if seen.values("upgrade"):
        yield from _upgrades(mesh, connection, action)
    ending = yield from hops_of_clusters(
        mesh,
        connection.workload,
        action.clusters,
        missing_status=action.missing_cluster_status,
        is_held=connection.is_held,
    )
    for host in action.idle:
        text = f"{host} has the weight 0 and gets no requests"
        yield Hop(hop="backend", ref=None, state=OK, text=text)
    return ending


def _upgrades(mesh: Mesh, connection: Connection, action: Forward) -> Iterator[Hop]:
    """Yield a hop for each backend that Envoy hands an upgrade on to over HTTP/2."""
    for each in action.clusters:
        name = ClusterName.parsed(each.name)
        place = http2_upgrade(mesh, connection.workload, name) if name else None
        if place:
            text = (
                f"{place} makes Envoy speak HTTP/2 to {each.name}: the upgrade becomes an extended"
                " CONNECT, which a backend of HTTP/1.1 does not answer"
            )
            yield Hop(hop="route", ref=place.ref, state=WARNING, text=text)


def _redirected(route: Route, action: Redirect, seen: ReceivedRequest) -> HopGenerator:
    ref = route.made_by.ref
    sent = sent_redirect(action, route.match, seen)
    if sent is None:
        text = f"{named(route)} redirects by a scheme that is not known"
        return (yield from ends_unknown("route", text, ref))
    text = f"{named(route)} redirects to {sent.location}: {sent.status}"
    yield Hop(hop="route", ref=ref, state=OK, text=text)
    return elsewhere(sent)
