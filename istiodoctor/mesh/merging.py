"""What istiod makes of all servers on one workload: one Gateway per port, the older server first.

Source: `mergeGateways` (pilot/pkg/model/gateway.go:179-457).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from istiodoctor.mesh.listener_faults import FaultyListener, ListenerFault
from istiodoctor.mesh.servers import PLAIN_HTTP, Server
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.value import Value

PRIVILEGED_PORTS = 1024
CREDENTIAL_FAULTS = frozenset({ListenerFault.INVALID_CERTIFICATE, ListenerFault.INVALID_AUTHORITY})


class DropReason(StrEnum):
    """Why istiod leaves a server out."""

    DUPLICATE_HOSTS = "duplicate-hosts"
    CONFLICTING_PROTOCOL = "conflicting-protocol"
    DUPLICATE_PORT_NAME = "duplicate-port-name"
    PRIVILEGED_PORT = "privileged-port"
    MISSING_TLS = "missing-tls"
    FAULTY_LISTENER = "faulty-listener"
    """A listener of the Gateway API that istiod refuses: `Dropped.faulty` says why."""
    OUTSIDE_SCOPE = "outside-scope"
    """Of another namespace than its pods, where istiod confines Gateways to that of the pods
    (`PILOT_SCOPE_GATEWAY_TO_NAMESPACE`, push_context.go:2454)."""
    STRICT_MERGING = "strict-merging"
    """Of another namespace than the Gateway whose pods istiod made (push_context.go:2504)."""


REASONS = {ListenerFault.MISSING_TLS: DropReason.MISSING_TLS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A server that istiod leaves out on a workload, wholly."""

    server: Server
    workload: Workload
    port: int
    reason: DropReason
    winner: Server | None = None
    """The older server that stands in its way."""
    hosts: tuple[str, ...] = ()
    """The host strings that both have."""
    age_is_known: bool = True
    """Whether creation times decide; without them the order of files does not."""
    faulty: FaultyListener | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Listener:
    """One port on which a workload's Envoy listens, with the servers that made it there."""

    workload: Workload
    port: int
    """The port in the pod, not the Service's."""
    bind: str
    servers: tuple[Server, ...]
    """In istiod's order: by the protocol of the oldest server, then by age."""
    dropped: tuple[Dropped, ...] = ()

    @property
    def is_tls(self) -> bool:
        """Whether clients speak TLS here."""
        return any(server.is_tls for server in self.servers)

    @property
    def with_credentials(self) -> tuple[Server, ...]:
        """The servers that want certificates here: those that lack them too."""
        lacking = (
            each.server
            for each in self.dropped
            if each.faulty and each.faulty.fault in CREDENTIAL_FAULTS
        )
        return (*self.servers, *lacking)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MergedGateway:
    """All servers of one workload, merged."""

    listeners: tuple[Listener, ...]
    servers_by_route: Mapping[str, tuple[Server, ...]]
    """The servers that share a route configuration, by its name."""


class Candidate(Value, frozen=True, kw_only=True, eq=False):
    """One server of a workload, before servers are merged."""

    server: Server
    ports: tuple[int, ...]
    """In the pod."""
    faulty: FaultyListener | None = None
    is_outside: bool = False
    """Whether istiod gives its pods no Gateways of its namespace."""
    is_excluded: bool = False
    """Whether strict merging leaves it out."""


def merged(
    workload: Workload, candidates: Iterable[Candidate], *, plain_wins: bool
) -> MergedGateway:
    """Merge the servers of a workload, oldest first.

    `plain_wins` is the order of protocols since PR 57707: a plain server joins a TLS port, and
    later TLS servers are skipped.
    """
    merge = _Merge(workload=workload, plain_wins=plain_wins)
    for each in candidates:
        for port in each.ports:
            merge.add(each, port)
    return merge.result()


def route_name(server: Server, port: int) -> str:
    """Return the name of a server's route configuration; empty where it has none.

    Source: `gatewayRDSRouteName` (model/gateway.go:607). `port` is the port in the pod.
    """
    bind = f".{server.bind}" if server.bind else ""
    if server.is_plain_http:
        return f"http.{port}{bind}"
    if server.protocol == "HTTPS" and not server.passes_tls:
        namespace, _, name = server.gateway_name.partition("/")
        return f"https.{server.port}.{server.port_name}.{name}.{namespace}{bind}"
    return ""


