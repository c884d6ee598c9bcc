"""Requests for a host on a connection that was agreed on for another: what browsers reuse."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from istiodoctor.mesh.hosts import ANY, concrete
from istiodoctor.mesh.listeners import Listener
from istiodoctor.mesh.methods import question
from istiodoctor.mesh.reuse import ReuseGroup, ReuseQuestions, Stray
from istiodoctor.model.kind import Kind
from istiodoctor.model.observation import Door, HttpObservation, HttpStep

MOST_PAIRS = 3
"""How many pairs of hosts are tried in one group: they share one reason."""
NOT_FOUND = 404


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReusePair:
    """A host that is asked for on the connection of another one."""

    group: ReuseGroup
    stray: Stray
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


class ReusedQuestions(ReuseQuestions):
    """Hosts on each other's connections."""

    @question(rests_on=[ReuseQuestions.reuse_groups, ReuseQuestions.server_for])
    def reuse_pairs(self) -> Mapping[Listener, tuple[ReusePair, ...]]:
        """Return, for each listener, a few pairs of hosts worth trying on one connection."""
        found: dict[Listener, list[ReusePair]] = {}
        for group in self.reuse_groups():
            pairs = [pair for stray in group.strays if (pair := self._pair(group, stray))]
            found.setdefault(group.listener, []).extend(pairs[:MOST_PAIRS])
        return {listener: tuple(pairs) for listener, pairs in found.items() if pairs}

    def _pair(self, group: ReuseGroup, stray: Stray) -> ReusePair | None:
        names = (concrete(name) for name in stray.lands_on.names if name != ANY)
        reaching = (n for n in names if self.server_for(group.listener, n) is stray.lands_on)
        connected, asked = next(reaching, ""), concrete(stray.host)
        if not connected or self.server_for(group.listener, asked) is not stray.server:
            return None
        return ReusePair(group=group, stray=stray, connected=connected, asked=asked)

    @question(Kind.HTTP_PROBE, rests_on=[reuse_pairs])
    def lost_requests(self) -> tuple[LostRequest, ...]:
        """Return the requests that the gateway has no route for on a reused connection alone."""
        return tuple(self._lost_requests())

    def _lost_requests(self) -> Iterator[LostRequest]:
        pairs = {
            (listener.workload.owner, pair.connected, pair.asked): pair
            for listener, found in self.reuse_pairs().items()
            for pair in found
        }
        every = self._snapshot.http_observations if pairs else ()
        own = {_way(seen): seen.steps[0] for seen in every if not seen.target.sni}
        for seen in every:
            door, first = seen.steps[0].door, seen.steps[0]
            if not (seen.target.sni and door):
                continue
            asked = urlsplit(seen.target.url).hostname or ""
            pair = pairs.get((door.gateway, seen.target.sni, asked))
            alone = own.get(_way(seen))
            if pair and alone and _is_lost(first) and alone.status and not _is_lost(alone):
                yield LostRequest(pair=pair, reused=first, own=alone)


def _way(seen: HttpObservation) -> tuple[str, Door | None]:
    return seen.target.url, seen.steps[0].door


def _is_lost(step: HttpStep) -> bool:
    """Whether the gateway itself knew no such host; 421 makes a browser try again by itself."""
    return step.status == NOT_FOUND and not step.from_upstream
