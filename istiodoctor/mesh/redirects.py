"""Plain HTTP beside HTTPS: which hosts are served how, and who redirects whom."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.hosts import HostIndex
from istiodoctor.mesh.listeners import listeners
from istiodoctor.mesh.merging import Listener
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.routing import BoundRule, bindings, http_rules, names_gateway, routes_for
from istiodoctor.mesh.servers import GatewayApi, Server
from istiodoctor.mesh.serviceports import services_of, target_port
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.istio import HttpMatch
from istiodoctor.model.kind import Kind
from istiodoctor.model.kubernetes import Service
from istiodoctor.model.ref import Place

HTTP_PORT = 80
ACME_PREFIX = "/.well-known/acme-challenge/"


class RedirectKind(StrEnum):
    """How plain requests for a host are answered."""

    SERVER = "server"
    """`tls.httpsRedirect`: the whole virtual host, no path exempt."""
    ROUTE = "route"
    """A redirect rule of a route."""
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlainHost:
    """A host on a plain HTTP server of one workload."""

    host: str
    server: Server
    listener: Listener
    redirect: RedirectKind
    place: Place
    """What redirects, or the server when nothing does."""

    @property
    def workload(self) -> Workload:
        """The pods it is served by."""
        return self.listener.workload


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TlsHost:
    """A host on a TLS server of one workload."""

    host: str
    server: Server
    listener: Listener

    @property
    def workload(self) -> Workload:
        """The pods it is served by."""
        return self.listener.workload


@question
def tls_hosts(mesh: Mesh) -> tuple[TlsHost, ...]:
    """Return every host that a live server speaks TLS for, per workload."""
    return tuple(
        TlsHost(host=host, server=server, listener=listener)
        for listener in listeners(mesh)
        for server in listener.servers
        if server.is_tls
        for host in server.names
    )


@question
def _tls_index(mesh: Mesh) -> Mapping[Workload, HostIndex[TlsHost]]:
    found: dict[Workload, HostIndex[TlsHost]] = {}
    for each in tls_hosts(mesh):
        found.setdefault(each.workload, HostIndex()).add(each.host, each)
    return found


@question
def tls_hosts_meeting(mesh: Mesh, workload: Workload, host: str) -> tuple[TlsHost, ...]:
    """Return the TLS hosts of a workload that have names in common with a host."""
    index = _tls_index(mesh).get(workload)
    return tuple(index.meeting(host)) if index else ()


@question
def redirecting_servers(mesh: Mesh, listener: Listener) -> HostIndex[Server]:
    """Return the servers of a listener that redirect to HTTPS, by host.

    Such a server redirects its own hosts and every virtual host that routes on it make, also
    where another server of the listener has the same host without a redirect.
    """
    return HostIndex(
        (host, server)
        for server in listener.servers
        if server.https_redirect and server.is_plain_http
        for host in _virtual_hosts(mesh, server)
    )


def _virtual_hosts(mesh: Mesh, server: Server) -> Iterable[str]:
    routed = (host for each in bindings(mesh).get(server, ()) for host in each.hosts)
    return dict.fromkeys((*server.names, *routed))


@question
def plain_hosts(mesh: Mesh) -> tuple[PlainHost, ...]:
    """Return every host of a live plain HTTP server, per workload, with who redirects it."""
    return tuple(
        _plain_host(mesh, host, server, listener)
        for listener in listeners(mesh)
        for server in listener.servers
        if server.is_plain_http
        for host in server.names
    )


def _plain_host(mesh: Mesh, host: str, server: Server, listener: Listener) -> PlainHost:
    redirecting = next(iter(redirecting_servers(mesh, listener).same(host)), None)
    kind, place = RedirectKind.NONE, server.place
    if redirecting:
        kind, place = RedirectKind.SERVER, redirecting.field("/tls/httpsRedirect")
    elif rule := _redirect_rule(mesh, server, host):
        kind, place = RedirectKind.ROUTE, rule.place
    return PlainHost(host=host, server=server, listener=listener, redirect=kind, place=place)


def _redirect_rule(mesh: Mesh, server: Server, host: str) -> BoundRule | None:
    if server.api is GatewayApi.GATEWAY_API:
        return None
    for virtual_service in routes_for(mesh, server, host):
        for bound in http_rules(mesh, virtual_service):
            redirect = bound.rule.redirect
            if redirect and redirect.scheme == "https" and applies_on(bound, server):
                return bound
    return None


@question
def _plain_index(mesh: Mesh) -> Mapping[Workload, HostIndex[PlainHost]]:
    found: dict[Workload, HostIndex[PlainHost]] = {}
    for each in plain_hosts(mesh):
        found.setdefault(each.workload, HostIndex()).add(each.host, each)
    return found


@question
def plain_hosts_for(mesh: Mesh, workload: Workload, host: str) -> tuple[PlainHost, ...]:
    """Return the plain servers that a request for a host can reach, Envoy's choice first."""
    index = _plain_index(mesh).get(workload)
    return tuple(index.covering(host)) if index else ()


@question
def ports_sharing_target(
    mesh: Mesh, workload: Workload, port: int
) -> tuple[tuple[Service, tuple[int, ...]], ...]:
    """Return Services that send several of their ports to one port in the pod."""
    found = []
    for service in services_of(mesh, workload):
        ports = tuple(
            each.port for each in service.spec.ports if target_port(each, workload) == port
        )
        if len(ports) > 1:
            found.append((service, ports))
    return tuple(found)


@question(Kind.VIRTUAL_SERVICE)
def redirect_exempts_challenges(mesh: Mesh, host: PlainHost) -> bool:
    """Whether ACME challenges pass: never the server's redirect, a route's by its match."""
    if host.redirect is not RedirectKind.ROUTE:
        return host.redirect is RedirectKind.NONE
    for virtual_service in routes_for(mesh, host.server, host.host):
        for bound in http_rules(mesh, virtual_service):
            if not applies_on(bound, host.server):
                continue
            if bound.rule.redirect is None and _takes_challenges(bound):
                return True
            if bound.place == host.place:
                matches = bound.rule.match
                return bool(matches) and all(map(_leaves_challenges_out, matches))
    return False


def applies_on(bound: BoundRule, server: Server) -> bool:
    """Whether a rule is evaluated on a server: `match.port` and `match.gateways`.

    (match.port is the server's).
    """
    matches = bound.rule.match
    return not matches or any(_match_applies(match, bound, server) for match in matches)


def _match_applies(match: HttpMatch, bound: BoundRule, server: Server) -> bool:
    if match.port and match.port != server.port:
        return False
    own = bound.virtual_service.namespace
    return not match.gateways or names_gateway(match.gateways, own, server.gateway)


def _takes_challenges(bound: BoundRule) -> bool:
    for match in bound.rule.match:
        uri = match.uri
        if uri and any(
            text and (ACME_PREFIX.startswith(text) or text.startswith(ACME_PREFIX.rstrip("/")))
            for text in (uri.prefix, uri.exact)
        ):
            return True
    return False


def _leaves_challenges_out(match: HttpMatch) -> bool:
    path = match.without_headers.get(":path")
    if path and (path.prefix or "").startswith(ACME_PREFIX.rstrip("/")):
        return True
    uri = match.uri
    written = (uri.prefix or uri.exact) if uri else None
    return bool(written) and not ACME_PREFIX.startswith(str(written))
