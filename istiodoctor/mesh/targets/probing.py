"""What is worth a look on the wire: plain lists for the probes, the most telling first."""

from collections import Counter
from collections.abc import Iterable, Iterator

from istiodoctor.mesh.exposure import HTTPS_PORT
from istiodoctor.mesh.hosts import ANY, is_wildcard
from istiodoctor.mesh.listeners import Listener
from istiodoctor.mesh.targets.challenges import AcmeTargetQuestions
from istiodoctor.mesh.targets.doorways import Doorway, door_by_name, is_for_clients
from istiodoctor.mesh.targets.narrowing import are_among, narrowed
from istiodoctor.mesh.targets.requests import InquiryQuestions, Ranked
from istiodoctor.mesh.targets.unexpected import StrangerTargetQuestions
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.istio import ServiceEntry
from istiodoctor.model.observation import HttpTarget, ProbeTargets, TlsTarget
from istiodoctor.model.ref import Ref

MOST_TARGETS = 1000


class ProbeTargetQuestions(AcmeTargetQuestions, InquiryQuestions, StrangerTargetQuestions):
    """Which handshakes and requests would show what clients get."""

    def probe_targets(self, hosts: tuple[str, ...] = ()) -> ProbeTargets:
        """Return what to look at: bounded, each kind in turn, one pod before the others.

        `hosts` are those that were asked about; none means all.
        """
        unique = list(dict.fromkeys(_in_turn(narrowed(self._ranked(), hosts))))
        kept = unique[:MOST_TARGETS]
        return ProbeTargets(
            tls=tuple(each for each in kept if isinstance(each, TlsTarget)),
            http=tuple(self._on_a_route(each) for each in kept if isinstance(each, HttpTarget)),
            hosts=tuple(dict.fromkeys(self._served_names())),
            blind=(*self._blind(kept, hosts), *_cut(unique)),
        )

    def _blind(
        self, kept: list[TlsTarget | HttpTarget], hosts: tuple[str, ...]
    ) -> Iterator[tuple[Ref, str]]:
        """Yield the gateways for clients that nothing leads to."""
        looked_at = {each.server for each in kept}
        for workload, servers in self.servers_by_workload().items():
            chosen = (each for each in servers if are_among(each.names, hosts))
            own = {each.id for each in chosen if each.is_tls and is_for_clients(each)}
            if own and workload.is_known and own.isdisjoint(looked_at):
                yield workload.owner, "it has no ready pod and no address to look at"

    def _ranked(self) -> Iterator[Ranked]:
        outside = frozenset(host for each in self._all(ServiceEntry) for host in each.spec.hosts)
        by_workload: dict[Workload, list[Listener]] = {}
        for listener in self.listeners():
            if listener.workload.is_known:
                by_workload.setdefault(listener.workload, []).append(listener)
        for workload, group in by_workload.items():
            ways = self._doorways(workload, group)
            for listener in group:
                yield from self._tls_targets(listener, ways, outside)
                yield from self._http_targets(listener, group, ways, outside)
                yield from self._strange_targets(listener, ways)
                yield from self._reuse_targets(listener, group, ways)
            yield from self._challenge_targets(workload, group, ways)

    def _tls_targets(
        self, listener: Listener, ways: tuple[Doorway, ...], outside: frozenset[str]
    ) -> Iterator[Ranked]:
        servers = [each for each in listener.servers if each.is_tls and is_for_clients(each)]
        for server in servers:
            for host, name in self._names(server, listener, outside):
                for way in ways:
                    for _, door in way.doors_to(listener):
                        target = TlsTarget(door=door, host=host, sni=name, server=server.id)
                        yield way.rank, target
                workload = listener.workload
                if not is_wildcard(host) and self._is_public(workload, listener, HTTPS_PORT):
                    door = door_by_name(workload, name, HTTPS_PORT)
                    yield 5, TlsTarget(door=door, host=host, sni=name, server=server.id)
        answering = self.server_for(listener, "")
        for way in ways[:1] if servers else ():
            for _, door in way.doors_to(listener):
                yield 4, TlsTarget(door=door, server=answering.id if answering else "")

    def _served_names(self) -> Iterator[str]:
        for server in self.live_servers():
            yield from (name for name in server.names if name != ANY)
            if ANY in server.names:
                yield from (host for host in self._routed_hosts(server) if host != ANY)


def _in_turn(ranked: Iterable[Ranked]) -> Iterator[TlsTarget | HttpTarget]:
    """Yield targets by rank, in each rank one of every kind after the other: none crowds out."""
    counts: Counter[tuple[int, str]] = Counter()
    placed = []
    for rank, target in ranked:
        kind = (rank, _kind(target))
        placed.append((rank, counts[kind], target))
        counts[kind] += 1
    yield from (target for *_, target in sorted(placed, key=lambda each: each[:2]))


def _kind(target: TlsTarget | HttpTarget) -> str:
    if isinstance(target, TlsTarget):
        return "tls"
    return target.url.partition(":")[0] if target.server else "challenge"


def _cut(targets: list[TlsTarget | HttpTarget]) -> Iterator[tuple[Ref, str]]:
    """Yield the gateways of the targets beyond the most that are looked at."""
    words = f"{len(targets)} targets are more than the {MOST_TARGETS} that are looked at"
    for target in targets[MOST_TARGETS:]:
        yield target.door.gateway, words
