"""Filter chains: what istiod makes of the servers of one port.

Source: pilot/pkg/networking/core/gateway.go:262-360 and 814-994.
"""

from collections.abc import Iterator
from typing import Any

from istiodoctor.mesh.configuration.auto_passthrough import (
    auto_passthrough_chains,
    services_in_mesh,
)
from istiodoctor.mesh.configuration.bound import matching_hosts, virtual_services_for_gateway
from istiodoctor.mesh.configuration.held import HeldTcpRule, HeldTlsRule, HeldVirtualService
from istiodoctor.mesh.configuration.left_out import LeftOut, Omission
from istiodoctor.mesh.configuration.listener import (
    ClientCertificate,
    DownstreamTls,
    FilterChain,
    HttpConnectionManager,
    HttpOptions,
)
from istiodoctor.mesh.configuration.mesh_options import http_options
from istiodoctor.mesh.configuration.route import ClusterWeight
from istiodoctor.mesh.configuration.service_registry import (
    destination_cluster_name,
    scope_service,
    service_for_connection,
)
from istiodoctor.mesh.configuration.virtual_services import destination_place
from istiodoctor.mesh.controlplanes import mesh_config
from istiodoctor.mesh.merging import Listener, protocol_groups, route_name
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import Question, question
from istiodoctor.mesh.references import Purpose
from istiodoctor.mesh.servers import Server
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.istio import RouteDestination, TcpMatch, TlsMatch, TlsMode
from istiodoctor.model.ref import Place

ANY = "*"
HTTP_PROTOCOLS = ("h2", "http/1.1")


@question(evidence=[http_options])
def http_filter_chains(mesh: Mesh, listener: Listener) -> tuple[FilterChain, ...]:
    """Return the chains that end in HTTP: one for all plain servers, one for each HTTPS server."""
    options = http_options(mesh, listener.workload)
    return tuple(
        _http_chain(group, listener, options)
        for group in protocol_groups(listener)
        if group[0].routes_http
    )


DETAILS: tuple[Question[Any, Any], ...] = (mesh_config, scope_service, services_in_mesh)
"""What hardly decides which chains there are: where they lead, what is exported by default."""


@question(evidence=DETAILS)
def filter_chains(mesh: Mesh, listener: Listener) -> tuple[FilterChain, ...]:
    """Return every chain of a port in istiod's order.

    A server of TCP or TLS makes none unless a rule of a VirtualService leads on.
    """
    return tuple(_chains(mesh, listener, []))


@question(evidence=DETAILS)
def omitted_chains(mesh: Mesh, listener: Listener) -> tuple[LeftOut, ...]:
    """Return what asks for a chain on a port and gets none."""
    left_out: list[LeftOut] = []
    for _ in _chains(mesh, listener, left_out):
        pass
    return tuple(left_out)


def _chains(mesh: Mesh, listener: Listener, left_out: list[LeftOut]) -> Iterator[FilterChain]:
    http = {chain.server: chain for chain in http_filter_chains(mesh, listener)}
    taken: dict[str, HeldTlsRule] = {}
    for group in protocol_groups(listener):
        server = group[0]
        if server in http:
            yield http[server]
            continue
        found = list(_layer4_chains(mesh, listener.workload, server, taken, left_out))
        if not found:
            left_out.append(
                LeftOut(
                    place=server.place,
                    omission=Omission.NO_FILTER_CHAIN,
                    port=listener.port,
                    server=server,
                    hosts=server.names,
                )
            )
        yield from found


def _http_chain(
    group: tuple[Server, ...], listener: Listener, options: HttpOptions
) -> FilterChain:
    server = group[0]
    return FilterChain(
        server_names=() if server.is_plain_http else sni_hosts(server),
        tls=None if server.is_plain_http else downstream_tls(server),
        http=HttpConnectionManager(
            route_configuration=route_name(server, listener.port), options=options
        ),
        server=server,
        made_by=server.place,
    )


def sni_hosts(server: Server) -> tuple[str, ...]:
    """Return the server names that a chain matches: none, for all, where `*` is among them.

    Source: `GetSNIHostsForServer` (model/gateway.go:563), `toFilterChainMatch`
    (core/listener.go:1273).
    """
    names = {text.partition("/")[2] if "/" in text else text for text in server.host_texts}
    return () if ANY in names else tuple(sorted(names))


def downstream_tls(server: Server) -> DownstreamTls:
    """Return how a server ends TLS (`BuildListenerTLSContext`, core/listener.go:141)."""
    required = server.mode in (TlsMode.MUTUAL, TlsMode.ISTIO_MUTUAL)
    client = ClientCertificate.REQUIRED if required else ClientCertificate.NONE
    if server.mode is TlsMode.OPTIONAL_MUTUAL:
        client = ClientCertificate.OPTIONAL
    return DownstreamTls(
        credentials=tuple(each for each in server.credentials if each.purpose is Purpose.SERVER),
        is_workload_certificate=server.mode is TlsMode.ISTIO_MUTUAL,
        client_certificate=client,
        minimum_version=server.tls.min_protocol_version if server.tls else "",
        maximum_version=server.tls.max_protocol_version if server.tls else "",
        protocols=HTTP_PROTOCOLS,
    )


