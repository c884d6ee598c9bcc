"""Hosts and wildcards: which cover, match or overlap each other.

Sources: Istio's `host.Name`; for certificates RFC 6125.
"""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

ANY = "*"
PROBE_LABEL = "istiodoctor-probe"
"""Stands for any name under a wildcard, and for any token of a challenge."""


def is_wildcard(host: str) -> bool:
    """Whether the host is `*` or `*.something`."""
    return host.startswith("*")


def concrete(host: str) -> str:
    """Return a name to ask for: a stand-in under a wildcard."""
    return PROBE_LABEL + host[1:] if is_wildcard(host) else host


def covers(pattern: str, host: str) -> bool:
    """Whether every name under `host` is under `pattern` (Istio: `host` is a subset of `pattern`).

    `*.a.com` covers `x.y.a.com` but not `a.com`; `*` covers everything.
    """
    pattern, host = pattern.lower(), host.lower()
    if pattern in (ANY, host):
        return True
    return (
        is_wildcard(pattern)
        and host != ANY
        and host.lstrip("*").endswith(pattern[1:])
        and (len(host) > len(pattern) - 1)
    )


def meet(one: str, other: str) -> str | None:
    """Return the narrower of two hosts when they have names in common, else None."""
    if covers(one, other):
        return other.lower()
    return one.lower() if covers(other, one) else None


def certificate_covers(name: str, host: str) -> bool:
    """Whether a dNSName of a certificate is valid for a host (RFC 6125 §6.4.3: one label deep).

    A wildcard host is covered only by the same wildcard name.
    """
    name, host = name.lower().rstrip("."), host.lower().rstrip(".")
    if name == host:
        return True
    if not name.startswith("*.") or is_wildcard(host):
        return False
    label, _, parent = host.partition(".")
    return bool(label) and parent == name[2:]


def parents(host: str) -> Iterator[str]:
    """Yield the wildcards above a host, narrowest first, `*` last."""
    host = host.lower()
    dot = host.find(".")
    while dot != -1:
        yield "*" + host[dot:]
        dot = host.find(".", dot + 1)
    yield ANY


class HostIndex(Generic[T]):
    """Items by host, so that joins over hosts stay linear."""

    def __init__(self, items: Iterable[tuple[str, T]] = ()) -> None:
        """Index pairs of host and item."""
        self._exact: dict[str, list[T]] = {}
        self._has_wildcards = False
        self._below: dict[str, list[T]] | None = None
        for host, item in items:
            self.add(host, item)

    def add(self, host: str, item: T) -> None:
        """Add an item under a host."""
        self._exact.setdefault(host.lower(), []).append(item)
        self._has_wildcards = self._has_wildcards or is_wildcard(host)
        self._below = None

    def same(self, host: str) -> tuple[T, ...]:
        """Return the items under exactly this host string."""
        return tuple(self._exact.get(host.lower(), ()))

    def covering(self, host: str) -> Iterator[T]:
        """Yield the items whose host covers this one, most specific first."""
        if not self._exact:
            return
        host = host.lower()
        yield from self._exact.get(host, ())
        if not self._has_wildcards:
            return
        for parent in parents(host):
            if parent != host and parent in self._exact:
                yield from self._exact[parent]

    def meeting(self, host: str) -> Iterator[T]:
        """Yield the items whose host has names in common with this one."""
        yield from self.covering(host)
        if is_wildcard(host):
            yield from self._items_below().get(host.lower(), ())

    def _items_below(self) -> dict[str, list[T]]:
        """Return the items under each wildcard above them; made when a wildcard first asks."""
        if self._below is None:
            self._below = {}
            for host, items in self._exact.items():
                for parent in parents(host):
                    if parent != host:
                        self._below.setdefault(parent, []).extend(items)
        return self._below
