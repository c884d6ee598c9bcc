"""What is worth a look on the wire: plain lists for the probes, the most telling first."""

from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.mesh.coverage import CoverageQuestions
from istiodoctor.mesh.exposure import Exposure, ExposureQuestions, PortRoute
from istiodoctor.mesh.hosts import ANY, covers, is_wildcard
from istiodoctor.mesh.listeners import Listener
from istiodoctor.mesh.servers import Server
from istiodoctor.mesh.workloads import Workload, pod_is_ready
from istiodoctor.model.istio import ServiceEntry, TlsMode
from istiodoctor.model.kubernetes import Pod, Service
from istiodoctor.model.observation import (
    Door,
    HttpTarget,
    PortDoor,
    ProbeTargets,
    TlsTarget,
    Via,
)
from istiodoctor.model.ref import Ref

MOST_TARGETS = 200
MOST_ROUTED_HOSTS = 3
"""How many of the hosts that routes show behind one wildcard are looked at."""
PROBE_LABEL = "istiodoctor-probe"
"""Stands for any name under a wildcard."""
OF_THE_MESH = frozenset({TlsMode.AUTO_PASSTHROUGH, TlsMode.ISTIO_MUTUAL})
"""Servers for other proxies, not for clients."""
URL_PORTS = {"http": 80, "https": 443}
EVERY_NAME = frozenset({"", ANY, "*.local"})

Ranked = tuple[int, TlsTarget | HttpTarget]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """One place to connect to, with all ports of it."""

    rank: int
    """Smaller is looked at first."""
    via: Via
    ports: tuple[tuple[int, int, Door], ...]
    """As URLs name it, in the pod, and where to connect to."""

    def doors_to(self, listener: Listener) -> Iterator[tuple[int, Door]]:
        """Yield the ports that lead to a listener, each once."""
        seen = set()
        for named, target, door in self.ports:
            if target == listener.port and door not in seen:
                seen.add(door)
                yield named, door


class ProbeTargetQuestions(ExposureQuestions, CoverageQuestions):
    """Which handshakes and requests would show what clients get."""

    def probe_targets(self) -> ProbeTargets:
        """Return what to look at: bounded, hosts before pods, pods before what is beside them."""
        found = sorted(self._ranked(), key=lambda each: each[0])
        unique = list(dict.fromkeys(target for _, target in found))
        kept = unique[:MOST_TARGETS]
        return ProbeTargets(
            tls=tuple(each for each in kept if isinstance(each, TlsTarget)),
            http=tuple(each for each in kept if isinstance(each, HttpTarget)),
            hosts=tuple(dict.fromkeys(self._served_names())),
            blind=(*self._blind(kept), *_cut(unique)),
        )

    def _blind(self, kept: list[TlsTarget | HttpTarget]) -> Iterator[tuple[Ref, str]]:
        """Yield the gateways for clients that nothing leads to."""
        looked_at = {each.server for each in kept}
        for workload, servers in self.servers_by_workload().items():
            own = {each.id for each in servers if each.is_tls and _is_for_clients(each)}
            if own and workload.is_known and own.isdisjoint(looked_at):
                yield workload.owner, "it has no ready pod and no address to look at"

    def _ranked(self) -> Iterator[Ranked]:
        outside = frozenset(host for each in self._all(ServiceEntry) for host in each.spec.hosts)
        by_workload: dict[Workload, list[Listener]] = {}
        for listener in self.listeners():
            if listener.workload.is_known:
                by_workload.setdefault(listener.workload, []).append(listener)
        for workload, listeners in by_workload.items():
            ways = (*self._pod_ways(workload, listeners), *self._address_ways(workload))
            for listener in listeners:
                yield from self._tls_targets(listener, ways, outside)
                yield from self._http_targets(listener, listeners, ways, outside)

    def _pod_ways(self, workload: Workload, listeners: list[Listener]) -> Iterator[_Way]:
        routes = self.port_routes(workload)
        ready = [pod for pod in workload.pods if _answers(pod)]
        for number, pod in enumerate(ready):
            ports = []
            for listener in listeners:
                named = [each.port.port for each in routes if each.target == listener.port]
                door = Door(
                    via=Via.PORT_FORWARD, port=listener.port, gateway=workload.owner, pod=pod.ref
                )
                own = [server.port for server in listener.servers]
                ports += [(port, listener.port, door) for port in dict.fromkeys((*named, *own))]
            yield _Way(rank=0 if number == 0 else 3, via=Via.PORT_FORWARD, ports=tuple(ports))

    def _address_ways(self, workload: Workload) -> Iterator[_Way]:
        routes = self.port_routes(workload)
        for service in self.services_of(workload):
            own = [each for each in routes if each.service.ref == service.ref and each.target]
            for address in _addresses(service):
                yield _way(1, Via.SERVICE_ADDRESS, address, own, workload)
            nodes = dict.fromkeys(pod.status.host_ip for pod in workload.pods if _answers(pod))
            if service.spec.type == "NodePort":
                for address in list(filter(None, nodes))[:1]:
                    yield _way(2, Via.NODE_PORT, address, own, workload)

    def _tls_targets(
        self, listener: Listener, ways: tuple[_Way, ...], outside: frozenset[str]
    ) -> Iterator[Ranked]:
        servers = [each for each in listener.servers if each.is_tls and _is_for_clients(each)]
        for server in servers:
            for host, name in self._names(server, listener, outside):
                for way in ways:
                    for _, door in way.doors_to(listener):
                        target = TlsTarget(door=door, host=host, sni=name, server=server.id)
                        yield way.rank, target
                if not is_wildcard(host) and self._is_public(listener):
                    door = Door(
                        via=Via.DNS, port=443, gateway=listener.workload.owner, address=name
                    )
                    yield 5, TlsTarget(door=door, host=host, sni=name, server=server.id)
        answering = self.server_for(listener, "")
        for way in ways[:1] if servers else ():
            for _, door in way.doors_to(listener):
                yield 4, TlsTarget(door=door, server=answering.id if answering else "")

    def _is_public(self, listener: Listener) -> bool:
        """Whether clients reach a listener from outside under the port of https://."""
        return self.exposure(listener.workload) is Exposure.OUTSIDE and any(
            each.port.port == 443 and each.target == listener.port
            for each in self.port_routes(listener.workload)
        )

    def _http_targets(
        self,
        listener: Listener,
        listeners: list[Listener],
        ways: tuple[_Way, ...],
        outside: frozenset[str],
    ) -> Iterator[Ranked]:
        scheme = "https" if listener.is_tls else "http"
        for server in listener.servers:
            if not (server.routes_http and _is_for_clients(server)):
                continue
            for host, name in self._names(server, listener, outside):
                for way in ways:
                    if way.rank > 2:
                        continue
                    doors = _doors(way, listeners)
                    for port, _ in list(way.doors_to(listener))[:1]:
                        url = _url(scheme, name, port)
                        target = HttpTarget(url=url, doors=doors, host=host, server=server.id)
                        yield way.rank, target
                        if scheme == "http" and way.rank == 0:
                            yield from _told(target)

    def _names(
        self, server: Server, listener: Listener, outside: frozenset[str]
    ) -> Iterator[tuple[str, str]]:
        """Yield the hosts of a server, and the names to ask for: a stand-in under a wildcard."""
        counts: dict[str, int] = {}
        for host in dict.fromkeys(self._expected_hosts(server)):
            written = next((each for each in server.names if covers(each, host)), host)
            counts[written] = counts.get(written, 0) + 1
            if host in outside or host in EVERY_NAME or counts[written] > MOST_ROUTED_HOSTS:
                continue
            name = PROBE_LABEL + host[1:] if is_wildcard(host) else host
            if self.server_for(listener, name) is server:
                yield host, name

    def _served_names(self) -> Iterator[str]:
        for server in self.live_servers():
            yield from (name for name in server.names if name != ANY)
            if ANY in server.names:
                yield from (host for host in self._routed_hosts(server) if host != ANY)


