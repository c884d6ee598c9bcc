"""The addresses that listeners bind: which of them are one, and which Envoy refuses.

istiod names a listener by the text of its address (`getListenerName`, gateway.go:338), Envoy
compares the addresses (source/common/listener_manager/listener_manager_impl.cc,
`hasListenerWithDuplicatedAddress`; source/common/network/utility.cc). Each is held against the
real Envoy by a test.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from istiodoctor.mesh.configuration.listener import (
    EVERY_ADDRESS,
    EVERY_IPV6_ADDRESS,
    WILDCARD_ADDRESSES,
    Listener,
)
from istiodoctor.mesh.configuration.refusals import ChainFault
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.pods import Pod

BIND = "/bind"
"""The field of a server that says its address."""


@lru_cache(maxsize=256)
def parsed(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address that Envoy reads from a text; None where it is none."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def own_addresses(pods: Iterable[Pod]) -> tuple[str, ...]:
    """Return the addresses of pods, as far as they have any yet."""
    return tuple(
        dict.fromkeys(
            address
            for pod in pods
            for address in (pod.status.pod_ip, *(each.ip for each in pod.status.pod_ips))
            if address
        )
    )


def every_address(workload: Workload) -> str:
    """Return what istiod binds where a server does not say.

    It is that of IPv6 only where the pods have nothing else (`getWildcardsAndLocalHost`,
    listener_address.go:41).
    """
    own = own_addresses(workload.pods)
    return EVERY_IPV6_ADDRESS if own and all(":" in each for each in own) else EVERY_ADDRESS


def reached_listener(found: Sequence[Listener], own: Collection[str]) -> Listener | None:
    """Return the listener of a port that takes a connection to a pod's own address.

    One that binds that address goes before one that binds every address of its kind; Envoy takes
    connections of IPv4 on `0.0.0.0` alone. One that is refused is not reached, but says why.
    """
    addresses = {parsed(each) for each in own}
    exact = [each for each in found if _bound(each) in addresses]
    every = [each for each in found if _takes_every(each, own)]
    return next(iter((*exact, *every, *(each for each in found if each.refused))), None)


def _bound(listener: Listener) -> IPv4Address | IPv6Address | None:
    return parsed(listener.bind or EVERY_ADDRESS)


def _takes_every(listener: Listener, own: Collection[str]) -> bool:
    if not own or not listener.bind:
        return listener.bind in WILDCARD_ADDRESSES
    address = _bound(listener)
    if address is None or not address.is_unspecified:
        return False
    return any((":" in each) == (address.version == 6) for each in own)


def address_fault(listener: Listener) -> ChainFault | None:
    """Return why Envoy refuses the address of a listener; None where it can bind it.

    Whether the pods have the address is not asked.
    """
    address = parsed(listener.bind)
    if address is None:
        text = f"{listener.bind!r} is no IP address"
    elif isinstance(address, IPv6Address) and address.ipv4_mapped:
        text = f"{listener.bind} is an address of IPv4, which cannot be bound as one of IPv6"
    else:
        return None
    return ChainFault(text=text, chain=listener.filter_chains[0], field=BIND)


def shared_addresses(listeners: Sequence[Listener]) -> Iterator[ChainFault]:
    """Yield the pairs of one port's listeners that bind one address in two spellings.

    istiod makes a listener for each spelling, and sends them in no fixed order (gateway.go:221
    goes over a map); Envoy refuses the later one of the two.
    """
    first: dict[IPv4Address | IPv6Address, Listener] = {}
    for each in listeners:
        address = parsed(each.bind)
        if address is None:
            continue
        other = first.setdefault(address, each)
        if other is not each:
            text = f"{other.bind} and {each.bind} are one address"
            yield ChainFault(
                text=text, chain=each.filter_chains[0], other=other.filter_chains[0], field=BIND
            )
