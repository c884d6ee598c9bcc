"""Which filter chain of a listener takes a connection, and what the client then sees.

Source: Envoy's source/common/listener_manager/filter_chain_manager_impl.cc
(`addFilterChainForServerNames`, `findFilterChainForServerName` and what they call). Each step
chooses by one criterion and never goes back: a chain that has the name and asks for another ALPN
leaves the connection without any, though a chain for every name stands beside it. istiod sets
neither addresses, ports, sources nor transport protocols for a gateway
(pilot/pkg/networking/core/gateway.go:700-717, 1031-1058).

SNI, ALPN and transport are known to Envoy only by its TLS inspector; istiod adds it wherever a
chain has hosts of its own or ends TLS (pilot/pkg/networking/core/listener.go:1123-1133), so a
listener without it has no chain that asks for them.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from istiodoctor.mesh.configuration.listener import FilterChain
from istiodoctor.mesh.configuration.texts import ascii_lower

TLS, PLAIN = "tls", "raw_buffer"
"""What the TLS inspector tells apart (`transport_protocol` of a match)."""
ANY = ""
"""Stands for a criterion that a chain does not have."""
_Found = dict[str, dict[str, dict[str, FilterChain]]]
"""By server name, transport protocol and application protocol."""


class ConnectionOutcome(StrEnum):
    """What becomes of the first bytes of a client."""

    HTTP = "http"
    """Requests are answered, after the handshake where the chain ends TLS."""
    PASSED_ON = "passed-on"
    """The bytes, or what TLS held, go to the chain's cluster unread."""
    CLOSED = "closed"
    """No chain takes the connection: it is closed without a byte."""
    HANDSHAKE_EXPECTED = "handshake-expected"
    """Plain bytes where the chain ends TLS: closed without an answer."""
    HTTP_EXPECTED = "http-expected"
    """A ClientHello where plain HTTP is spoken: answered by 400 in the clear, which a TLS client
    takes for a failed handshake."""


class FilterChainIndex:
    """The filter chains of one listener by what they match, the first of equal ones in force."""

    def __init__(self, chains: Iterable[FilterChain]) -> None:
        """Take the chains in their order."""
        self._by_name: _Found = {}
        for chain in chains:
            for name in chain.server_names or (ANY,):
                by_transport = self._by_name.setdefault(server_name_key(name), {})
                by_protocol = by_transport.setdefault(chain.transport_protocol, {})
                for protocol in chain.application_protocols or (ANY,):
                    by_protocol.setdefault(protocol, chain)

    def find(
        self, server_name: str = "", *, is_tls: bool, protocols: Iterable[str] = ()
    ) -> FilterChain | None:
        """Return the chain that takes a connection; None where it is closed.

        `server_name` is the SNI, empty for none and for plain connections; `protocols` is the
        ALPN that the client offers, in its order.
        """
        name = ascii_lower(server_name) if is_tls else ANY
        by_transport = next(filter(None, map(self._by_name.get, _keys(name))), None)
        if by_transport is None:
            return None
        by_protocol = by_transport.get(TLS if is_tls else PLAIN, by_transport.get(ANY))
        if by_protocol is None:
            return None
        offered = (*protocols, ANY) if is_tls else (ANY,)
        return next((by_protocol[each] for each in offered if each in by_protocol), None)


def server_name_key(name: str) -> str:
    """Return what Envoy files a server name under: `.a.b` for `*.a.b`, in lower case."""
    lowered = ascii_lower(name)
    return lowered[1:] if lowered.startswith("*.") else lowered


def _keys(name: str) -> Iterator[str]:
    """Yield what a name is looked up by: itself, its wildcards from the longest on, nothing.

    As Envoy does, a dot at the very beginning and one at the very end start no wildcard.
    """
    yield name
    at = name.find(".", 1)
    while 0 <= at < len(name) - 1:
        yield name[at:]
        at = name.find(".", at + 1)
    yield ANY


def connection_outcome(chain: FilterChain | None, *, is_tls: bool) -> ConnectionOutcome:
    """Return what the filter chain that takes a connection does with it."""
    if chain is None:
        return ConnectionOutcome.CLOSED
    if chain.tls and not is_tls:
        return ConnectionOutcome.HANDSHAKE_EXPECTED
    if chain.http is None:
        return ConnectionOutcome.PASSED_ON
    return ConnectionOutcome.HTTP if chain.tls or not is_tls else ConnectionOutcome.HTTP_EXPECTED