@dataclass(kw_only=True)
class _Merge:
    """The state of a merge: what istiod keeps in maps by port while it goes over the servers."""

    workload: Workload
    plain_wins: bool
    groups: dict[tuple[int, str], dict[str, list[Server]]] = field(default_factory=dict)
    """Servers by port and bind, then by protocol: each is one of istiod's ServerPorts."""
    dropped: dict[tuple[int, str], list[Dropped]] = field(
        default_factory=lambda: defaultdict(list)
    )
    plain: dict[int, Server] = field(default_factory=dict)
    """The server without TLS that decides what else fits on a port."""
    first: dict[int, Server] = field(default_factory=dict)
    owners: dict[int, dict[str, Server]] = field(default_factory=lambda: defaultdict(dict))
    """Host texts of servers with a `tls` block, by port."""
    routes: dict[str, list[Server]] = field(default_factory=dict)

    def add(self, candidate: Candidate, port: int) -> None:
        """Add one server on one port, or drop it."""
        server = candidate.server
        if candidate.is_outside:
            self._drop(server, port, DropReason.OUTSIDE_SCOPE)
        elif candidate.faulty:
            reason = REASONS.get(candidate.faulty.fault, DropReason.FAULTY_LISTENER)
            self._drop(server, port, reason, faulty=candidate.faulty)
        elif candidate.is_excluded:
            self._drop(server, port, DropReason.STRICT_MERGING)
        elif port < PRIVILEGED_PORTS and self.workload.is_unprivileged:
            self._drop(server, port, DropReason.PRIVILEGED_PORT)
        elif server.protocol in ("HTTPS", "TLS") and not server.has_tls:
            self._drop(server, port, DropReason.MISSING_TLS)
        elif not self._has_hosts_of_others(server, port):
            self._join(server, port)

    def _has_hosts_of_others(self, server: Server, port: int) -> bool:
        """Drop a server with a `tls` block whose hosts another one has (`CheckDuplicates`)."""
        if not server.has_tls:
            return False
        owners = self.owners[port]
        twice = tuple(
            host
            for host in server.host_texts
            if (owner := owners.get(host)) is not None and owner.bind == server.bind
        )
        if twice:
            self._drop(server, port, DropReason.DUPLICATE_HOSTS, owners[twice[0]], twice)
            return True
        owners |= dict.fromkeys(server.host_texts, server)
        return False

    def _join(self, server: Server, port: int) -> None:
        if port not in self.first:
            self.first[port] = server
            self._open(server, port)
            return
        plain = self.plain.get(port)
        if plain is not None:
            self._join_plain(server, port, plain)
        elif not server.is_tls and not self.plain_wins:
            self._drop(server, port, DropReason.CONFLICTING_PROTOCOL, self.first[port])
        elif not server.is_tls:
            self._open(server, port)
        else:
            self._join_tls(server, port)

    def _join_plain(self, server: Server, port: int, plain: Server) -> None:
        """Join a port whose first server without TLS is `plain`."""
        if plain.bind != server.bind:
            self._open(server, port)
        elif plain.is_plain_http and server.is_plain_http:
            self._keep(server, port, plain.protocol)
            self.routes[route_name(server, port)].append(server)
        else:
            self._drop(server, port, DropReason.CONFLICTING_PROTOCOL, plain)

    def _join_tls(self, server: Server, port: int) -> None:
        """Join a port of TLS servers only: HTTPS servers are told apart by their port's name."""
        name = route_name(server, port)
        if name and name in self.routes:
            self._drop(server, port, DropReason.DUPLICATE_PORT_NAME, self.routes[name][0])
            return
        if name:
            self.routes[name] = [server]
        self._keep(server, port, server.protocol)

    def _open(self, server: Server, port: int) -> None:
        """Add the first server of its port and bind, or one more of the same kind."""
        if not server.is_tls:
            self.plain[port] = server
        name = route_name(server, port)
        if name and self._is_open(server, port):
            self.routes.setdefault(name, []).append(server)
        elif name:
            self.routes[name] = [server]
        self._keep(server, port, server.protocol)

    def _is_open(self, server: Server, port: int) -> bool:
        return server.protocol in self.groups.get((port, server.bind), {})

    def _keep(self, server: Server, port: int, protocol: str) -> None:
        groups = self.groups.setdefault((port, server.bind), {})
        groups.setdefault(protocol, []).append(server)

    def _drop(
        self,
        server: Server,
        port: int,
        reason: DropReason,
        by: Server | None = None,
        hosts: tuple[str, ...] = (),
        faulty: FaultyListener | None = None,
    ) -> None:
        known = by is None or (server.age_is_known and by.age_is_known)
        same_object = by is not None and by.gateway == server.gateway
        self.dropped[port, server.bind].append(
            Dropped(
                server=server,
                workload=self.workload,
                port=port,
                reason=reason,
                winner=by,
                hosts=hosts,
                age_is_known=known or same_object,
                faulty=faulty,
            )
        )

    def result(self) -> MergedGateway:
        """Return what has become of the servers."""
        keys = dict.fromkeys((*self.groups, *self.dropped))
        return MergedGateway(
            listeners=tuple(
                Listener(
                    workload=self.workload,
                    port=port,
                    bind=bind,
                    servers=tuple(
                        server
                        for servers in self.groups.get((port, bind), {}).values()
                        for server in servers
                    ),
                    dropped=tuple(self.dropped.get((port, bind), ())),
                )
                for port, bind in keys
            ),
            servers_by_route={name: tuple(each) for name, each in self.routes.items()},
        )


def protocol_groups(listener: Listener) -> list[tuple[Server, ...]]:
    """Return the servers of a listener by kind: plain HTTP ones share one filter chain."""
    groups: list[list[Server]] = []
    for server in listener.servers:
        last = groups[-1][-1] if groups else None
        if last is not None and server.protocol in PLAIN_HTTP and last.protocol in PLAIN_HTTP:
            groups[-1].append(server)
        else:
            groups.append([server])
    return [tuple(each) for each in groups]
