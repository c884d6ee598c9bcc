"""Requests for a host on a TLS connection that was made for another host, as browsers do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from istiodoctor.mesh.certificates.connection_coalescing import (
    CoalescingMisroute,
    ReuseGroup,
    reuse_groups,
)
from istiodoctor.mesh.configuration.chain_index import tls_server_for
from istiodoctor.mesh.gateways.merging import Listener
from istiodoctor.mesh.hosts import ANY, concrete
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.kind import Kind
from istiodoctor.model.observation import AccessPoint, HttpObservation, HttpStep

MOST_PAIRS = 3
"""How many pairs of hosts are tried in one group: they share one reason."""
NOT_FOUND = 404


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReusePair:
    """A host that is asked for on the connection of another one."""

    group: ReuseGroup
    misroute: CoalescingMisroute
    connected: str
    """The name that the connection is made for: one of the server that it lands on."""
    asked: str
    """The name that is asked for on it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LostRequest:
    """A request that got 404 on a reused connection, and another answer on its own."""

    pair: ReusePair
    reused: HttpStep
    own: HttpStep


@question
def reuse_pairs(mesh: Mesh) -> Mapping[Listener, tuple[ReusePair, ...]]:
    """Return, for each listener, a few pairs of hosts worth trying on one connection."""
    found: dict[Listener, list[ReusePair]] = {}
    for group in reuse_groups(mesh):
        pairs = [pair for misroute in group.misroutes if (pair := _pair(mesh, group, misroute))]
        found.setdefault(group.listener, []).extend(pairs[:MOST_PAIRS])
    return {listener: tuple(pairs) for listener, pairs in found.items() if pairs}


def _pair(mesh: Mesh, group: ReuseGroup, misroute: CoalescingMisroute) -> ReusePair | None:
    names = (concrete(name) for name in misroute.lands_on.names if name != ANY)
    reaching = (n for n in names if tls_server_for(mesh, group.listener, n) is misroute.lands_on)
    connected, asked = next(reaching, ""), concrete(misroute.host)
    if not connected or tls_server_for(mesh, group.listener, asked) is not misroute.server:
        return None
    return ReusePair(group=group, misroute=misroute, connected=connected, asked=asked)


@question(Kind.HTTP_PROBE)
def lost_requests(mesh: Mesh) -> tuple[LostRequest, ...]:
    """Return the requests that the gateway has no route for on a reused connection alone."""
    return tuple(_lost_requests(mesh))


def _lost_requests(mesh: Mesh) -> Iterator[LostRequest]:
    pairs = {
        (listener.workload.owner, pair.connected, pair.asked): pair
        for listener, found in reuse_pairs(mesh).items()
        for pair in found
    }
    every = mesh.snapshot.http_observations if pairs else ()
    own = {_asked_at(seen): seen.steps[0] for seen in every if not seen.target.sni}
    for seen in every:
        access_point, first = seen.steps[0].access_point, seen.steps[0]
        if not (seen.target.sni and access_point):
            continue
        asked = urlsplit(seen.target.url).hostname or ""
        pair = pairs.get((access_point.gateway, seen.target.sni, asked))
        alone = own.get(_asked_at(seen))
        if pair and alone and _is_lost(first) and alone.status and not _is_lost(alone):
            yield LostRequest(pair=pair, reused=first, own=alone)


def _asked_at(seen: HttpObservation) -> tuple[str, AccessPoint | None]:
    return seen.target.url, seen.steps[0].access_point


def _is_lost(step: HttpStep) -> bool:
    """Whether the gateway itself knew no such host; 421 makes a browser try again by itself."""
    return step.status == NOT_FOUND and not step.from_upstream