def _layer4_chains(
    mesh: Mesh,
    workload: Workload,
    server: Server,
    taken: dict[str, HeldTlsRule],
    left_out: list[LeftOut],
) -> Iterator[FilterChain]:
    if not server.passes_tls:
        yield from _tcp_chain(mesh, workload, server)
    elif server.mode is TlsMode.AUTO_PASSTHROUGH:
        yield from auto_passthrough_chains(mesh, workload, server, sni_hosts(server))
    else:
        yield from _passthrough_chains(mesh, workload, server, taken, left_out)


def _tcp_chain(mesh: Mesh, workload: Workload, server: Server) -> Iterator[FilterChain]:
    """Yield the chain of the first tcp rule that fits (gateway.go:866-920)."""
    bound = virtual_services_for_gateway(mesh, workload, server.gateway_name)
    for service in bound.services:
        if not matching_hosts(server, service):
            continue
        rule = _tcp_rule(service, server)
        if rule is not None:
            yield FilterChain(
                server_names=sni_hosts(server) if server.has_tls else (),
                tls=downstream_tls(server) if server.has_tls else None,
                clusters=_clusters(mesh, workload, service, rule, server),
                server=server,
                made_by=rule.place,
                unknown_because=service.unknown_because,
            )
            return


def _tcp_rule(service: HeldVirtualService, server: Server) -> HeldTcpRule | HeldTlsRule | None:
    for rule in service.tcp:
        matches = rule.rule.match
        fits = not matches or any(_fits(match, server) for match in matches)
        if fits and rule.rule.route:
            return rule
    if service.is_tls_route:
        for held in service.tls:
            if any(_fits(match, server) for match in held.rule.match):
                return held
    return None


def _passthrough_chains(
    mesh: Mesh,
    workload: Workload,
    server: Server,
    taken: dict[str, HeldTlsRule],
    left_out: list[LeftOut],
) -> Iterator[FilterChain]:
    """Yield a chain for each match of a tls rule that fits (gateway.go:944-994)."""
    bound = virtual_services_for_gateway(mesh, workload, server.gateway_name)
    for service in bound.services:
        if not (service.tls and matching_hosts(server, service)):
            continue
        for held in service.tls:
            for index, match in enumerate(held.rule.match if held.rule.route else ()):
                if not _fits(match, server):
                    continue
                twice = tuple(name for name in match.sni_hosts if name in taken)
                if twice:
                    left_out.append(_duplicate(held, index, server, taken[twice[0]], twice))
                    continue
                taken |= dict.fromkeys(match.sni_hosts, held)
                yield FilterChain(
                    server_names=_server_names(match.sni_hosts),
                    clusters=_clusters(mesh, workload, service, held, server),
                    server=server,
                    made_by=Place(held.place.ref, f"{held.place.path}/match/{index}"),
                    passes_tls=True,
                    unknown_because=service.unknown_because,
                )


def _duplicate(
    held: HeldTlsRule, index: int, server: Server, owner: HeldTlsRule, twice: tuple[str, ...]
) -> LeftOut:
    return LeftOut(
        place=Place(held.place.ref, f"{held.place.path}/match/{index}"),
        omission=Omission.DUPLICATE_SNI,
        server=server,
        winner=owner.place.ref,
        hosts=twice,
    )


def _server_names(names: tuple[str, ...]) -> tuple[str, ...]:
    return () if ANY in names else tuple(sorted(names))


def _fits(match: TcpMatch | TlsMatch, server: Server) -> bool:
    """Whether a match is for a server: only port and Gateway count (gateway.go:1182-1225)."""
    if match.port not in (0, server.port):
        return False
    return not match.gateways or server.gateway_name in match.gateways


def _clusters(
    mesh: Mesh,
    workload: Workload,
    service: HeldVirtualService,
    held: HeldTcpRule | HeldTlsRule,
    server: Server,
) -> tuple[ClusterWeight, ...]:
    """Return where a TCP proxy leads; among several, weights of 0 count for nothing."""
    route: tuple[RouteDestination, ...] = held.rule.route
    return tuple(
        ClusterWeight(
            name=destination_cluster_name(
                each.destination,
                service_for_connection(mesh, workload, each.destination.host),
                server.port,
            ),
            weight=each.weight or 1,
            made_by=destination_place(held, index),
            namespace=service.namespace,
        )
        for index, each in enumerate(route)
        if len(route) == 1 or each.weight
    )
