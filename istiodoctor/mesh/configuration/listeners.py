"""The listeners of a gateway workload, and which one takes a connection to a pod's port.

Source: `buildGatewayListeners` (pilot/pkg/networking/core/gateway.go:121-260).
"""

from collections.abc import Mapping

from msgspec.structs import replace

from istiodoctor.mesh.configuration.filter_chains import filter_chains, omitted_chains
from istiodoctor.mesh.configuration.left_out import LeftOut, Omission
from istiodoctor.mesh.configuration.listener import WILDCARD_ADDRESSES, Listener
from istiodoctor.mesh.configuration.listener_addresses import (
    address_fault,
    every_address,
    own_addresses,
    reached_listener,
    shared_addresses,
)
from istiodoctor.mesh.configuration.refusals import ChainFault, refusal_of_listener
from istiodoctor.mesh.gateways.listeners import merged_gateway
from istiodoctor.mesh.gateways.merging import Dropped, DropReason
from istiodoctor.mesh.gateways.merging import Listener as Merged
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload


@question
def listeners_by_port(mesh: Mesh, workload: Workload) -> Mapping[int, tuple[Listener, ...]]:
    """Return the listeners of a workload by port: one for each address that is bound.

    A port on which no server makes a filter chain has none.
    """
    found: dict[int, tuple[Listener, ...]] = {}
    for port in dict.fromkeys(each.port for each in merged_gateway(mesh, workload).listeners):
        listeners = listeners_on(mesh, workload, port)
        if listeners:
            found[port] = listeners
    return found


@question
def merged_by_address(
    mesh: Mesh, workload: Workload
) -> Mapping[tuple[int, str], tuple[Merged, ...]]:
    """Return what istiod merges into one listener, by port and address.

    Servers that bind nothing and those that bind 0.0.0.0 are one listener (gateway.go:175).
    """
    every = every_address(workload)
    found: dict[tuple[int, str], list[Merged]] = {}
    for each in merged_gateway(mesh, workload).listeners:
        found.setdefault((each.port, each.bind or every), []).append(each)
    return {key: tuple(parts) for key, parts in found.items()}


@question
def listeners_on(mesh: Mesh, workload: Workload, port: int) -> tuple[Listener, ...]:
    """Return the listeners of one port."""
    found = []
    for (number, address), parts in merged_by_address(mesh, workload).items():
        if number != port:
            continue
        chains = tuple(chain for each in parts for chain in filter_chains(mesh, each))
        if chains:
            found.append(
                Listener(
                    port=port,
                    bind=address,
                    filter_chains=chains,
                    refused=refusal_of_listener(chains),
                    servers=tuple(server for each in parts for server in each.servers),
                )
            )
    return tuple(found) if _are_plain(found) else _with_address_faults(found)


def _are_plain(found: list[Listener]) -> bool:
    """Whether there is one listener on every address, as almost everywhere."""
    return all(each.bind in WILDCARD_ADDRESSES for each in found)


def _with_address_faults(found: list[Listener]) -> tuple[Listener, ...]:
    """Return listeners with what Envoy refuses of their addresses.

    Of two with one address it is not known which one is sent first.
    """
    shared = {
        chain: each for each in shared_addresses(found) for chain in (each.chain, each.other)
    }
    return tuple(
        replace(
            each,
            refused=fault.refusal if (fault := address_fault(each)) else each.refused,
            unknown_because=_sent_twice(shared.get(each.filter_chains[0])),
        )
        for each in found
    )


def _sent_twice(fault: ChainFault | None) -> str:
    if fault is None:
        return ""
    return f"{fault.text}: Envoy takes the listener of one only, the one that it is sent first"


@question
def listener_at(mesh: Mesh, workload: Workload, port: int) -> Listener | None:
    """Return the listener that takes a connection to the pods' own address.

    One that binds another is not reached.
    """
    return reached_listener(listeners_on(mesh, workload, port), own_addresses(workload.pods))


@question
def left_out_on(mesh: Mesh, workload: Workload, port: int) -> tuple[LeftOut, ...]:
    """Return what the servers of a port ask for and istiod does not make."""
    return tuple(
        each
        for listener in merged_gateway(mesh, workload).listeners
        if listener.port == port
        for each in (
            *(_left_out(dropped) for dropped in listener.dropped),
            *omitted_chains(mesh, listener),
        )
    )


def _left_out(dropped: Dropped) -> LeftOut:
    return LeftOut(
        place=dropped.server.place,
        omission=Omission(dropped.reason.value),
        port=dropped.port,
        server=dropped.server,
        by=dropped.winner,
        because=_because(dropped),
        hosts=dropped.hosts,
        age_is_known=dropped.age_is_known,
    )


def _because(dropped: Dropped) -> str:
    if dropped.reason is DropReason.OTHER_REVISION:
        return (
            f"its label istio.io/rev is {dropped.server.revision}, and the istiod of"
            f" {dropped.workload} is of another revision"
        )
    return dropped.faulty.text if dropped.faulty else ""
