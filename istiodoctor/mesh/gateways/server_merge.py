"""How istiod merges the servers of one workload: by port and address, the older server first.

Source: `mergeGateways` (pilot/pkg/model/gateway.go:179-457).
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from istiodoctor.mesh.gateways.listener_faults import FaultyListener, ListenerFault
from istiodoctor.mesh.gateways.merging import (
    Candidate,
    Dropped,
    DropReason,
    Listener,
    MergedGateway,
    route_name,
)
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.workloads.workloads import Workload

PRIVILEGED_PORTS = 1024
REASONS = {ListenerFault.MISSING_TLS: DropReason.MISSING_TLS}


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
        if candidate.is_of_other_revision:
            self._drop(server, port, DropReason.OTHER_REVISION)
        elif candidate.is_outside:
            self._drop(server, port, DropReason.OUTSIDE_SCOPE)
        elif candidate.faulty:
            reason = REASONS.get(candidate.faulty.fault, DropReason.FAULTY_LISTENER)
            self._drop(server, port, reason, faulty=candidate.faulty)
        elif candidate.is_excluded:
            self._drop(server, port, DropReason.STRICT_MERGING)
        elif (
            port < PRIVILEGED_PORTS and self.workload.is_unprivileged and candidate.are_ports_known
        ):
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
        """Return the merged listeners and the dropped servers."""
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
