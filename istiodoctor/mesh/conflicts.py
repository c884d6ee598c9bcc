"""What Gateways and VirtualServices say that defeats itself: scopes, prefixes, redirects."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from istiodoctor.mesh.configuration.answering_routes import answering_routes
from istiodoctor.mesh.configuration.domain_rules import DomainRule
from istiodoctor.mesh.configuration.held import HeldHttpRule
from istiodoctor.mesh.configuration.translation import matched_rules
from istiodoctor.mesh.configuration.virtual_hosts import server_context
from istiodoctor.mesh.controlplanes import (
    ControlPlane,
    control_plane_of,
    istiod_version,
    trusted_proxies,
)
from istiodoctor.mesh.credentials import CredentialUse, credential_uses
from istiodoctor.mesh.hops import FORWARDED_PROTO, Loop, plain_fronts, wants_tls
from istiodoctor.mesh.listeners import servers_by_workload, workloads_of
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.redirects import PlainHost, RedirectKind, is_to_https, plain_hosts, rules_for
from istiodoctor.mesh.routing import Binding, bindings, servers_of
from istiodoctor.mesh.servers import GatewayApi, Server
from istiodoctor.mesh.version import Version
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.istio import HttpMatch, HttpRule, VirtualService
from istiodoctor.model.ref import Ref


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blocked:
    """A VirtualService that a server's host prefix keeps out."""

    virtual_service: VirtualService
    server: Server
    hosts: tuple[str, ...]
    is_served: bool
    """Whether routes of others answer for those hosts."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScopedOut:
    """A Gateway that istiod ignores, because its pods are in another namespace."""

    gateway: Ref
    workload: Workload
    control_plane: ControlPlane
    servers: tuple[Server, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SelfRedirect:
    """A rule of a VirtualService that redirects to HTTPS what came by HTTPS."""

    rule: HeldHttpRule
    owner: Ref
    """The VirtualService in force: the root one of a delegation."""
    server: Server
    hosts: tuple[str, ...]
    is_whole: bool
    """Whether every path is redirected."""


@question(evidence=[answering_routes])
def blocked_virtual_services(mesh: Mesh) -> tuple[Blocked, ...]:
    """Return the VirtualServices that no server of their Gateways takes for some hosts."""
    return tuple(
        found
        for bindings in servers_of(mesh).values()
        if any(binding.blocked_hosts for binding in bindings)
        for found in _blocked(mesh, bindings)
    )


def _blocked(mesh: Mesh, bindings: tuple[Binding, ...]) -> Iterator[Blocked]:
    taken = {host for binding in bindings for host in binding.hosts}
    for binding in bindings:
        hosts = tuple(host for host in binding.blocked_hosts if host not in taken)
        if hosts and not binding.server.https_redirect:
            yield Blocked(
                virtual_service=binding.virtual_service,
                server=binding.server,
                hosts=hosts,
                is_served=all(answering_routes(mesh, binding.server, host) for host in hosts),
            )


@question
def scoped_out_gateways(mesh: Mesh) -> tuple[ScopedOut, ...]:
    """Return the Gateways outside the namespace that their istiod confines them to."""
    return tuple(
        found
        for workload, servers in servers_by_workload(mesh).items()
        if workload.is_known
        if (plane := control_plane_of(mesh, workload)) and plane.confines_gateways
        for found in _scoped_out(workload, servers, plane)
    )


@question
def self_redirects(mesh: Mesh) -> tuple[SelfRedirect, ...]:
    """Return the redirect rules that come back to the TLS server that answered with them."""
    return tuple(
        found
        for server, bound in bindings(mesh).items()
        if server.terminates_tls and server.routes_http
        for binding in bound
        if binding.hosts
        if (found := _self_redirect(server, binding))
    )


def _self_redirect(server: Server, binding: Binding) -> SelfRedirect | None:
    if not any(is_to_https(each.rule) for each in binding.held.http):
        return None
    rules = tuple(matched_rules(binding.held, server_context(server)))
    for each in rules:
        if _returns(each.held.rule, binding) and not _asks_for_scheme(each.written):
            own = [other.written for other in rules if other.held is each.held]
            return SelfRedirect(
                rule=each.held,
                owner=binding.virtual_service.ref,
                server=server,
                hosts=binding.hosts,
                is_whole=any(map(_takes_all, own)),
            )
        if each.match.is_catch_all:
            return None
    return None


@question
def route_loops(mesh: Mesh) -> tuple[Loop, ...]:
    """Return the redirects of routes that are blind to HTTPS having ended before them."""
    return tuple(
        Loop(
            plain=replace(plain, place=rule.place),
            front=front,
            trusted_proxies=trusted_proxies(mesh, plain.workload),
            is_certain=front.plain_port is not None or not wants_tls(mesh, plain),
        )
        for plain in plain_hosts(mesh)
        if plain.redirect is RedirectKind.ROUTE
        for front in plain_fronts(mesh, plain)[:1]
        if (rule := _blind_redirect(mesh, plain))
    )


def _blind_redirect(mesh: Mesh, plain: PlainHost) -> DomainRule | None:
    """Return the redirect that takes requests whatever X-Forwarded-Proto says."""
    for each in rules_for(mesh, plain):
        if is_to_https(each.rule) and not _asks_for_scheme(each.written):
            return each
        if each.match.is_catch_all:
            return None
    return None


@question
def cipher_uses(mesh: Mesh) -> tuple[CredentialUse, ...]:
    """Return the uses of known certificates on servers that choose their cipher suites."""
    return tuple(
        use
        for use in credential_uses(mesh)
        if use.server.tls and use.server.tls.cipher_suites and use.credential
    )


@question
def versions_of(mesh: Mesh, server: Server) -> tuple[Version | None, ...]:
    """Return the versions of the istiods that configure a server; None for one not known."""
    return tuple({istiod_version(mesh, each): None for each in workloads_of(mesh, server)})


def _scoped_out(
    workload: Workload, servers: tuple[Server, ...], plane: ControlPlane
) -> Iterator[ScopedOut]:
    outside: dict[Ref, list[Server]] = {}
    for server in servers:
        if server.api is GatewayApi.ISTIO and server.namespace != workload.namespace:
            outside.setdefault(server.gateway, []).append(server)
    for gateway, own in outside.items():
        yield ScopedOut(
            gateway=gateway, workload=workload, control_plane=plane, servers=tuple(own)
        )


def _returns(rule: HttpRule, binding: Binding) -> bool:
    """Whether a redirect leads to the URL that was asked for."""
    redirect = rule.redirect
    return bool(
        redirect
        and redirect.scheme == "https"
        and not redirect.uri
        and not redirect.prefix_rewrite
        and redirect.authority in ("", *binding.hosts)
        and redirect.port in (0, binding.server.port)
    )


def _asks_for_scheme(match: HttpMatch | None) -> bool:
    """Whether a match is about requests that did not come by HTTPS."""
    if match is None:
        return False
    headers: Mapping[str, object] = {**match.headers, **match.without_headers}
    return match.scheme is not None or any(key.lower() == FORWARDED_PROTO for key in headers)


def _takes_all(match: HttpMatch | None) -> bool:
    if match is None:
        return True
    conditions = (match.headers, match.without_headers, match.query_params, match.method)
    uri = match.uri
    return not any(conditions) and (uri is None or uri.prefix == "/")
