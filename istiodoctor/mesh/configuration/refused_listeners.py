"""Which listeners Envoy refuses, and the servers and rules that do it."""

from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.mesh.configuration.envoy_filters import touched_listener
from istiodoctor.mesh.configuration.filter_chains import http_filter_chains
from istiodoctor.mesh.configuration.listener import Listener
from istiodoctor.mesh.configuration.listener_addresses import address_fault, shared_addresses
from istiodoctor.mesh.configuration.listeners import listeners_by_port, merged_by_address
from istiodoctor.mesh.configuration.refusals import ChainFault, chain_faults
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import istiod_version
from istiodoctor.mesh.workloads.workloads import Workload


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RefusedListener:
    """A listener that Envoy refuses."""

    workload: Workload
    port: int
    """In the pod."""
    bind: str
    servers: tuple[Server, ...]
    faults: tuple[ChainFault, ...]
    """What is wrong with it, as Envoy would find it."""
    unknown_because: str = ""
    """What may make it another listener."""

    @property
    def hosts(self) -> frozenset[str]:
        """Every host of the port: a listener is taken as a whole or not at all."""
        return frozenset(name for server in self.servers for name in server.names)

    @property
    def is_tls(self) -> bool:
        """Whether clients speak TLS to it."""
        return any(server.is_tls for server in self.servers)


@question(evidence=[touched_listener])
def refused_listeners(mesh: Mesh) -> tuple[RefusedListener, ...]:
    """Return the listeners that istiod would send and Envoy would refuse."""
    return tuple(
        refused
        for workload in servers_by_workload(mesh)
        for listeners in listeners_by_port(mesh, workload).values()
        for refused in _refused(mesh, workload, listeners)
    )


def _refused(
    mesh: Mesh, workload: Workload, listeners: tuple[Listener, ...]
) -> Iterator[RefusedListener]:
    """Yield the listeners of one port that Envoy refuses: of two with one address the later."""
    for each in listeners:
        if each.refused:
            of_address = filter(None, (address_fault(each),))
            faults = (*of_address, *chain_faults(each.filter_chains))
            yield _refused_for(mesh, workload, (each,), faults)
    for fault in shared_addresses(listeners) if len(listeners) > 1 else ():
        chains = (fault.chain, fault.other)
        both = tuple(each for each in listeners if each.filter_chains[0] in chains)
        yield _refused_for(mesh, workload, both, (fault,))


def _refused_for(
    mesh: Mesh, workload: Workload, listeners: tuple[Listener, ...], faults: tuple[ChainFault, ...]
) -> RefusedListener:
    port, bind = listeners[-1].port, listeners[-1].bind
    return RefusedListener(
        workload=workload,
        port=port,
        bind=bind,
        servers=tuple(server for each in listeners for server in each.servers),
        faults=faults,
        unknown_because=touched_listener(mesh, workload, port, bind),
    )


@question(evidence=[touched_listener])
def listeners_refused_for_https_hosts(mesh: Mesh) -> tuple[RefusedListener, ...]:
    """Return the listeners that Envoy would refuse whatever routes there are.

    Their faults are pairs of HTTPS servers that ask for one host, each for another namespace.
    """
    return tuple(
        refused for workload in servers_by_workload(mesh) for refused in _for_hosts(mesh, workload)
    )


def _for_hosts(mesh: Mesh, workload: Workload) -> Iterator[RefusedListener]:
    for (port, bind), parts in merged_by_address(mesh, workload).items():
        chains = [chain for each in parts for chain in http_filter_chains(mesh, each)]
        faults = tuple(filter(is_of_two_namespaces, chain_faults(chains)))
        if faults:
            yield RefusedListener(
                workload=workload,
                port=port,
                bind=bind,
                servers=tuple(server for each in parts for server in each.servers),
                faults=faults,
                unknown_because=touched_listener(mesh, workload, port, bind),
            )


def servers_of(fault: ChainFault) -> tuple[Server, ...]:
    """Return the servers whose filter chains are at fault, in Envoy's order."""
    chains = (fault.other, fault.chain)
    return tuple(each.server for each in chains if each and each.server)


def is_of_two_namespaces(fault: ChainFault) -> bool:
    """Whether two HTTPS servers collide only since istiod tells their hosts by the namespace."""
    servers = servers_of(fault)
    if len(servers) < 2 or not (fault.chain.http and fault.other and fault.other.http):
        return False
    one, other = servers
    return bool(
        one.api is other.api is GatewayApi.ISTIO
        and one.is_tls
        and other.is_tls
        and one.bind == other.bind
        and all(_namespaces(one, name) != _namespaces(other, name) for name in fault.names)
    )


def _namespaces(server: Server, name: str) -> frozenset[str]:
    """Return the namespaces that a server asks for routes of one of its hosts from."""
    return frozenset(each.namespace for each in server.hosts if each.name == name.lower())


@question
def order_is_known(mesh: Mesh, workload: Workload, fault: ChainFault) -> bool:
    """Whether a fault does not hang on which server is older, or on istiod's release.

    A plain server and a TLS server share a port only in some orders (PR 57707).
    """
    servers = servers_of(fault)
    if fault.field or len({each.is_tls for each in servers}) < 2:
        return True
    are_of_one = len({each.gateway for each in servers}) == 1
    age_is_known = are_of_one or all(each.age_is_known for each in servers)
    return age_is_known and istiod_version(mesh, workload) is not None
