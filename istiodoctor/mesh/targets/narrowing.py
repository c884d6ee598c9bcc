"""Handshakes and requests of some hosts only: those that a scan was asked about."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from istiodoctor.mesh.hosts import concrete, covers, is_wildcard, meet
from istiodoctor.model.observation import AccessPoint, HttpTarget, TlsTarget

Target = TlsTarget | HttpTarget
Ranked = tuple[int, Target]


def narrowed(ranked: Iterable[Ranked], hosts: tuple[str, ...]) -> tuple[Ranked, ...]:
    """Return the targets of these hosts, and those without a host at the same access points.

    Under a wildcard they are asked for by their own names. Without hosts, everything.
    """
    every = tuple(ranked)
    if not hosts:
        return every
    written = {target.host for _, target in every}
    named = {
        index: tuple(_asked(target, hosts, written))
        for index, (_, target) in enumerate(every)
        if target.host
    }
    access_points = {
        access_point
        for each in named.values()
        for target in each
        for access_point in _access_points(target)
    }
    return tuple(
        (rank, kept)
        for index, (rank, target) in enumerate(every)
        for kept in (named.get(index, ()) if target.host else _beside(target, access_points))
    )


def are_among(names: Iterable[str], hosts: tuple[str, ...]) -> bool:
    """Whether some name is, or may be, one of these hosts; without hosts every one is."""
    return not hosts or any(meet(name, host) is not None for name in names for host in hosts)


def _asked(target: Target, hosts: tuple[str, ...], written: set[str]) -> Iterator[Target]:
    for host in hosts:
        if not is_wildcard(target.host) or is_wildcard(host):
            if meet(target.host, host) is not None:
                yield target
        elif covers(target.host, host) and host not in written:
            yield _under(target, host)


def _under(target: Target, host: str) -> Target:
    """Return what is asked of a wildcard with a name of those that were meant."""
    stand_in = concrete(target.host)
    if isinstance(target, HttpTarget):
        return replace(target, host=host, url=target.url.replace(stand_in, host, 1))
    return replace(target, host=host, sni=host if target.sni == stand_in else target.sni)


def _beside(target: Target, access_points: set[AccessPoint]) -> tuple[Target, ...]:
    return (target,) if access_points & set(_access_points(target)) else ()


def _access_points(target: Target) -> tuple[AccessPoint, ...]:
    if isinstance(target, TlsTarget):
        return (target.access_point,)
    return tuple(each.access_point for each in target.access_points)
