"""How istiod reads short names in VirtualServices (pilot/pkg/model/config.go:209-272)."""

import ipaddress
from functools import lru_cache

CLUSTER_DOMAIN = "cluster.local"
MESH = "mesh"


def resolved_host(text: str, namespace: str, domain: str = CLUSTER_DOMAIN) -> str:
    """Return the full name of a host; its case is kept, dotted names stay as they are."""
    if not text or text == "*" or "." in text or is_address(text):
        return text
    return f"{text}.{namespace}.svc.{domain}"


def resolved_gateway(text: str, namespace: str) -> str:
    """Return `namespace/name` of a Gateway; `mesh` stays.

    Anything dotted is read in the legacy form `name.ns.svc.domain`, whatever follows `ns`.
    """
    if text == MESH:
        return text
    where, separator, rest = text.partition("/")
    if separator:
        return f"{namespace}/{rest}" if where == "." else text
    name, dot, rest = text.partition(".")
    return f"{rest.partition('.')[0]}/{name}" if dot else f"{namespace}/{text}"


@lru_cache(maxsize=100_000)
def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    if ":" not in text and not text[:1].isdigit():
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def host_matches(one: str, other: str) -> bool:
    """Whether two hosts have names in common (`host.Name.Matches`); letters keep their case."""
    return is_subset(one, other) or is_subset(other, one)


def is_subset(one: str, other: str) -> bool:
    """Whether every name of one host is one of the other (`host.Name.SubsetOf`)."""
    if not other.startswith("*"):
        return one == other
    if one.startswith("*"):
        return len(one) >= len(other) and one[1:].endswith(other[1:])
    return one.endswith(other[1:])


def common_hosts(server: tuple[str, ...], route: tuple[str, ...]) -> tuple[str, ...]:
    """Return the narrower of each pair that has names in common (`host.Names.Intersection`)."""
    if server == route and len(server) == 1:
        return server
    found: dict[str, None] = {}
    for mine in server:
        for other in route:
            if mine == other:
                found[mine] = None
            elif other[:1] != "*" != mine[:1]:
                continue  # two names: the most frequent case
            elif is_subset(mine, other):
                found[mine] = None
            elif is_subset(other, mine):
                found[other] = None
    return tuple(found)


def hosts_for_namespace(texts: tuple[str, ...], namespace: str) -> tuple[str, ...]:
    """Return the hosts of a server that routes of a namespace may bind to."""
    for text in texts:
        if "/" in text:
            break
    else:
        return texts
    found = []
    for text in texts:
        where, separator, name = text.partition("/")
        if not separator:
            found.append(text)
        elif where in (namespace, "*"):
            found.append(name)
    return tuple(found)
