"""VirtualServices that name no existing Gateway, or hosts that no server of their Gateway has."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice

from istiodoctor.mesh.configuration.answering_routes import answering_routes
from istiodoctor.mesh.configuration.bindings import (
    Binding,
    GatewayReference,
    ReferenceState,
    gateway_references,
    servers_of,
)
from istiodoctor.mesh.configuration.virtual_services import virtual_services
from istiodoctor.mesh.gateways.listeners import listeners_of, servers
from istiodoctor.mesh.gateways.servers import ANY_NAMESPACE, GatewayApi, Server
from istiodoctor.mesh.hosts import ANY, HostIndex
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.names import MESH, is_subset, resolved_host
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import VirtualService
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref

MOST_COMPARED = 50
"""Hosts compared for a likely misspelling."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnservedHost:
    """A host of a VirtualService that no server of its Gateways has."""

    virtual_service: VirtualService
    index: int
    host: str
    servers: tuple[Server, ...]
    """The servers of the Gateways it names."""
    gateways: tuple[Ref, ...]
    """Those Gateways."""
    near: tuple[str, ...]
    """Hosts of those servers that may have been meant."""
    is_partial: bool
    """Whether other hosts of the VirtualService are served."""


@question(Kind.VIRTUAL_SERVICE)
def virtual_services_are_known(mesh: Mesh) -> bool:
    """Whether a VirtualService that is not here does not exist."""
    return mesh.is_complete(Kind.VIRTUAL_SERVICE)


@question
def servers_by_gateway(mesh: Mesh) -> Mapping[Ref, tuple[Server, ...]]:
    """Return the servers of each Gateway or ListenerSet, in order."""
    found: dict[Ref, list[Server]] = defaultdict(list)
    for server in servers(mesh):
        found[server.gateway].append(server)
    return {ref: tuple(servers) for ref, servers in found.items()}


@question
def istio_server_index(mesh: Mesh) -> HostIndex[tuple[str, Server]]:
    """Return the servers of Istio Gateways by host, each with the namespace it takes routes from.

    Whether pods have them is not asked: a Gateway may be named that no pod has.
    """
    return HostIndex(
        (host.name, (host.namespace, server))
        for server in servers(mesh)
        if server.api is GatewayApi.ISTIO
        for host in server.hosts
    )


@question
def istio_servers_for(mesh: Mesh, host: str, namespace: str) -> tuple[Server, ...]:
    """Return the Istio servers that have a host and take routes from a namespace.

    The most specific first.
    """
    return tuple(
        server
        for allowed, server in istio_server_index(mesh).covering(host)
        if allowed in (ANY_NAMESPACE, namespace)
    )


@question
def _references_by_source(mesh: Mesh) -> Mapping[Ref, tuple[GatewayReference, ...]]:
    found: dict[Ref, list[GatewayReference]] = defaultdict(list)
    for reference in gateway_references(mesh):
        found[reference.virtual_service.ref].append(reference)
    return {ref: tuple(references) for ref, references in found.items()}


@question
def references_of(mesh: Mesh, virtual_service: VirtualService) -> tuple[GatewayReference, ...]:
    """Return what a VirtualService's `gateways` lead to."""
    return _references_by_source(mesh).get(virtual_service.ref, ())


@question(evidence=[answering_routes])
def is_answered(mesh: Mesh, host: str, namespace: str) -> bool:
    """Whether routes answer for a host on a server that takes routes from a namespace."""
    return any(
        answering_routes(mesh, server, host) for server in istio_servers_for(mesh, host, namespace)
    )


@question
def unserved_hosts(mesh: Mesh) -> tuple[UnservedHost, ...]:
    """Return the hosts of VirtualServices that none of the Gateways they name has.

    Not judged where a named Gateway is missing or was not read.
    """
    bound = servers_of(mesh)
    named = _references_by_source(mesh)
    return tuple(
        each
        for source in virtual_services(mesh)
        if (references := named.get(source.ref))
        and all(each.state is ReferenceState.FOUND for each in references)
        for each in _unserved(mesh, source, references, bound.get(source.ref, ()))
    )


def _unserved(
    mesh: Mesh,
    source: VirtualService,
    references: tuple[GatewayReference, ...],
    bindings: tuple[Binding, ...],
) -> Iterator[UnservedHost]:
    bound = {text for each in bindings for text in each.texts}
    if bound.issuperset(source.spec.hosts):
        return
    lost = [
        (index, host)
        for index, host in enumerate(source.spec.hosts)
        if (name := resolved_host(host, source.namespace)) not in bound
        and not any(is_subset(each, name) for each in bound)
    ]
    if not lost:
        return
    is_partial = len(lost) < len(source.spec.hosts)
    for_mesh = MESH in source.spec.gateways
    by_gateway = servers_by_gateway(mesh)
    gateways = tuple(dict.fromkeys(each.target for each in references))
    servers = tuple(server for gateway in gateways for server in by_gateway.get(gateway, ()))
    names = _names_on(mesh, gateways)
    for index, host in lost:
        if (for_mesh and is_partial) or is_internal(host):
            continue
        if is_answered(mesh, host, source.namespace):
            continue
        yield UnservedHost(
            virtual_service=source,
            index=index,
            host=host,
            servers=servers,
            gateways=gateways,
            near=near_hosts(host, names),
            is_partial=is_partial,
        )


@question
def _names_on(mesh: Mesh, gateways: tuple[Ref, ...]) -> Mapping[str, None]:
    """Return the hosts of these Gateways, each once, in order."""
    by_gateway = servers_by_gateway(mesh)
    servers = (server for gateway in gateways for server in by_gateway.get(gateway, ()))
    return dict.fromkeys(
        text.rpartition("/")[2] for server in servers for text in server.host_texts
    )


@question
def routing_workloads(mesh: Mesh, virtual_service: VirtualService) -> tuple[Workload, ...]:
    """Return the known gateway workloads that a VirtualService is bound on."""
    return tuple(
        dict.fromkeys(
            listener.workload
            for binding in servers_of(mesh).get(virtual_service.ref, ())
            if binding.hosts
            for listener in listeners_of(mesh, binding.server)
            if listener.workload.is_known
        )
    )


def is_internal(host: str) -> bool:
    """Whether a host is a name of the mesh itself: a short name, or one of the cluster's."""
    if host == ANY:
        return False
    return "." not in host or ".svc." in host or host.endswith((".svc", ".local"))


def www_counterparts(host: str) -> tuple[str, ...]:
    """Return the same name without `www.` where it has it, else with it."""
    return (host.removeprefix("www."),) if host.startswith("www.") else (f"www.{host}",)


def near_hosts(host: str, names: Mapping[str, None]) -> tuple[str, ...]:
    """Return the hosts that may have been meant: www or apex, a wildcard, a misspelling."""
    close = dict.fromkeys((*www_counterparts(host), f"*.{host}", f"*.{host.partition('.')[2]}"))
    found = tuple(name for name in close if name in names)
    some = tuple(islice(names, MOST_COMPARED))
    spelled = tuple(name for name in some if name != host and name.lower() == host.lower())
    return found or spelled or tuple(get_close_matches(host, some, n=1, cutoff=0.85))
