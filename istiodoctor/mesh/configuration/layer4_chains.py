"""Filter chains of TCP and TLS servers, which routes make: one for each rule or match that fits.

Source: pilot/pkg/networking/core/gateway.go:860-994.
"""

from collections.abc import Iterator

from istiodoctor.mesh.configuration.auto_passthrough import (
    auto_passthrough_chains,
)
from istiodoctor.mesh.configuration.bound import matching_hosts, virtual_services_for_gateway
from istiodoctor.mesh.configuration.held import HeldTcpRule, HeldTlsRule, HeldVirtualService
from istiodoctor.mesh.configuration.left_out import LeftOut, Omission
from istiodoctor.mesh.configuration.listener import (
    FilterChain,
)
from istiodoctor.mesh.configuration.route import ClusterWeight
from istiodoctor.mesh.configuration.server_tls import downstream_tls, matched_names, sni_hosts
from istiodoctor.mesh.configuration.service_registry import (
    destination_cluster_name,
    service_for_connection,
)
from istiodoctor.mesh.configuration.virtual_services import destination_place
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import RouteDestination, TcpMatch, TlsMatch, TlsMode
from istiodoctor.model.ref import Place

TakenNames = dict[str, tuple[HeldVirtualService, HeldTlsRule]]
"""Which rule of the port has each SNI."""


def layer4_chains(
    mesh: Mesh,
    workload: Workload,
    server: Server,
    taken: TakenNames,
    left_out: list[LeftOut],
) -> Iterator[FilterChain]:
    """Yield the chains of a server that is not of HTTP; what is skipped goes to `left_out`."""
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
                unknown_because=service.unknown_because or rule.unknown_because,
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
    taken: TakenNames,
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
                if any(name in taken for name in match.sni_hosts):
                    left_out += _duplicates(service, held, index, server, taken)
                    continue
                taken |= dict.fromkeys(match.sni_hosts, (service, held))
                yield FilterChain(
                    server_names=matched_names(match.sni_hosts),
                    clusters=_clusters(mesh, workload, service, held, server),
                    server=server,
                    made_by=Place(held.place.ref, f"{held.place.path}/match/{index}"),
                    passes_tls=True,
                    unknown_because=service.unknown_because or held.unknown_because,
                )


def _duplicates(
    service: HeldVirtualService, held: HeldTlsRule, index: int, server: Server, taken: TakenNames
) -> Iterator[LeftOut]:
    """Yield a match whose names others have: once for each rule that has some."""
    by_owner: dict[tuple[HeldVirtualService, HeldTlsRule], list[str]] = {}
    for name in held.rule.match[index].sni_hosts:
        if name in taken:
            by_owner.setdefault(taken[name], []).append(name)
    for (other, owner), names in by_owner.items():
        are_dated = service.age_order[0] != "" and other.age_order[0] != ""
        yield LeftOut(
            place=Place(held.place.ref, f"{held.place.path}/match/{index}"),
            omission=Omission.DUPLICATE_SNI,
            server=server,
            winner=owner.place.ref,
            hosts=tuple(dict.fromkeys(names)),
            age_is_known=are_dated or service is other,
        )


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
