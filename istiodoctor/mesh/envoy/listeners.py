"""The ports and server names that Envoys listen for, compared with the servers of Gateways."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from istiodoctor.mesh.configuration.chain_index import server_like
from istiodoctor.mesh.envoy.state import envoys_by_workload
from istiodoctor.mesh.gateways.listeners import listeners, servers_by_workload
from istiodoctor.mesh.gateways.merging import Listener
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.grace_times import SETTLING_TIME
from istiodoctor.mesh.hosts import ANY, concrete
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import REVISION_LABEL, Workload
from istiodoctor.model.envoy import EnvoyFilterChain, EnvoyState
from istiodoctor.model.istio import IstioGateway
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref

BEFORE_LIVE = frozenset({"PRE_INITIALIZING", "INITIALIZING"})
"""What Envoy calls itself until it has got its first configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPort:
    """A port on which an Envoy listens, and the server names (SNI) that it takes there."""

    names: frozenset[str]
    takes_every_name: bool
    is_described: bool
    """Whether Envoy says what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AbsentServer:
    """A server that Envoys do not have, or of which they lack hosts."""

    listener: Listener
    server: Server
    hosts: tuple[str, ...]
    """Those for which nothing listens."""
    pods: tuple[Ref, ...]
    """The pods whose Envoys lack them."""
    is_open: bool
    """Whether those Envoys listen on the port at all."""
    is_everywhere: bool
    """Whether no pod that was asked has them."""
    is_left_out: bool
    """Whether istiod leaves the server out."""
    is_dead: bool
    """Whether no other server takes some of the hosts instead."""
    is_settling: bool
    """Whether the Gateway or a pod is so new that it may be under way."""

    @property
    def workload(self) -> Workload:
        """The gateway."""
        return self.listener.workload


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnstartedEnvoys:
    """Envoys of a gateway that have never got their first configuration."""

    workload: Workload
    states: tuple[EnvoyState, ...]
    servers: tuple[Server, ...]


@question
def open_ports(mesh: Mesh) -> Mapping[Workload, Mapping[Ref, Mapping[int, OpenPort]]]:
    """Return the ports on which the Envoys of each gateway listen, by pod.

    A pod whose listeners are not known is left out.
    """
    return {
        workload: {state.pod: _ports_of(state) for state in states if state.listeners}
        for workload, states in envoys_by_workload(mesh).items()
    }


@question(Kind.ISTIO_GATEWAY)
def absent_servers(mesh: Mesh) -> tuple[AbsentServer, ...]:
    """Return the servers that Gateways ask for and Envoys do not have.

    Only those with routes of HTTP: for others nothing listens where no route leads on.
    """
    if not open_ports(mesh):
        return ()
    return tuple(
        absent
        for listener in listeners(mesh)
        for server, is_left_out in _written(listener)
        if server.routes_http and _is_of_revision(mesh, server, listener.workload)
        if (absent := _lacking_somewhere(mesh, listener, server, is_left_out=is_left_out))
    )


def _lacking_somewhere(
    mesh: Mesh, listener: Listener, server: Server, *, is_left_out: bool
) -> AbsentServer | None:
    known = open_ports(mesh).get(listener.workload, {})
    states = envoys_by_workload(mesh).get(listener.workload, ())
    lacking = {pod: _lacks(ports.get(listener.port), server) for pod, ports in known.items()}
    pods = tuple(pod for pod, hosts in lacking.items() if hosts)
    if not pods:
        return None
    lost = tuple(dict.fromkeys(host for hosts in lacking.values() for host in hosts))
    made = _made(server)
    is_new = made is not None and mesh.snapshot.taken_at - made < SETTLING_TIME
    young = [each for each in states if each.pod in pods and _is_young(each)]
    return AbsentServer(
        listener=listener,
        server=server,
        hosts=lost,
        pods=pods,
        is_open=all(listener.port in known[pod] for pod in pods),
        is_everywhere=len(pods) == len(known),
        is_left_out=is_left_out,
        is_dead=any(_is_dead(mesh, listener, server, host) for host in lost),
        is_settling=is_new or len(young) == len(pods),
    )


def _is_dead(mesh: Mesh, listener: Listener, server: Server, host: str) -> bool:
    return server_like(mesh, listener, server, concrete(host)) in (None, server)


def _is_of_revision(mesh: Mesh, server: Server, workload: Workload) -> bool:
    """Whether a Gateway that names a revision of istiod means that of these pods."""
    if server.api is not GatewayApi.ISTIO:
        return True
    gateway = mesh.get(IstioGateway, server.gateway.namespace, server.gateway.name)
    label = gateway.metadata.labels.get(REVISION_LABEL) if gateway else None
    return label in (None, workload.revision)


@question
def unstarted_envoys(mesh: Mesh) -> tuple[UnstartedEnvoys, ...]:
    """Return the Envoys that wait for their first configuration, for longer than it takes."""
    found = (
        (workload, tuple(each for each in states if _never_started(each)))
        for workload, states in envoys_by_workload(mesh).items()
    )
    return tuple(
        UnstartedEnvoys(
            workload=workload,
            states=states,
            servers=servers_by_workload(mesh).get(workload, ()),
        )
        for workload, states in found
        if states
    )


def _written(listener: Listener) -> Iterator[tuple[Server, bool]]:
    """Yield the servers of a port, and whether istiod leaves them out."""
    yield from ((server, False) for server in listener.servers)
    yield from ((each.server, True) for each in listener.dropped)


def _ports_of(state: EnvoyState) -> Mapping[int, OpenPort]:
    chains: dict[int, list[EnvoyFilterChain]] = defaultdict(list)
    for listener in state.listeners:
        if listener.is_open:
            chains[listener.port] += listener.filter_chains
    return {
        port: OpenPort(
            names=frozenset(name.lower() for each in found for name in each.server_names),
            takes_every_name=any(not each.server_names for each in found),
            is_described=bool(found),
        )
        for port, found in chains.items()
    }


def _lacks(opened: OpenPort | None, server: Server) -> tuple[str, ...]:
    """Return the hosts of a server for which a port of an Envoy has nothing."""
    if opened is None:
        return server.names
    if not server.is_tls or not opened.is_described:
        return ()
    if ANY in server.names:  # its filter chain takes every name, and so names none
        return () if opened.takes_every_name else (ANY,)
    return tuple(name for name in server.names if name not in opened.names)


def _made(server: Server) -> datetime | None:
    created = server.age_order[0]
    return datetime.fromisoformat(created) if created else None


def _is_young(state: EnvoyState) -> bool:
    return state.uptime is not None and state.uptime < SETTLING_TIME


def _never_started(state: EnvoyState) -> bool:
    return (
        state.lifecycle in BEFORE_LIVE
        and state.uptime is not None
        and state.uptime >= SETTLING_TIME
    )
