"""What Gateways and VirtualServices say that defeats itself: scopes, prefixes, redirects."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from istiodoctor.mesh.addresses import AddressQuestions
from istiodoctor.mesh.controlplanes import ControlPlane
from istiodoctor.mesh.credentials import CredentialUse
from istiodoctor.mesh.hops import FORWARDED_PROTO, Loop
from istiodoctor.mesh.listeners import Listener
from istiodoctor.mesh.methods import question
from istiodoctor.mesh.redirects import PlainHost, RedirectKind, applies_on
from istiodoctor.mesh.routing import Binding, BoundRule
from istiodoctor.mesh.servers import GatewayApi, Server
from istiodoctor.mesh.version import Version
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.istio import HttpMatch, VirtualService
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
class SameSni:
    """Two TLS servers on one listener whose hosts differ by their namespace only."""

    listener: Listener
    host: str
    one: Server
    other: Server


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SelfRedirect:
    """A rule of a VirtualService that redirects to HTTPS what came by HTTPS."""

    rule: BoundRule
    server: Server
    hosts: tuple[str, ...]
    is_whole: bool
    """Whether every path is redirected."""


class ConflictQuestions(AddressQuestions):
    """Configuration that contradicts itself."""

    @question(rests_on=[AddressQuestions.servers_of, AddressQuestions.routes_for])
    def blocked_virtual_services(self) -> tuple[Blocked, ...]:
        """Return the VirtualServices that no server of their Gateways takes for some hosts."""
        return tuple(
            found
            for bindings in self.servers_of().values()
            if any(binding.blocked_hosts for binding in bindings)
            for found in self._blocked(bindings)
        )

    def _blocked(self, bindings: tuple[Binding, ...]) -> Iterator[Blocked]:
        taken = {host for binding in bindings for host in binding.hosts}
        for binding in bindings:
            hosts = tuple(host for host in binding.blocked_hosts if host not in taken)
            if hosts and not binding.server.https_redirect:
                yield Blocked(
                    virtual_service=binding.virtual_service,
                    server=binding.server,
                    hosts=hosts,
                    is_served=all(self.routes_for(binding.server, host) for host in hosts),
                )

    @question(rests_on=[AddressQuestions.servers_by_workload, AddressQuestions.control_plane_of])
    def scoped_out_gateways(self) -> tuple[ScopedOut, ...]:
        """Return the Gateways outside the namespace that their istiod confines them to."""
        return tuple(
            found
            for workload, servers in self.servers_by_workload().items()
            if workload.is_known
            if (plane := self.control_plane_of(workload)) and plane.confines_gateways
            for found in _scoped_out(workload, servers, plane)
        )

    @question(rests_on=[AddressQuestions.listeners])
    def same_sni_servers(self) -> tuple[SameSni, ...]:
        """Return the pairs of TLS servers that istiod keeps and Envoy can not tell apart."""
        return tuple(
            found
            for listener in self.listeners()
            if listener.is_tls
            for found in _same_sni(listener)
        )

    @question(rests_on=[AddressQuestions.bindings, AddressQuestions.http_rules])
    def self_redirects(self) -> tuple[SelfRedirect, ...]:
        """Return the redirect rules that come back to the TLS server that answered with them."""
        return tuple(
            found
            for server, bindings in self.bindings().items()
            if server.terminates_tls and server.routes_http
            for binding in bindings
            if binding.hosts
            if (found := self._self_redirect(server, binding))
        )

    def _self_redirect(self, server: Server, binding: Binding) -> SelfRedirect | None:
        for rule in self.http_rules(binding.virtual_service):
            if not applies_on(rule, server):
                continue
            matches = [m for m in rule.rule.match if not m.port or m.port == server.port]
            if _returns(rule, binding) and not all(
                map(_asks_for_scheme, matches or [HttpMatch()])
            ):
                is_whole = not rule.rule.match or any(map(_takes_all, matches))
                return SelfRedirect(
                    rule=rule, server=server, hosts=binding.hosts, is_whole=is_whole
                )
            if not rule.rule.match:
                return None
        return None

    @question(
        rests_on=[
            AddressQuestions.plain_hosts,
            AddressQuestions.fronts,
            AddressQuestions.fronts_for,
            AddressQuestions.routes_for,
            AddressQuestions.http_rules,
            AddressQuestions.trusted_proxies,
            AddressQuestions.wants_tls,
        ]
    )
    def route_loops(self) -> tuple[Loop, ...]:
        """Return the redirects of routes that are blind to HTTPS having ended before them."""
        return tuple(
            Loop(
                plain=replace(plain, place=rule.place),
                front=front,
                trusted_proxies=self.trusted_proxies(plain.workload),
                is_certain=front.plain_port is not None or not self.wants_tls(plain),
            )
            for plain in self.plain_hosts()
            if plain.redirect is RedirectKind.ROUTE
            for front in self._plain_fronts(plain)[:1]
            if (rule := self._blind_redirect(plain))
        )

    def _blind_redirect(self, plain: PlainHost) -> BoundRule | None:
        """Return the redirect that takes requests whatever X-Forwarded-Proto says."""
        for virtual_service in self.routes_for(plain.server, plain.host):
            for rule in self.http_rules(virtual_service):
                if not applies_on(rule, plain.server):
                    continue
                redirect = rule.rule.redirect
                matches = rule.rule.match
                is_told_apart = bool(matches) and all(map(_asks_for_scheme, matches))
                if redirect and redirect.scheme == "https" and not is_told_apart:
                    return rule
                if not matches:
                    return None
        return None

    @question(rests_on=[AddressQuestions.credential_uses])
    def cipher_uses(self) -> tuple[CredentialUse, ...]:
        """Return the uses of known certificates on servers that choose their cipher suites."""
        return tuple(
            use
            for use in self.credential_uses()
            if use.server.tls and use.server.tls.cipher_suites and use.credential
        )

    @question(rests_on=[AddressQuestions.workloads_of, AddressQuestions.istiod_version])
    def versions_of(self, server: Server) -> tuple[Version | None, ...]:
        """Return the versions of the istiods that configure a server; None for one not known."""
        return tuple({self.istiod_version(each): None for each in self.workloads_of(server)})


def _same_sni(listener: Listener) -> Iterator[SameSni]:
    first: dict[str, Server] = {}
    for server in listener.servers:
        if server.is_tls and server.api is GatewayApi.ISTIO:
            for name in server.names:
                one = first.setdefault(name, server)
                if one is not server:
                    yield SameSni(listener=listener, host=name, one=one, other=server)


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


def _returns(rule: BoundRule, binding: Binding) -> bool:
    """Whether a redirect leads to the URL that was asked for."""
    redirect = rule.rule.redirect
    return bool(
        redirect
        and redirect.scheme == "https"
        and not redirect.uri
        and redirect.authority in ("", *binding.hosts)
        and redirect.port in (0, binding.server.port)
    )


def _asks_for_scheme(match: HttpMatch) -> bool:
    """Whether a match is about requests that did not come by HTTPS."""
    headers: Mapping[str, object] = {**match.headers, **match.without_headers}
    return match.scheme is not None or any(key.lower() == FORWARDED_PROTO for key in headers)


def _takes_all(match: HttpMatch) -> bool:
    conditions = (match.headers, match.without_headers, match.query_params, match.method)
    uri = match.uri
    return not any(conditions) and (uri is None or uri.prefix == "/")
