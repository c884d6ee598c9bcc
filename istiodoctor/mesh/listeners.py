"""Which pods a gateway selects, and what istiod makes of all servers on one pod.

Source: istiod's pilot/pkg/model/gateway.go.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.gatewayapi import GatewayApiQuestions
from istiodoctor.mesh.hosts import HostIndex
from istiodoctor.mesh.methods import question
from istiodoctor.mesh.servers import GatewayApi, Server, istio_servers
from istiodoctor.mesh.serviceports import ServicePortQuestions
from istiodoctor.mesh.workloads import GATEWAY_NAME_LABELS, Workload
from istiodoctor.model.istio import IstioGateway
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.kubernetes import PodSpec, Service
from istiodoctor.model.ref import Ref

PLAIN_KEPT_OVER_TLS = ((1, 27, 4), (1, 28, 1))
"""From these on a plain server joins a TLS port and later TLS servers are skipped (PR 57707)."""


class DropReason(StrEnum):
    """Why istiod leaves a server out."""

    DUPLICATE_HOSTS = "duplicate-hosts"
    CONFLICTING_PROTOCOL = "conflicting-protocol"
    DUPLICATE_PORT_NAME = "duplicate-port-name"
    PRIVILEGED_PORT = "privileged-port"
    MISSING_TLS = "missing-tls"


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Listener:
    """One port on which a workload's Envoy listens, with the servers that made it there."""

    workload: Workload
    port: int
    """The port in the pod, not the Service's."""
    bind: str
    servers: tuple[Server, ...]
    dropped: tuple[Dropped, ...] = ()

    @property
    def is_tls(self) -> bool:
        """Whether clients speak TLS here."""
        return any(server.is_tls for server in self.servers)


class ListenerQuestions(ServicePortQuestions, GatewayApiQuestions):
    """Gateways, their pods and their listeners."""

    @question(Kind.ISTIO_GATEWAY)
    def istio_gateways(self) -> tuple[IstioGateway, ...]:
        """Return every Istio Gateway."""
        return self._all(IstioGateway)

    @question(rests_on=[istio_gateways, GatewayApiQuestions.api_servers])
    def servers(self) -> tuple[Server, ...]:
        """Return every server, oldest Gateway first."""
        istio = (server for gateway in self.istio_gateways() for server in istio_servers(gateway))
        return tuple(
            sorted((*istio, *self.api_servers()), key=lambda each: (each.age_order, each.index))
        )

    @question(
        rests_on=[istio_gateways, ServicePortQuestions.selected, ServicePortQuestions.routers]
    )
    def gateway_workloads(self, gateway: Ref) -> tuple[Workload, ...]:
        """Return the known workloads that an Istio Gateway selects, in all namespaces."""
        found = self._get(IstioGateway, gateway.namespace, gateway.name)
        if found is None:
            return ()
        selector = frozenset(found.spec.selector.items())
        return self.selected(selector, "") if selector else self.routers()

    @question(
        Kind.SERVICE,
        rests_on=[GatewayApiQuestions.api_gateways_by_ref, ServicePortQuestions.selected],
    )
    def api_gateway_workloads(self, gateway: Ref) -> tuple[Workload, ...]:
        """Return the workloads of a Gateway API Gateway, generated or of the Service it names."""
        found = self.api_gateways_by_ref().get(gateway)
        if found is None:
            return ()
        services = [each.value for each in found.spec.addresses if each.type == "Hostname"]
        if not services:
            return next(
                (
                    made
                    for label in GATEWAY_NAME_LABELS
                    if (made := self.selected(frozenset({(label, found.name)}), found.namespace))
                ),
                (),
            )
        workloads: dict[Ref, Workload] = {}
        for address in services:
            name, _, rest = address.partition(".")
            namespace = rest.partition(".")[0] or found.namespace
            service = self._get(Service, namespace, name)
            if service and service.spec.selector:
                selector = frozenset(service.spec.selector.items())
                workloads |= {each.owner: each for each in self.selected(selector, namespace)}
        return tuple(workloads.values())

    @question(Kind.POD, Kind.DEPLOYMENT, rests_on=[gateway_workloads, api_gateway_workloads])
    def workloads_of(self, server: Server) -> tuple[Workload, ...]:
        """Return the workloads that a server is configured on.

        Where manifests show no pods, an Istio Gateway's selector stands for those it would select.
        """
        if server.api is GatewayApi.GATEWAY_API:
            found = self.api_gateway_workloads(server.parent)
        else:
            found = self.gateway_workloads(server.parent)
        if found or self._is_complete(Kind.POD):
            return found
        return (self._stand_in(server),)

    @question(Kind.ISTIO_GATEWAY)
    def _stand_in_for(self, selector: frozenset[tuple[str, str]], namespace: str) -> Workload:
        labels = ",".join(f"{key}={value}" for key, value in sorted(selector))
        return Workload(
            namespace=namespace,
            owner=Ref(CORE, "Pod", namespace, f"({labels or 'every gateway'})"),
            labels=dict(selector),
            annotations={},
            spec=PodSpec(),
            selected_by=selector,
        )

    def _stand_in(self, server: Server) -> Workload:
        if server.api is GatewayApi.GATEWAY_API:
            label = (GATEWAY_NAME_LABELS[0], server.parent.name)
            return self._stand_in_for(frozenset({label}), server.parent.namespace)
        gateway = self._get(IstioGateway, server.parent.namespace, server.parent.name)
        selector = frozenset(gateway.spec.selector.items()) if gateway else frozenset()
        return self._stand_in_for(selector, "")

    @question(rests_on=[servers, workloads_of])
    def servers_by_workload(self) -> Mapping[Workload, tuple[Server, ...]]:
        """Return the servers that apply to each workload, oldest Gateway first."""
        found: dict[Workload, list[Server]] = defaultdict(list)
        for server in self.servers():
            for workload in self.workloads_of(server):
                found[workload].append(server)
        return {workload: tuple(servers) for workload, servers in found.items()}

    @question(
        rests_on=[
            servers_by_workload,
            ServicePortQuestions.listening_ports,
            ServicePortQuestions.referenced_ports,
            ServicePortQuestions.istiod_version,
        ]
    )
    def listeners(self) -> tuple[Listener, ...]:
        """Return every listener of every gateway workload, merged as istiod does."""
        found: list[Listener] = []
        for workload, servers in self.servers_by_workload().items():
            by_port: dict[tuple[int, str], list[Server]] = defaultdict(list)
            for server in servers:
                for port in self._ports(server, workload):
                    by_port[port, server.bind].append(server)
            version = self.istiod_version(workload)
            plain_wins = version is not None and version.has(*PLAIN_KEPT_OVER_TLS)
            found += [
                merge(workload, port, bind, group, plain_wins=plain_wins)
                for (port, bind), group in by_port.items()
            ]
        return tuple(found)

    def _ports(self, server: Server, workload: Workload) -> tuple[int, ...]:
        """Return where a server listens: nowhere if its namespace is out of istiod's scope."""
        if server.api is GatewayApi.GATEWAY_API:
            return self.referenced_ports(workload, server.port)
        plane = self.control_plane_of(workload) if workload.is_known else None
        if plane and plane.confines_gateways and server.namespace != workload.namespace:
            return ()
        return self.listening_ports(workload, server.port)

    @question(rests_on=[listeners])
    def dropped(self) -> tuple[Dropped, ...]:
        """Return every server that istiod leaves out, on every workload."""
        return tuple(each for listener in self.listeners() for each in listener.dropped)

    @question(rests_on=[listeners])
    def listeners_of(self, server: Server) -> tuple[Listener, ...]:
        """Return the listeners that a server made it to."""
        return self._listeners_by_server().get(server, ())

    @question(rests_on=[listeners])
    def _listeners_by_server(self) -> Mapping[Server, tuple[Listener, ...]]:
        found: dict[Server, list[Listener]] = defaultdict(list)
        for listener in self.listeners():
            for server in listener.servers:
                found[server].append(listener)
        return {server: tuple(each) for server, each in found.items()}

    @question(rests_on=[_listeners_by_server])
    def live_servers(self) -> tuple[Server, ...]:
        """Return the servers that are configured on at least one workload."""
        return tuple(self._listeners_by_server())

    @question()
    def _hosts_of(self, listener: Listener) -> HostIndex[Server]:
        return HostIndex(
            (host.name, server) for server in listener.servers for host in server.hosts
        )

    @question(rests_on=[_hosts_of])
    def server_for(self, listener: Listener, name: str) -> Server | None:
        """Return the server that an SNI (or, in plain HTTP, a Host) reaches.

        "" for a client without SNI.

        Exact before the longest wildcard before `*`; among equals the oldest.
        """
        return next(self._hosts_of(listener).covering(name or "*"), None)