def _cut(targets: list[TlsTarget | HttpTarget]) -> Iterator[tuple[Ref, str]]:
    """Yield the gateways of the targets beyond the most that are looked at."""
    words = f"{len(targets)} targets are more than the {MOST_TARGETS} that are looked at"
    for target in targets[MOST_TARGETS:]:
        door = target.door if isinstance(target, TlsTarget) else target.doors[0].door
        yield door.gateway, words


def _answers(pod: Pod) -> bool:
    return pod.status.phase in ("", "Running") and pod_is_ready(pod)


def _is_for_clients(server: Server) -> bool:
    return server.mode not in OF_THE_MESH


def _addresses(service: Service) -> tuple[str, ...]:
    given = service.status.load_balancer.ingress if service.spec.type == "LoadBalancer" else ()
    found = (*(each.ip or each.hostname for each in given), *service.spec.external_ips)
    return tuple(dict.fromkeys(filter(None, found)))


def _way(rank: int, via: Via, address: str, routes: list[PortRoute], workload: Workload) -> _Way:
    ports = []
    for route in routes:
        port = route.port.node_port if via is Via.NODE_PORT else route.port.port
        if port and route.target:
            door = Door(
                via=via,
                port=port,
                gateway=workload.owner,
                service=route.service.ref,
                address=address,
            )
            ports.append((port, route.target, door))
    return _Way(rank=rank, via=via, ports=tuple(ports))


def _doors(way: _Way, listeners: list[Listener]) -> tuple[PortDoor, ...]:
    """Return where every port of a way leads in URLs; at 443, TLS ends before the gateway too."""
    speaks_tls = {each.port: each.is_tls for each in listeners}
    found = {
        ("https" if speaks_tls.get(target) or named == 443 else "http", named): door
        for named, target, door in reversed(way.ports)
    }
    return tuple(
        PortDoor(scheme=scheme, port=port, door=door)
        for (scheme, port), door in sorted(found.items(), key=lambda each: each[0])
    )


def _url(scheme: str, name: str, port: int) -> str:
    return f"{scheme}://{name}/" if port == URL_PORTS[scheme] else f"{scheme}://{name}:{port}/"


def _told(target: HttpTarget) -> Iterator[Ranked]:
    """Yield the same request as proxies before the gateway would send it."""
    for proto in ("https", "http"):
        yield (
            2,
            HttpTarget(
                url=target.url,
                doors=target.doors,
                host=target.host,
                server=target.server,
                forwarded_proto=proto,
            ),
        )
