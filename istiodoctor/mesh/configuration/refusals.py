"""What Envoy refuses of a listener, and which parts of it collide.

Source: Envoy's source/common/listener_manager/filter_chain_manager_impl.cc
(`setupFilterChainMatcher`, `addFilterChainForSourcePorts`), listener_manager_impl.cc
(`hasListenerWithDuplicatedAddress`). Routes: `route_refusals`. Each is held against the real
Envoy by a test.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence

from istiodoctor.mesh.configuration.filter_chain_match import server_name_key
from istiodoctor.mesh.configuration.listener import (
    WILDCARD_ADDRESSES,
    FilterChain,
    Listener,
    Refusal,
)
from istiodoctor.model.ref import Place

EVERY_ADDRESS = "0.0.0.0"
_Match = tuple[str, str, str]
"""Server name as Envoy files it, transport protocol, application protocol."""


def refusal_of_listener(chains: Sequence[FilterChain]) -> Refusal | None:
    """Return why Envoy refuses a listener with these filter chains; None where it takes it.

    The first fault that it finds is named, with the chain that it finds it at first.
    """
    if not chains:
        return Refusal(text="a listener needs a filter chain", made_by=())
    taken: dict[_Match, FilterChain] = {}
    for chain in chains:
        if refusal := _refusal_of_chain(chain, taken):
            return refusal
    return None


def _refusal_of_chain(chain: FilterChain, taken: dict[_Match, FilterChain]) -> Refusal | None:
    for name in chain.server_names:
        if "*" in name and not name.startswith("*."):
            text = f"{name} is no server name: a wildcard stands for whole labels at the beginning"
            return Refusal(text=text, made_by=_places(chain), names=(name,))
    found: dict[_Match, str] = {}
    for match, name in _matches(chain):
        if match in taken or match in found:
            other = taken.get(match, chain)
            return Refusal(
                text=_overlap(name, itself=other is chain),
                made_by=_places(chain, other),
                names=_shared(chain, taken) if other is not chain else (name,),
            )
        found[match] = name
    taken.update(dict.fromkeys(found, chain))
    return None


def _matches(chain: FilterChain) -> Iterator[tuple[_Match, str]]:
    """Yield what a chain takes, with the server name as written."""
    for name in chain.server_names or ("",):
        for protocol in chain.application_protocols or ("",):
            yield (server_name_key(name), chain.transport_protocol, protocol), name


def _shared(chain: FilterChain, taken: Mapping[_Match, FilterChain]) -> tuple[str, ...]:
    """Return the server names of a chain that others have already."""
    return tuple(dict.fromkeys(name for match, name in _matches(chain) if match in taken and name))


def _overlap(name: str, *, itself: bool) -> str:
    if itself:
        return f"one filter chain names {name} twice"
    if not name:
        return "two filter chains take every connection"
    return f"two filter chains take connections for {name}"


def _places(*chains: FilterChain) -> tuple[Place, ...]:
    """Return where chains come from, each place once."""
    places = (chain.made_by or (chain.server.place if chain.server else None) for chain in chains)
    return tuple(dict.fromkeys(place for place in places if place))


def refused_addresses(listeners: Iterable[Listener]) -> Mapping[Listener, Refusal]:
    """Return the listeners that Envoy refuses for their address, the later one of two equal.

    Addresses are compared as they are written out, so that `::` and `0:0::0` are one.
    """
    taken: dict[tuple[str, int], Listener] = {}
    refused: dict[Listener, Refusal] = {}
    for listener in listeners:
        address = _address(listener.bind)
        if address is None:
            text = f"{listener.bind} is no address to bind"
            refused[listener] = Refusal(text=text, made_by=_binding(listener))
            continue
        other = taken.setdefault((address, listener.port), listener)
        if other is not listener:
            text = f"two listeners have the address {address}:{listener.port}"
            refused[listener] = Refusal(text=text, made_by=_binding(listener, other))
    return refused


def _address(bind: str) -> str | None:
    """Return an address in its one form; None for what is none."""
    if not bind or bind.startswith("unix:"):
        return bind or EVERY_ADDRESS
    try:
        return str(ipaddress.ip_address(bind))
    except ValueError:
        return None


def _binding(*listeners: Listener) -> tuple[Place, ...]:
    """Return the fields that name the addresses of listeners."""
    return tuple(
        server.field("" if server.bind in WILDCARD_ADDRESSES else "/bind")
        for listener in listeners
        for server in listener.servers[:1]
    )