def merge(
    workload: Workload,
    port: int,
    bind: str,
    servers: Iterable[Server],
    *,
    plain_wins: bool = False,
) -> Listener:
    """Merge servers on one port as istiod does: the older one wins.

    The whole later server is dropped.

    `plain_wins` is the order of protocols since PR 57707.
    """
    kept: list[Server] = []
    dropped: list[Dropped] = []
    owners: dict[str, Server] = {}
    route_names: dict[tuple[Ref, int, str], Server] = {}
    plain: Server | None = None  # the first without TLS: what comes later must fit it

    def drop(
        server: Server, reason: DropReason, by: Server | None = None, hosts: tuple[str, ...] = ()
    ) -> None:
        known = by is None or (server.age_order[0] != "" and by.age_order[0] != "")
        same_object = by is not None and by.gateway == server.gateway
        dropped.append(
            Dropped(
                server=server,
                workload=workload,
                port=port,
                reason=reason,
                winner=by,
                hosts=hosts,
                age_is_known=known or same_object,
            )
        )

    for server in servers:
        if port < 1024 and workload.is_unprivileged:
            drop(server, DropReason.PRIVILEGED_PORT)
            continue
        if server.protocol in ("HTTPS", "TLS") and not server.has_tls:
            drop(server, DropReason.MISSING_TLS)
            continue
        hosts = [str(host) for host in server.hosts]
        if server.has_tls:
            twice = tuple(host for host in hosts if host in owners)
            if twice:
                drop(server, DropReason.DUPLICATE_HOSTS, owners[twice[0]], twice)
                continue
            owners |= dict.fromkeys(hosts, server)
        if plain and not (plain.is_plain_http and server.is_plain_http):
            drop(server, DropReason.CONFLICTING_PROTOCOL, plain)
            continue
        if kept and not plain and not server.is_tls and not plain_wins:
            drop(server, DropReason.CONFLICTING_PROTOCOL, kept[0])
            continue
        if server.is_tls and server.routes_http and server.api is GatewayApi.ISTIO:
            # The name of its route configuration, which istiod tells HTTPS servers apart by.
            first = route_names.setdefault((server.gateway, server.port, server.port_name), server)
            if first is not server:
                drop(server, DropReason.DUPLICATE_PORT_NAME, first)
                continue
        kept.append(server)
        plain = plain or (None if server.is_tls else server)
    return Listener(
        workload=workload, port=port, bind=bind, servers=tuple(kept), dropped=tuple(dropped)
    )
