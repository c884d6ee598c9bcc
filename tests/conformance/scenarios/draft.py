"""A scenario while it is made: its random numbers, its objects, and what requests may ask for."""

import random
from collections.abc import Sequence
from typing import TypeVar

from tests.conformance.truth import Json

T = TypeVar("T")

NAMESPACES = ["istio-system", "app1", "app2", "edge"]
HOSTS = [
    "a.example.com",
    "b.example.com",
    "www.a.example.com",
    "x.y.example.com",
    "example.com",
    "shop.test",
]
WILDCARDS = ["*", "*.example.com", "*.a.example.com", "*.test", "*.com"]
TIMES = [
    "2026-01-01T00:00:00Z",
    "2026-01-02T00:00:00Z",
    "2026-01-03T00:00:00Z",
    "2026-01-01T00:00:00Z",
]
"""Two of them are equal: what is decided by age is then decided by name."""
PATHS = [
    "/",
    "/api",
    "/api/",
    "/api/v1",
    "/login",
    "/API",
    "/a%20b",
    "/static/x.png",
    "/x/y/z",
]
ROUTE_NAMES = ["web", "web-2", "web2", "shop", "api", "api-v2", "a", "zz"]


class Draft:
    """What has been chosen so far. The same seed gives the same choices in the same order."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)
        self.objects: list[Json] = []
        self.paths: set[str] = {"/"}
        self.hosts: set[str] = set()
        self.ports: set[int] = {80, 443}
        self.gateways: list[tuple[str, str]] = []
        """Istio Gateways: name and namespace."""
        self.listeners: list[tuple[str, str, list[Json]]] = []
        """Gateways of the Gateway API: name, namespace and listeners."""
        self.listener_sets: list[tuple[str, str, list[Json]]] = []
        """ListenerSets, likewise."""
        self.services: list[tuple[str, str, list[int]]] = []
        """Backends: name, namespace and ports."""
        self.pods: dict[str, str] = {
            "10.1.0.1": "istio-ingressgateway",
            "10.1.0.2": "edge-gateway",
        }
        """Names by address."""
        self._pool: tuple[list[str], list[str]] | None = None

    def add(self, kind: Json) -> None:
        """Add an object."""
        self.objects.append(kind)

    def of_kind(self, *kinds: str) -> list[Json]:
        """Return the objects of these kinds."""
        return [each for each in self.objects if each["kind"] in kinds]

    def has(self, kind: str, namespace: str, name: str) -> bool:
        """Whether an object is there already."""
        return any(
            (each["metadata"].get("namespace"), each["metadata"]["name"]) == (namespace, name)
            for each in self.of_kind(kind)
        )

    def one(self, *options: T) -> T:
        """Return one of some options."""
        return self.random.choice(options)

    def chance(self, probability: float) -> bool:
        """Return true that often."""
        return self.random.random() < probability

    def weighted(self, options: Sequence[T], weights: Sequence[float]) -> T:
        """Return one of some options, some more often than others."""
        return self.random.choices(options, weights)[0]

    def metadata(self, name: str, namespace: str) -> Json:
        """Return name, namespace and an age."""
        return {
            "name": name,
            "namespace": namespace,
            "creationTimestamp": self.random.choice(TIMES),
        }

    @property
    def names(self) -> tuple[list[str], list[str]]:
        """Hosts and wildcards of this scenario: few, so that they meet."""
        if self._pool is None:
            hosts = self.random.sample(HOSTS, 3)
            wildcards = self.random.sample(WILDCARDS, 2)
            self._pool = hosts, wildcards + (["*"] if self.chance(0.4) else [])
        return self._pool

    def host(self, wildcard: float = 0.35) -> str:
        """Return a host of this scenario, that often a wildcard."""
        hosts, wildcards = self.names
        host = self.random.choice(wildcards if self.chance(wildcard) else hosts)
        if self.chance(0.06):
            host = self.random.choice(WILDCARDS + HOSTS)
        self.hosts.add(host)
        return host

    def concrete(self, host: str) -> str:
        """Return a name that a host takes."""
        if self._pool is None:
            self.host()
        if host == "*":
            return self.one("anything.net", *[each.lower() for each in self.names[0]])
        if host.startswith("*."):
            return self.one("q", "q.r", "q", "www") + host[1:]
        return host


def clash(host: str, other: str) -> bool:
    """Whether two hosts have names in common."""
    return host == other or _covers(host, other) or _covers(other, host)


def _covers(wide: str, host: str) -> bool:
    return wide.startswith("*") and host.lstrip("*").endswith(wide[1:])


def narrowed(draft: Draft, host: str) -> str:
    """Return a name, or narrower wildcard, under a host."""
    if not host.startswith("*"):
        return host
    rest = host[1:] or ".anything.net"
    return draft.random.choice([host, host, "q" + rest, "q.r" + rest, "*.r" + rest])
