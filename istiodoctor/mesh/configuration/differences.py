"""How the listeners of two configurations differ: what istiod would send, and what is held.

Only what decides an answer is compared. Values that one of them does not keep are left out.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from istiodoctor.mesh.configuration.listener import (
    EVERY_ADDRESS,
    WILDCARD_ADDRESSES,
    DownstreamTls,
    FilterChain,
    Listener,
)
from istiodoctor.mesh.configuration.route import ClusterWeight

K = TypeVar("K", bound=Hashable)


class Part(StrEnum):
    """What of a configuration differs."""

    LISTENER = "listener"
    FILTER_CHAIN = "filter-chain"
    TLS = "tls"
    HTTP = "http"
    ROUTE_CONFIGURATION = "route-configuration"
    DOMAIN = "domain"
    ROUTE = "route"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One part in which two configurations differ."""

    part: Part
    name: str
    """Which: `port 8443`, `a.example.com in http.8080`."""
    expected: str
    """What istiod would send; empty for nothing."""
    held: str
    """What is there; empty for nothing."""
    names: tuple[str, ...] = ()
    """Of what is missing or extra: the server names of a chain (none for every name), a domain, a
    cluster."""
    where: str = ""
    """In what it is missing or extra: the port of a listener, the name of a route
    configuration."""

    @property
    def is_missing(self) -> bool:
        """Whether what istiod would send is not there at all."""
        return not self.held

    @property
    def is_extra(self) -> bool:
        """Whether istiod would send nothing of the kind."""
        return not self.expected

    def __str__(self) -> str:
        """`route 0 of a.test in http.8080: prefix /a, not prefix /b`."""
        if self.is_missing:
            return f"{self.part} {self.name} is not there"
        if self.is_extra:
            return f"{self.part} {self.name} is there and not expected"
        return f"{self.part} {self.name}: {self.held}, not {self.expected}"


def differences_of_listeners(
    expected: Iterable[Listener], held: Iterable[Listener]
) -> Iterator[Difference]:
    """Yield what differs between listeners, those of one address and port held together."""
    ours, theirs = _by_address(expected), _by_address(held)
    yield from absences(Part.LISTENER, ours, theirs, lambda key: (_address(key),))
    for key in (each for each in ours if each in theirs):
        yield from differences_of_chains(
            _address(key), ours[key].filter_chains, theirs[key].filter_chains
        )


def _by_address(listeners: Iterable[Listener]) -> Mapping[tuple[int, str], Listener]:
    return {
        (each.port, EVERY_ADDRESS if each.bind in WILDCARD_ADDRESSES else each.bind): each
        for each in listeners
    }


def _address(key: tuple[int, str]) -> str:
    port, bind = key
    return f"port {port}" if bind == EVERY_ADDRESS else f"port {port} of {bind}"


def differences_of_chains(
    where: str, expected: Sequence[FilterChain], held: Sequence[FilterChain]
) -> Iterator[Difference]:
    """Yield what differs between the filter chains of a listener; their order does not matter."""
    ours, theirs = _by_match(expected), _by_match(held)
    yield from absences(Part.FILTER_CHAIN, ours, theirs, _matched, where)
    for key in (each for each in ours if each in theirs):
        name = named(_matched(key), where)
        if len(ours[key]) != len(theirs[key]):
            yield difference_of(Part.FILTER_CHAIN, name, len(ours[key]), len(theirs[key]))
        for one, other in zip(ours[key], theirs[key], strict=False):
            yield from _differences_of_chain(name, one, other)


Matched = tuple[frozenset[str], frozenset[str], str]
"""Server names, application protocols and transport protocol that a chain asks for."""


def _by_match(chains: Iterable[FilterChain]) -> Mapping[Matched, list[FilterChain]]:
    found: dict[Matched, list[FilterChain]] = {}
    for each in chains:
        found.setdefault(what_it_takes(each), []).append(each)
    return found


def what_it_takes(chain: FilterChain) -> Matched:
    """Return what a chain asks of a connection: there is one chain of a listener for each."""
    names, protocols = frozenset(chain.server_names), frozenset(chain.application_protocols)
    return names, protocols, chain.transport_protocol


def _matched(key: Matched) -> tuple[str, ...]:
    names, protocols, transport = key
    return (*sorted(names), *sorted(protocols), *filter(None, [transport]))


def _differences_of_chain(name: str, one: FilterChain, other: FilterChain) -> Iterator[Difference]:
    if one.http and other.http:
        ours, theirs = one.http, other.http
        if ours.route_configuration != theirs.route_configuration:
            yield difference_of(
                Part.HTTP, name, ours.route_configuration, theirs.route_configuration
            )
        if ours.options != theirs.options:
            yield difference_of(Part.HTTP, name, ours.options, theirs.options)
    elif shares(one.clusters) != shares(other.clusters) or bool(one.http) != bool(other.http):
        yield difference_of(Part.FILTER_CHAIN, name, _end(one), _end(other))
    if _tls(one.tls) != _tls(other.tls):
        yield difference_of(Part.TLS, name, _tls(one.tls), _tls(other.tls))


def _end(chain: FilterChain) -> str:
    return chain.http.route_configuration if chain.http else str(shares(chain.clusters))


def _tls(tls: DownstreamTls | None) -> object:
    """Return what a handshake shows; where a Gateway says nothing of versions, istiod may."""
    if tls is None:
        return "no TLS"
    credentials = sorted((str(e.form), e.namespace, e.name) for e in tls.credentials)
    return (
        tuple(credentials),
        tls.is_workload_certificate,
        str(tls.client_certificate),
        tls.minimum_version.removeprefix("TLS_AUTO"),
        tls.maximum_version.removeprefix("TLS_AUTO"),
        tls.protocols,
    )


def shares(clusters: Sequence[ClusterWeight]) -> tuple[tuple[str, int], ...]:
    """Return clusters with their weights; a single one gets everything."""
    if len(clusters) == 1:
        return ((clusters[0].name, 1),)
    return tuple((each.name, each.weight) for each in clusters)


def difference_of(part: Part, name: str, expected: object, held: object) -> Difference:
    """Return one difference between two values."""
    return Difference(part=part, name=name, expected=str(expected), held=str(held))


def absences(
    part: Part,
    ours: Mapping[K, Any],
    theirs: Mapping[K, Any],
    names: Callable[[K], tuple[str, ...]],
    where: str = "",
) -> Iterator[Difference]:
    """Yield what only one of two configurations has, in their own order."""
    for key in (each for each in ours if each not in theirs):
        yield _absence(part, names(key), where, expected="there")
    for key in (each for each in theirs if each not in ours):
        yield _absence(part, names(key), where, held="there")


def _absence(
    part: Part, names: tuple[str, ...], where: str, expected: str = "", held: str = ""
) -> Difference:
    return Difference(
        part=part,
        name=named(names, where),
        names=names,
        where=where,
        expected=expected,
        held=held,
    )


def named(names: tuple[str, ...], where: str) -> str:
    """Return in words which part of a configuration is meant: `a.test in http.8080`."""
    what = ", ".join(names) or "every name"
    return f"{what} in {where}" if where else what
