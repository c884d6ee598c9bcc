"""Which virtual host a request's Host takes.

Source: Envoy's source/common/router/config_impl.cc (`RouteMatcher`, `findVirtualHost`,
`findWildcardVirtualHost`) and source/common/http/header_utility.cc (`getPortStart`).
"""

from collections.abc import Iterable
from typing import Generic, TypeVar

from istiodoctor.mesh.configuration.texts import ascii_lower
from istiodoctor.mesh.hosts import ANY

T = TypeVar("T")


class DomainIndex(Generic[T]):
    """Anything by domain; of one domain given twice the first is in force (Envoy refuses two)."""

    def __init__(self, domains: Iterable[tuple[str, T]]) -> None:
        """Take domains, each with what stands for it."""
        self._exact: dict[str, T] = {}
        self._suffixes: dict[int, dict[str, T]] = {}
        self._prefixes: dict[int, dict[str, T]] = {}
        self._default: list[T] = []
        for domain, value in domains:
            self._add(ascii_lower(domain), value)
        self._suffix_lengths = sorted(self._suffixes, reverse=True)
        self._prefix_lengths = sorted(self._prefixes, reverse=True)

    def _add(self, domain: str, value: T) -> None:
        if domain == ANY:
            self._default = self._default or [value]
        elif domain.startswith(ANY):
            self._suffixes.setdefault(len(domain) - 1, {}).setdefault(domain[1:], value)
        elif domain.endswith(ANY):
            self._prefixes.setdefault(len(domain) - 1, {}).setdefault(domain[:-1], value)
        else:
            self._exact.setdefault(domain, value)

    def find(self, host: str) -> T | None:
        """Return what stands for a host: its name, the longest suffix, prefix, or `*`.

        A wildcard stands for at least one character: `*.a.com` takes `x.a.com` and not `.a.com`.
        """
        host = ascii_lower(host)
        if host in self._exact:
            return self._exact[host]
        for length in self._suffix_lengths:
            if length < len(host) and host[-length:] in self._suffixes[length]:
                return self._suffixes[length][host[-length:]]
        for length in self._prefix_lengths:
            if length < len(host) and host[:length] in self._prefixes[length]:
                return self._prefixes[length][host[:length]]
        return self._default[0] if self._default else None


def matched_host(authority: str, *, ignores_port: bool = True) -> str:
    """Return the part of a Host that domains are compared with, in lower case.

    Everything from the last colon on is taken for the port, whatever it says (`host:`, `a:b`),
    unless a bracket closes behind it; a dot at the end stays and makes another name.
    """
    colon = authority.rfind(":")
    if ignores_port and colon >= 0 and authority.rfind("]") < colon:
        authority = authority[:colon]
    return ascii_lower(authority)
