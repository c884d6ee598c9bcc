"""Which listeners of one Gateway or ListenerSet take a route, and for which hostnames.

Source: `referenceAllowed`, `extractParentReferenceInfo`, `hostnameAllowedByIsolation`
(pilot/pkg/config/kube/gateway/conversion.go:624, 783, 1742).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.gateways.api_gateways import api_servers
from istiodoctor.mesh.gateways.servers import TERMINATING, Server
from istiodoctor.mesh.hosts import ANY
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.names import host_matches, is_subset
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ListenersByHostname:
    """Some listeners, found by a hostname that they have names in common with."""

    listeners: tuple[Server, ...]
    exact: Mapping[str, tuple[Server, ...]]
    wildcards: tuple[Server, ...]

    def meeting(self, hostname: str) -> Iterator[Server]:
        """Yield the listeners that have names in common with a route's hostname."""
        if hostname.startswith("*"):
            yield from (e for e in self.listeners if host_matches(e.hostname or ANY, hostname))
            return
        yield from self.exact.get(hostname, ())
        yield from (e for e in self.wildcards if host_matches(e.hostname or ANY, hostname))


def by_hostname(listeners: Iterable[Server]) -> ListenersByHostname:
    """Return listeners by hostname."""
    every = tuple(listeners)
    exact: dict[str, list[Server]] = defaultdict(list)
    wildcards = []
    for each in every:
        if (each.hostname or ANY).startswith("*"):
            wildcards.append(each)
        else:
            exact[each.hostname].append(each)
    return ListenersByHostname(
        listeners=every,
        exact={hostname: tuple(found) for hostname, found in exact.items()},
        wildcards=tuple(wildcards),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beside:
    """The hostnames of the listeners of one port and protocol."""

    exact: frozenset[str]
    wildcards: tuple[str, ...]

    def takes(self, hostname: str, own: str) -> str | None:
        """Return the narrower hostname than `own` that takes a route's, if there is one."""
        if hostname in self.exact and hostname != own and len(own) <= len(hostname):
            return hostname
        taking = (e for e in self.wildcards if e != own and len(own) <= len(e))
        return next((each for each in taking if is_subset(hostname, each)), None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parent:
    """The listeners of one object that routes may name: each keeps its names from wider ones."""

    listeners: tuple[Server, ...]
    beside: Mapping[tuple[int, str], _Beside]

    def taken_by(self, listener: Server, hostname: str) -> str | None:
        """Return the hostname of the listener that keeps a route's from a wider one.

        It does so whether or not it admits the route (`hostnameAllowedByIsolation`).
        """
        own = listener.hostname
        if own and not own.startswith("*"):
            return None
        if own and not host_matches(hostname, own):
            return own
        return self.beside[listener.port, listener.protocol].takes(hostname, own)


def parent_of(listeners: Iterable[Server]) -> Parent:
    """Return the listeners of one object, those left out that no route may attach to."""
    every = tuple(each for each in listeners if not each.faulty or each.faulty.takes_routes)
    hostnames: dict[tuple[int, str], set[str]] = defaultdict(set)
    for each in every:
        hostnames[each.port, each.protocol].add(each.hostname)
    return Parent(
        listeners=every,
        beside={
            key: _Beside(
                exact=frozenset(each for each in names if each and not each.startswith("*")),
                wildcards=tuple(sorted(each for each in names if each.startswith("*"))),
            )
            for key, names in hostnames.items()
        },
    )


@question
def parents_of_routes(mesh: Mesh) -> Mapping[Ref, Parent]:
    """Return the listeners that routes may attach to, by the object they are written in."""
    found: dict[Ref, list[Server]] = defaultdict(list)
    for server in sorted(api_servers(mesh), key=lambda each: (each.age_order, each.index)):
        found[server.gateway].append(server)
    return {ref: parent_of(listeners) for ref, listeners in found.items()}


@question
def candidates_of(
    mesh: Mesh, parent: Ref, section: str, port: int, kind: Kind
) -> ListenersByHostname:
    """Return the listeners of a parent that have a section, a port and a fitting protocol."""
    found = parents_of_routes(mesh).get(parent)
    return by_hostname(
        each
        for each in (found.listeners if found else ())
        if section in ("", each.section_name) and port in (0, each.port) and _serves(each, kind)
    )


def _serves(server: Server, kind: Kind) -> bool:
    """Whether the protocol of a listener is that of a kind of route."""
    match kind:
        case Kind.HTTP_ROUTE | Kind.GRPC_ROUTE:
            return server.protocol in ("HTTP", "HTTPS")
        case Kind.TLS_ROUTE:
            return server.protocol == "TLS"
        case _:
            ends_tls = server.protocol == "TLS" and server.mode in TERMINATING
            return server.protocol == "TCP" or ends_tls
