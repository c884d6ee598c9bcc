"""Answers to requests: redirect loops, kept node ports, errors of the gateway, clock skew."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urljoin, urlsplit

from istiodoctor.mesh.configuration.chain_index import plain_server_for, tls_server_for
from istiodoctor.mesh.gateways.listeners import listeners, workloads_of
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.grace_times import CLOCKS_DIFFER
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.observations.certificates import servers_by_id
from istiodoctor.mesh.question import question
from istiodoctor.model.http_statuses import REDIRECTS
from istiodoctor.model.kind import Kind
from istiodoctor.model.observation import HttpObservation, HttpStep, Outcome, Via

BAD_GATEWAY = frozenset({502, 503, 504})
DENIED = "RBAC: access denied"
PLAIN_TO_TLS = (
    "The plain HTTP request was sent to HTTPS port",
    "This combination of host and port requires TLS",
    "Client sent an HTTP request to an HTTPS server",
)
"""What backends say that speak TLS and were sent plain HTTP."""
UPGRADE_REQUIRED = 426
ENVOY = "envoy"
"""In the header `server` of every answer that came through a gateway."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loop:
    """A redirect that led back to where it came from."""

    server: Server
    observation: HttpObservation
    step: HttpStep
    """The one to blame: the application's redirect back to http://, else any redirect of its own,
    else the last one."""

    @property
    def is_downgrade(self) -> bool:
        """Whether the application leads back to http://, from where the client is sent again."""
        return forgets_https(self.step)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Downgrade:
    """An application that was asked over https:// and redirects to http:// of the same host."""

    server: Server
    observation: HttpObservation
    step: HttpStep
    """The redirect."""


@question(Kind.HTTP_PROBE)
def requests(mesh: Mesh) -> tuple[tuple[Server, HttpObservation], ...]:
    """Return the requests that were made, with the server that each should reach."""
    servers = servers_by_id(mesh)
    return tuple(
        (servers[seen.target.server], seen)
        for seen in mesh.snapshot.http_observations
        if seen.target.server in servers and not seen.target.sni
    )


@question
def answering_server(mesh: Mesh, server: Server, step: HttpStep) -> Server:
    """Return the server that a step was to reach: after a redirect, it may be another one."""
    is_tls = step.url.startswith("https:")
    host = urlsplit(step.url).hostname or ""
    if server.is_tls is is_tls:
        return server
    find = tls_server_for if is_tls else plain_server_for
    own = {
        each
        for each in workloads_of(mesh, server)
        if step.access_point is None or each.owner == step.access_point.gateway
    }
    for listener in listeners(mesh):
        if listener.workload in own:
            found = find(mesh, listener, host)
            if found is not None:
                return found
    return server


@question
def loops(mesh: Mesh) -> tuple[Loop, ...]:
    """Return the redirects that lead back to themselves, told as no proxy would tell them."""
    return tuple(
        Loop(server=answering_server(mesh, server, step), observation=seen, step=step)
        for server, seen in requests(mesh)
        if goes_round(seen) and not seen.target.forwarded_proto
        for step in (_to_blame(seen),)
    )


@question
def downgrades(mesh: Mesh) -> tuple[Downgrade, ...]:
    """Return the requests over https:// that applications send back to http://."""
    return tuple(
        Downgrade(server=server, observation=seen, step=step)
        for server, seen in requests(mesh)
        for step in seen.steps
        if forgets_https(step) and not seen.target.forwarded_proto
    )


@question
def refused_as_obsolete(mesh: Mesh) -> Mapping[Server, tuple[HttpStep, ...]]:
    """Return the HTTP/1.1 requests that something turned into HTTP/1.0 before the gateway.

    Envoy answers 426 to that; never where the pods themselves do.
    """
    found: dict[Server, dict[HttpStep, None]] = defaultdict(dict)
    pods: set[Server] = set()
    for server, seen in requests(mesh):
        step = seen.last
        if step.status == UPGRADE_REQUIRED and not step.from_upstream and step.access_point:
            found[server][step] = None
            if step.access_point.pod:
                pods.add(server)
    return {server: tuple(each) for server, each in found.items() if server not in pods}


