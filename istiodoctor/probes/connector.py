"""How probes get to the other side: connectors that they are given, and one of their own."""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Protocol, runtime_checkable

METADATA = frozenset(
    map(
        ip_address,
        (
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
        ),
    )
)
"""Where clouds tell machines their secrets, beside the link-local addresses.

AWS by IPv6, EKS Pod Identity, Google Cloud by IPv6, Alibaba Cloud, Azure and Oracle Cloud.
"""
_TRANSLATED = ip_network("64:ff9b::/96")
_TRANSLATED_LOCALLY = ip_network("64:ff9b:1::/48")
"""The prefix of NAT64 within one network (RFC 8215)."""
PORTS_OF_LOAD_BALANCERS = frozenset({80, 443})
FIRST_NODE_PORT = 30_000
"""On this machine itself only tunnels to a gateway are looked at (Docker Desktop, minikube, kind):
the web's ports, and NodePorts and what is above. Daemons that trust whoever is local listen on
others, such as Docker on 2375."""


class NotPermittedError(OSError):
    """This address or port is never connected to."""


class Stream(Protocol):
    """The part of a socket that probes use. Errors are OSErrors, as a socket's are."""

    def sendall(self, data: bytes, /) -> None:
        """Send everything."""

    def recv(self, size: int, /) -> bytes:
        """Return what has come, up to a size; nothing once the other side has closed."""

    def settimeout(self, seconds: float | None, /) -> None:
        """Bound each wait from now on."""

    def close(self) -> None:
        """End the connection."""


class Connector(Protocol):
    """Somewhere to connect to."""

    def connect(self, timeout: float) -> Stream:
        """Return a new connection; raises OSError.

        ConnectionRefusedError, TimeoutError and PermissionError say what they say anywhere.
        """


@runtime_checkable
class PodConnections(Protocol):
    """A source that connects to the ports of pods."""

    def connector(self, namespace: str, pod: str, port: int) -> Connector:
        """Return a connector to a port of a pod."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressConnector:
    """A connection from this machine. The name is resolved once, and what it gives is judged."""

    address: str
    port: int

    def addresses(self) -> tuple[str, ...]:
        """Return what the name resolves to; raises OSError."""
        try:
            found = socket.getaddrinfo(self.address, self.port, type=socket.SOCK_STREAM)
        except UnicodeError:
            raise OSError(f"{self.address} is no name that can be resolved") from None
        return tuple(dict.fromkeys(str(each[4][0]) for each in found))

    def connect(self, timeout: float) -> socket.socket:
        """Return a connection to the first address that answers."""
        return connect_to(self.addresses(), self.port, timeout)


def connect_to(addresses: tuple[str, ...], port: int, timeout: float) -> socket.socket:
    """Connect to the first of these addresses that answers, all of them in one time."""
    until = time.monotonic() + timeout
    failed: OSError = OSError("the name has no address")
    for address in addresses:
        try:
            if not is_permitted(address):
                raise NotPermittedError(f"{address} is never connected to")
            if is_loopback(address) and not _is_of_tunnels(port):
                raise NotPermittedError(f"{address} is not connected to on port {port}")
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            return socket.create_connection((address, port), timeout=left)
        except OSError as error:
            failed = error
    raise failed


def is_permitted(address: str) -> bool:
    """Whether an address may be looked at: no link-local one, no cloud's metadata service."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return not any(
        each.is_link_local or each.is_multicast or each.is_unspecified or each in METADATA
        for each in (found, *_inner(found))
    )


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own, in any form."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return any(each.is_loopback for each in (found, *_inner(found)))


def _is_of_tunnels(port: int) -> bool:
    return port in PORTS_OF_LOAD_BALANCERS or port >= FIRST_NODE_PORT


def _inner(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses that an IPv6 address may stand for."""
    if isinstance(address, IPv4Address):
        return
    bits = int(address)
    if address in _TRANSLATED:
        yield IPv4Address(bits & _LAST_32_BITS)
    if address in _TRANSLATED_LOCALLY:
        # A network divides its prefix as it likes: the IPv4 address follows 48, 56 or 64 bits and
        # leaves out bits 64 to 71, or it is at the end (RFC 6052 section 2.2).
        yield IPv4Address(bits & _LAST_32_BITS)
        joined = (bits >> 64 << 56) | (bits & ((1 << 56) - 1))
        for length in (48, 56, 64):
            inner = IPv4Address(joined >> (120 - length - 32) & _LAST_32_BITS)
            if not inner.is_unspecified:  # zeros are what another length leaves there
                yield inner
    for within in (address.ipv4_mapped, address.sixtofour):
        if within is not None:
            yield within
    if 1 < bits <= _LAST_32_BITS:  # "compatible with IPv4", deprecated by RFC 4291
        yield IPv4Address(bits)


_LAST_32_BITS = 0xFFFFFFFF
