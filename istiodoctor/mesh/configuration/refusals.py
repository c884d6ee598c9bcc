"""What Envoy refuses of a listener, and which parts of it collide.

Source: Envoy's source/common/listener_manager/filter_chain_manager_impl.cc
(`setupFilterChainMatcher`, `addFilterChainForSourcePorts`), listener_manager_impl.cc
(`hasListenerWithDuplicatedAddress`). Routes: `route_refusals`. Each is held against the real
Envoy by a test.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from istiodoctor.mesh.configuration.filter_chain_match import server_name_key
from istiodoctor.mesh.configuration.listener import ClientCertificate, FilterChain, Refusal
from istiodoctor.mesh.configuration.tls_faults import pin_faults
from istiodoctor.model.ref import Place

_Match = tuple[str, str, str]
"""Server name as Envoy files it, transport protocol, application protocol."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChainFault:
    """A filter chain for which Envoy refuses a listener."""

    text: str
    """One sentence: what Envoy finds wrong."""
    chain: FilterChain
    other: FilterChain | None = None
    """The earlier chain that takes the same; None where it is at fault alone."""
    names: tuple[str, ...] = ()
    """The server names concerned, as its server or rule has them."""
    field: str = ""
    """The field of the servers that is at fault; empty where it is what the chains take."""

    @property
    def refusal(self) -> Refusal:
        """What Envoy says of the listener when this is the first fault that it finds."""
        return Refusal(text=self.text, made_by=_places(self), names=self.names)


def refusal_of_listener(chains: Sequence[FilterChain]) -> Refusal | None:
    """Return why Envoy refuses a listener with these filter chains; None where it takes it.

    The first fault that it finds is named, with the chain that it finds it at first.
    """
    if not chains:
        return Refusal(text="a listener needs a filter chain", made_by=())
    first = next(chain_faults(chains), None)
    return first.refusal if first else None


def chain_faults(chains: Iterable[FilterChain]) -> Iterator[ChainFault]:
    """Yield what Envoy would find wrong with filter chains, were it to look at all of them.

    One fault for each pair of chains that take the same. Envoy stops at the first.
    """
    taken: dict[_Match, FilterChain] = {}
    for chain in chains:
        yield from _faults(chain, taken)


def _faults(chain: FilterChain, taken: dict[_Match, FilterChain]) -> Iterator[ChainFault]:
    for name in chain.server_names:
        if "*" in name and not name.startswith("*."):
            text = f"{name} is no server name: a wildcard stands for whole labels at the beginning"
            yield ChainFault(text=text, chain=chain, names=(name,))
    if chain.tls and chain.tls.client_certificate is not ClientCertificate.NONE and chain.server:
        for each in pin_faults(chain.server):
            yield ChainFault(text=each.text, chain=chain, field=each.field)
    twice: str | None = None
    shared: dict[FilterChain, dict[str, None]] = {}
    own: set[_Match] = set()
    for match, name in _matches(chain):
        other = taken.setdefault(match, chain)
        if other is not chain:
            shared.setdefault(other, {})[name] = None
        if match in own and twice is None:
            twice = name
        own.add(match)
    for other, names in shared.items():
        text = _overlap(next(iter(names)))
        yield ChainFault(text=text, chain=chain, other=other, names=tuple(filter(None, names)))
    if twice is not None:
        yield ChainFault(text=f"one filter chain names {twice} twice", chain=chain, names=(twice,))


def _matches(chain: FilterChain) -> Iterator[tuple[_Match, str]]:
    """Yield what a chain takes, with the server name as written; letters have no case there."""
    for name in chain.server_names or ("",):
        key = server_name_key(name)
        for protocol in chain.application_protocols or ("",):
            yield (key, chain.transport_protocol, protocol), name


def _overlap(name: str) -> str:
    if not name:
        return "two filter chains take every connection"
    return f"two filter chains take connections for {name}"


def _places(fault: ChainFault) -> tuple[Place, ...]:
    """Return what is at fault, each place once, the later one first."""
    chains = filter(None, (fault.chain, fault.other))
    return tuple(dict.fromkeys(place for each in chains if (place := _place(each, fault.field))))


def _place(chain: FilterChain, field: str) -> Place | None:
    if field and chain.server:
        return chain.server.field(field)
    return chain.made_by or (chain.server.place if chain.server else None)
