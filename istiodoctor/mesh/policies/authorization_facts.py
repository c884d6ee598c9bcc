"""What an AuthorizationPolicy at a gateway can ask about a connection or a request."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from istiodoctor.mesh.configuration.received_request import ReceivedRequest
from istiodoctor.model.value import Value

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class AuthorizationFacts(Value, frozen=True, kw_only=True):
    """One request, or one connection that is passed on unread, as policies see it.

    None stands for "not known".
    """

    request: ReceivedRequest | None = None
    """None on a TCP filter chain: nothing of HTTP is known there."""
    port: int
    """Where the pod was reached: the listener's port, not the Service's."""
    server_name: str = ""
    """The SNI that was sent."""
    pod_addresses: tuple[str, ...] = ()
    """One of them was connected to."""
    client_address: str | None = None
    """Of the nearest peer: a client, a load balancer or a node."""
    remote_address: str | None = None
    """Of the client as X-Forwarded-For or the PROXY protocol tells it."""
    has_identity: bool | None = False
    """Whether the client proves a name by a certificate: none does unless it is asked for."""
    has_token: bool | None = False
    """Whether the request may carry a token that is judged; False where it carries none."""


def within(address: str | None, pods: Iterable[str], network: Network) -> bool | None:
    """Whether an address lies in a network.

    One that is not known is of the family of the pods' addresses: they are connected to by it.
    """
    if address is not None:
        found = _address(address)
        return None if found is None else found in network
    versions = {each.version for pod in pods if (each := _address(pod))} or {4, 6}
    if network.version not in versions:
        return False
    return True if network.prefixlen == 0 and len(versions) == 1 else None


def any_within(addresses: Iterable[str], network: Network) -> bool | None:
    """Whether the address that was connected to, one of some, lies in a network."""
    answers = {within(each, (), network) for each in addresses}
    return answers.pop() if len(answers) == 1 else None


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def negated(answer: bool | None) -> bool | None:
    """Return the opposite; what is not known stays so."""
    return None if answer is None else not answer


def some(answers: Iterable[bool | None]) -> bool | None:
    """Whether one holds: one yes decides, else one "not known" does."""
    found = set(answers)
    return True if True in found else None if None in found else False
