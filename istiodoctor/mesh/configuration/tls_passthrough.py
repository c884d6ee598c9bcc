"""TLS that passes through a gateway, routed by SNI, and `tls` routes where it does not."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.configuration.answering_routes import ends_without_route
from istiodoctor.mesh.configuration.bindings import Binding, bindings, servers_of
from istiodoctor.mesh.configuration.chain_index import made_chain_index
from istiodoctor.mesh.configuration.filter_chains import filter_chains, omitted_chains
from istiodoctor.mesh.configuration.left_out import Omission
from istiodoctor.mesh.configuration.misrouting import virtual_services_are_known
from istiodoctor.mesh.configuration.virtual_services import virtual_services
from istiodoctor.mesh.gateways.listeners import listeners, listeners_of, live_servers
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.hosts import ANY, HostIndex
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.istio import VirtualService
from istiodoctor.model.ref import Ref


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IgnoredTlsRoutes:
    """`tls` routes on servers that end TLS, with nothing else to answer for the hosts."""

    virtual_service: VirtualService
    hosts: tuple[str, ...]
    servers: tuple[Server, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PassthroughGap:
    """Hosts of a PASSTHROUGH server for which no `tls` match gives a filter chain."""

    server: Server
    hosts: tuple[str, ...]
    virtual_services: tuple[VirtualService, ...]
    """Those bound for these hosts, all without a match that helps."""
    answering: Server | None = None
    """The server of the port that ends TLS for them instead; None where handshakes fail."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chainless:
    """A `protocol: TLS` server that ends TLS without a `tcp` route: it has no filter chain."""

    server: Server
    hosts: tuple[str, ...]
    virtual_services: tuple[VirtualService, ...]
    """Those bound to it."""
    answering: Server | None
    """The server of the port that ends TLS for the hosts instead."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RepeatedSni:
    """SNI hosts that two tls rules on a port match: the second is left out."""

    server: Server
    first: Ref
    second: Ref
    hosts: tuple[str, ...]
    order_is_known: bool
    """Whether creation times, or the order within one object, decide."""


@question(evidence=[ends_without_route, filter_chains, listeners_of])
def ignored_tls_routes(mesh: Mesh) -> tuple[IgnoredTlsRoutes, ...]:
    """Return VirtualServices whose `tls` routes are bound only where TLS ends."""
    return tuple(
        each
        for source in virtual_services(mesh)
        if source.spec.tls and not source.spec.http
        if (each := _ignored(mesh, source))
    )


def _ignored(mesh: Mesh, source: VirtualService) -> IgnoredTlsRoutes | None:
    bindings = servers_of(mesh).get(source.ref, ())
    lost = [
        (host, binding.server)
        for binding in bindings
        if binding.server.terminates_tls
        for host in binding.hosts
        if _gets_404(mesh, binding.server, host)
    ]
    passed = _passed_by(mesh, source, bindings if lost else ())
    left = [each for each in lost if next(passed.covering(each[0]), None) is None]
    if not left:
        return None
    return IgnoredTlsRoutes(
        virtual_service=source,
        hosts=tuple(dict.fromkeys(host for host, _ in left)),
        servers=tuple(dict.fromkeys(server for _, server in left)),
    )


def _passed_by(
    mesh: Mesh, source: VirtualService, bindings: tuple[Binding, ...]
) -> HostIndex[bool]:
    """Return the names for which a VirtualService has filter chains, on whatever port."""
    return HostIndex(
        (name, True)
        for binding in bindings
        if binding.server.is_passthrough
        for listener in listeners_of(mesh, binding.server)
        for chain in filter_chains(mesh, listener)
        if chain.made_by and chain.made_by.ref == source.ref
        for name in chain.server_names or (ANY,)
    )


def _gets_404(mesh: Mesh, server: Server, host: str) -> bool:
    return any(ends_without_route(mesh, each, server, host) for each in listeners_of(mesh, server))


@question
def chainless_servers(mesh: Mesh) -> tuple[Chainless, ...]:
    """Return the servers of protocol TLS that end TLS and for which istiod makes no chain."""
    left_out = {
        each.server: None
        for listener in listeners(mesh)
        for each in omitted_chains(mesh, listener)
        if each.omission is Omission.NO_FILTER_CHAIN
    }
    return tuple(
        Chainless(
            server=server,
            hosts=tuple(hosts),
            virtual_services=tuple(
                each.virtual_service for each in bindings(mesh).get(server, ()) if each.hosts
            ),
            answering=answering,
        )
        for server in left_out
        if server and server.api is GatewayApi.ISTIO and server.terminates_tls
        for answering, hosts in _by_answering(mesh, server).items()
    )


def _by_answering(mesh: Mesh, server: Server) -> Mapping[Server | None, list[str]]:
    found: dict[Server | None, list[str]] = defaultdict(list)
    for host in server.names:
        found[_answering(mesh, server, host)].append(host)
    return found


@question
def passthrough_gaps(mesh: Mesh) -> tuple[PassthroughGap, ...]:
    """Return the hosts of PASSTHROUGH servers that no `tls` match of a route takes.

    A server with a credential and no mode is meant to end TLS: not judged here.
    """
    return tuple(
        gap
        for server in live_servers(mesh)
        if server.api is GatewayApi.ISTIO and server.is_passthrough
        if not (server.tls and not server.mode_is_explicit and _names_credential(server))
        for gap in _gaps(mesh, server)
    )


def _gaps(mesh: Mesh, server: Server) -> Iterator[PassthroughGap]:
    bound = [each for each in bindings(mesh).get(server, ()) if each.hosts]
    if not bound and not virtual_services_are_known(mesh):
        return
    taken = _passed_names(mesh, server)
    by_host = HostIndex((host, each) for each in bound for host in each.hosts)
    grouped: dict[tuple[Server | None, tuple[Ref, ...]], list[str]] = defaultdict(list)
    sources = {each.virtual_service.ref: each.virtual_service for each in bound}
    for host in server.names:
        if next(taken.meeting(host), None):
            continue
        refs = dict.fromkeys(each.virtual_service.ref for each in by_host.meeting(host))
        grouped[_answering(mesh, server, host), tuple(refs)].append(host)
    for (answering, key), hosts in grouped.items():
        yield PassthroughGap(
            server=server,
            hosts=tuple(hosts),
            virtual_services=tuple(sources[ref] for ref in key),
            answering=answering,
        )


@question
def _passed_names(mesh: Mesh, server: Server) -> HostIndex[bool]:
    """Return the names of TLS that is passed on at the ports of a server, by whatever rule."""
    return HostIndex(
        (name.lower(), True)
        for listener in listeners_of(mesh, server)
        for chain in filter_chains(mesh, listener)
        if chain.passes_tls
        for name in chain.server_names or (ANY,)
    )


def _answering(mesh: Mesh, server: Server, host: str) -> Server | None:
    """Return the server that ends the TLS which was to pass, if one does everywhere."""
    found = {
        chain.server if chain and chain.tls else None
        for listener in listeners_of(mesh, server)
        for chain in (made_chain_index(mesh, listener).find(host, is_tls=True),)
    }
    return found.pop() if len(found) == 1 else None


@question
def repeated_sni_hosts(mesh: Mesh) -> tuple[RepeatedSni, ...]:
    """Return the SNI hosts that more than one tls rule on a port matches."""
    found: dict[tuple[Server, Ref, Ref], dict[str, bool]] = defaultdict(dict)
    for listener in listeners(mesh):
        for each in omitted_chains(mesh, listener):
            if each.omission is Omission.DUPLICATE_SNI and each.server and each.winner:
                hosts = found[each.server, each.winner, each.place.ref]
                hosts |= dict.fromkeys(map(str.lower, each.hosts), each.age_is_known)
    return tuple(
        RepeatedSni(
            server=server,
            first=first,
            second=second,
            hosts=tuple(hosts),
            order_is_known=all(hosts.values()),
        )
        for (server, first, second), hosts in found.items()
    )


def _names_credential(server: Server) -> bool:
    tls = server.tls
    return bool(tls and (tls.credential_name or tls.credential_names or tls.server_certificate))
