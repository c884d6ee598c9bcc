"""The targets of probes: handshakes and requests, the most useful first."""

from collections import Counter
from collections.abc import Iterable, Iterator

from istiodoctor.mesh.certificates.coverage import routed_hosts
from istiodoctor.mesh.configuration.chain_index import tls_server_for
from istiodoctor.mesh.exposure.access_points import (
    AccessPointGroup,
    access_point_by_name,
    access_point_groups,
    is_for_clients,
    is_public,
    names_to_ask,
)
from istiodoctor.mesh.exposure.services import HTTPS_PORT
from istiodoctor.mesh.gateways.listeners import listeners, live_servers, servers_by_workload
from istiodoctor.mesh.gateways.merging import Listener
from istiodoctor.mesh.hosts import ANY, is_wildcard
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.targets.challenges import challenge_targets
from istiodoctor.mesh.targets.narrowing import are_among, narrowed
from istiodoctor.mesh.targets.requests import Ranked, http_targets, on_a_route
from istiodoctor.mesh.targets.unexpected import reuse_targets, strange_targets
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import ServiceEntry
from istiodoctor.model.observation import HttpTarget, ProbeTargets, TlsTarget
from istiodoctor.model.ref import Ref

MOST_TARGETS = 1000


def probe_targets(mesh: Mesh, hosts: tuple[str, ...] = ()) -> ProbeTargets:
    """Return what to look at: bounded, each kind in turn, one pod before the others.

    `hosts` are those that were asked about; none means all.
    """
    unique = list(dict.fromkeys(_in_turn(narrowed(_ranked(mesh), hosts))))
    kept = unique[:MOST_TARGETS]
    return ProbeTargets(
        tls=tuple(each for each in kept if isinstance(each, TlsTarget)),
        http=tuple(on_a_route(mesh, each) for each in kept if isinstance(each, HttpTarget)),
        hosts=tuple(dict.fromkeys(_served_names(mesh))),
        blind=(*_blind(mesh, kept, hosts), *_cut(unique)),
    )


def _blind(
    mesh: Mesh, kept: list[TlsTarget | HttpTarget], hosts: tuple[str, ...]
) -> Iterator[tuple[Ref, str]]:
    """Yield the gateways for clients that nothing leads to."""
    looked_at = {each.server for each in kept}
    for workload, servers in servers_by_workload(mesh).items():
        chosen = (each for each in servers if are_among(each.names, hosts))
        own = {each.id for each in chosen if each.is_tls and is_for_clients(each)}
        if own and workload.is_known and own.isdisjoint(looked_at):
            yield workload.owner, "it has no ready pod and no address to look at"


def _ranked(mesh: Mesh) -> Iterator[Ranked]:
    outside = frozenset(host for each in mesh.all(ServiceEntry) for host in each.spec.hosts)
    by_workload: dict[Workload, list[Listener]] = {}
    for listener in listeners(mesh):
        if listener.workload.is_known:
            by_workload.setdefault(listener.workload, []).append(listener)
    for workload, group in by_workload.items():
        point_groups = access_point_groups(mesh, workload, group)
        for listener in group:
            yield from _tls_targets(mesh, listener, point_groups, outside)
            yield from http_targets(mesh, listener, group, point_groups, outside)
            yield from strange_targets(mesh, listener, point_groups)
            yield from reuse_targets(mesh, listener, group, point_groups)
        yield from challenge_targets(mesh, workload, group, point_groups)


def _tls_targets(
    mesh: Mesh,
    listener: Listener,
    point_groups: tuple[AccessPointGroup, ...],
    outside: frozenset[str],
) -> Iterator[Ranked]:
    servers = [each for each in listener.servers if each.is_tls and is_for_clients(each)]
    for server in servers:
        for host, name in names_to_ask(mesh, server, listener, outside):
            for point_group in point_groups:
                for _, access_point in point_group.access_points_to(listener):
                    target = TlsTarget(
                        access_point=access_point, host=host, sni=name, server=server.id
                    )
                    yield point_group.rank, target
            workload = listener.workload
            if not is_wildcard(host) and is_public(mesh, workload, listener, HTTPS_PORT):
                access_point = access_point_by_name(workload, name, HTTPS_PORT)
                yield (
                    5,
                    TlsTarget(access_point=access_point, host=host, sni=name, server=server.id),
                )
    answering = tls_server_for(mesh, listener, "")
    for point_group in point_groups[:1] if servers else ():
        for _, access_point in point_group.access_points_to(listener):
            yield 4, TlsTarget(access_point=access_point, server=answering.id if answering else "")


def _served_names(mesh: Mesh) -> Iterator[str]:
    for server in live_servers(mesh):
        yield from (name for name in server.names if name != ANY)
        if ANY in server.names:
            yield from (host for host in routed_hosts(mesh, server) if host != ANY)


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
        yield target.access_point.gateway, words