@question
def error_answers(mesh: Mesh) -> Mapping[Server, tuple[HttpStep, ...]]:
    """Return the requests that ended in an error which no application made, by server.

    A 404 is none of them: not every path of a host leads somewhere.
    """
    found: dict[Server, dict[HttpStep, None]] = defaultdict(dict)
    for server, seen in requests(mesh):
        if seen.outcome is Outcome.ANSWERED and _is_error(seen.last) and _is_reached(seen):
            found[answering_server(mesh, server, seen.last)][seen.last] = None
    return {server: tuple(steps) for server, steps in found.items()}


@question
def kept_node_ports(mesh: Mesh) -> tuple[tuple[Server, HttpStep], ...]:
    """Return the redirects to https:// that keep the node port of plain HTTP."""
    return tuple(
        (server, step)
        for server, seen in requests(mesh)
        for step in seen.steps
        if step.access_point and step.access_point.via is Via.NODE_PORT and _keeps_port(step)
    )


@question
def differing_clocks(mesh: Mesh) -> Mapping[Server, tuple[tuple[HttpStep, timedelta], ...]]:
    """Return the answers of gateways whose clock differs from that of this machine."""
    found: dict[Server, list[tuple[HttpStep, timedelta]]] = defaultdict(list)
    for server, seen in requests(mesh):
        for step in seen.steps if _is_reached(seen) else ():
            if step.date and step.at and abs(step.date - step.at) > CLOCKS_DIFFER:
                found[server].append((step, step.date - step.at))
    return {server: tuple(each) for server, each in found.items()}


def is_own(step: HttpStep) -> bool:
    """Whether Envoy itself gave an answer: it bears its name, and nothing of an application."""
    return step.status > 0 and not step.from_upstream and ENVOY in step.server.lower()


def leads_to(step: HttpStep, scheme: str) -> bool:
    """Whether a step redirects to this scheme, on the host that was asked."""
    try:
        asked, told = urlsplit(step.url), urlsplit(urljoin(step.url, step.location))
        is_same = asked.hostname == told.hostname
    except ValueError:
        return False
    return step.status in REDIRECTS and bool(step.location) and is_same and told.scheme == scheme


def forgets_https(step: HttpStep) -> bool:
    """Whether an application that was asked over https:// redirects to http://."""
    return step.from_upstream and step.url.startswith("https:") and leads_to(step, "http")


def goes_round(seen: HttpObservation) -> bool:
    """Whether a redirect led back, or leads to where it came from, if that was not followed."""
    if seen.outcome is Outcome.LOOP:
        return True
    last = seen.last
    try:
        back = urljoin(last.url, last.location).partition("#")[0]
    except ValueError:
        return False
    return last.status in REDIRECTS and bool(last.location) and back == last.url


def _to_blame(seen: HttpObservation) -> HttpStep:
    circle = _circle(seen)
    forgetful = (step for step in circle if forgets_https(step))
    own = (step for step in circle if step.from_upstream)
    return next(forgetful, next(own, seen.last))


def _circle(seen: HttpObservation) -> tuple[HttpStep, ...]:
    """Return the steps that go round, without those that led there."""
    try:
        back = urljoin(seen.last.url, seen.last.location).partition("#")[0]
    except ValueError:
        return seen.steps
    start = next((i for i, step in enumerate(seen.steps) if step.url == back), 0)
    return seen.steps[start:]


def _is_reached(seen: HttpObservation) -> bool:
    """Whether it is the gateway that answered: a name may lead to something else."""
    access_point = seen.last.access_point
    return access_point is not None and (
        access_point.via is not Via.DNS or ENVOY in seen.last.server.lower()
    )


def _is_error(step: HttpStep) -> bool:
    if any(words in step.body for words in PLAIN_TO_TLS):
        return True
    if step.from_upstream:
        return False
    return step.status in BAD_GATEWAY or (step.status == 403 and DENIED in step.body)


def _keeps_port(step: HttpStep) -> bool:
    try:
        asked, told = urlsplit(step.url), urlsplit(step.location)
        same = (asked.hostname, asked.port) == (told.hostname, told.port)
    except ValueError:
        return False
    return same and told.scheme == "https" and asked.scheme == "http" and asked.port is not None
