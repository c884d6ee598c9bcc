"""Private addresses: from elsewhere they lead nowhere, or to another network's machines."""

from ipaddress import ip_address, ip_network

PRIVATE = tuple(
    map(
        ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"),
    )
)
"""RFC 1918, RFC 6598, RFC 4193."""


def is_private(address: str) -> bool:
    """Whether an address belongs to the inside of some network; a name does not."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in each for each in PRIVATE)
