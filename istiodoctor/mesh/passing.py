"""TLS that passes through a gateway, routed by SNI, and `tls` routes where it does not."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.mesh.hosts import HostIndex, covers
from istiodoctor.mesh.listeners import live_servers
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.misrouting import virtual_services_are_known
from istiodoctor.mesh.question import question
from istiodoctor.mesh.routing import (
    Binding,
    bindings,
    bound_for,
    names_gateway,
    servers_of,
    virtual_services,
)
from istiodoctor.mesh.servers import GatewayApi, Server
from istiodoctor.model.istio import TlsMatch, VirtualService
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RepeatedSni:
    """SNI hosts that two `tls` rules on one server match: the second is left out."""

    server: Server
    first: VirtualService
    second: VirtualService
    hosts: tuple[str, ...]

    @property
    def order_is_known(self) -> bool:
        """Whether creation times, or the order within one object, decide."""
        sources = {self.first, self.second}
        return len(sources) == 1 or all(each.metadata.creation_timestamp for each in sources)


@question
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
    passed = [host for each in bindings if each.server.is_passthrough for host in each.hosts]
    hosts: dict[str, None] = {}
    servers: dict[Server, None] = {}
    for binding in bindings:
        if not _wants_other_routes(binding.server, source):
            continue
        for host in binding.hosts:
            if any(covers(each, host) for each in passed):
                continue
            if not any(each.held.http for each in bound_for(mesh, binding.server, host)):
                hosts[host] = None
                servers[binding.server] = None
    if not servers:
        return None
    return IgnoredTlsRoutes(virtual_service=source, hosts=tuple(hosts), servers=tuple(servers))


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
    taken = HostIndex((sni, True) for each in bound for sni in sni_hosts(each))
    by_host = HostIndex((host, each) for each in bound for host in each.hosts)
    grouped: dict[tuple[Ref, ...], list[str]] = defaultdict(list)
    sources = {each.virtual_service.ref: each.virtual_service for each in bound}
    for host in server.names:
        if next(taken.meeting(host), None):
            continue
        refs = dict.fromkeys(each.virtual_service.ref for each in by_host.meeting(host))
        grouped[tuple(refs)].append(host)
    for key, hosts in grouped.items():
        yield PassthroughGap(
            server=server,
            hosts=tuple(hosts),
            virtual_services=tuple(sources[ref] for ref in key),
        )


@question
def repeated_sni_hosts(mesh: Mesh) -> tuple[RepeatedSni, ...]:
    """Return the SNI hosts that more than one `tls` rule on a PASSTHROUGH server matches."""
    return tuple(
        repeated
        for server in live_servers(mesh)
        if server.api is GatewayApi.ISTIO and server.is_passthrough
        for repeated in _repeated(server, bindings(mesh).get(server, ()))
    )


def sni_hosts(binding: Binding) -> Iterator[str]:
    """Yield the SNI hosts of the `tls` matches that apply on a binding's server."""
    for rule in binding.virtual_service.spec.tls:
        for match in rule.match:
            if tls_match_applies(match, binding):
                yield from match.sni_hosts


def tls_match_applies(match: TlsMatch, binding: Binding) -> bool:
    """Whether a `tls` match is evaluated on the server: `port` and `gateways`."""
    if match.port and match.port != binding.server.port:
        return False
    own = binding.virtual_service.namespace
    return not match.gateways or names_gateway(match.gateways, own, binding.server.gateway)


def _repeated(server: Server, bindings: tuple[Binding, ...]) -> Iterator[RepeatedSni]:
    first: dict[str, VirtualService] = {}
    twice: dict[tuple[Ref, Ref], dict[str, None]] = defaultdict(dict)
    sources = {each.virtual_service.ref: each.virtual_service for each in bindings}
    for binding in bindings:
        source = binding.virtual_service
        for host in map(str.lower, sni_hosts(binding) if binding.hosts else ()):
            if host in first:
                twice[first[host].ref, source.ref][host] = None
            first.setdefault(host, source)
    for (one, other), hosts in twice.items():
        yield RepeatedSni(
            server=server, first=sources[one], second=sources[other], hosts=tuple(hosts)
        )


def _wants_other_routes(server: Server, source: VirtualService) -> bool:
    if not server.terminates_tls:
        return False
    return server.protocol == "HTTPS" or not source.spec.tcp


def _names_credential(server: Server) -> bool:
    tls = server.tls
    return bool(tls and (tls.credential_name or tls.credential_names or tls.server_certificate))
