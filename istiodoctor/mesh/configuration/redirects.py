"""Which hosts are served over plain HTTP and which over HTTPS, and what redirects to HTTPS."""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from istiodoctor.mesh.configuration.answering_routes import routed_domains
from istiodoctor.mesh.configuration.domain_rules import (
    DomainRule,
    domain_finder,
    found_domain,
    rules_at,
)
from istiodoctor.mesh.configuration.held import Semantics
from istiodoctor.mesh.configuration.virtual_hosts import Domain
from istiodoctor.mesh.gateways.listeners import listeners
from istiodoctor.mesh.gateways.merging import Listener, route_name
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.hosts import HostIndex, is_wildcard
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import HttpMatch, HttpRule
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place
from istiodoctor.model.value import Value

HTTP_PORT = 80
ACME_PREFIX = "/.well-known/acme-challenge/"


class RedirectKind(StrEnum):
    """How plain requests for a host are answered."""

    SERVER = "server"
    """`tls.httpsRedirect`: the whole virtual host, no path exempt."""
    ROUTE = "route"
    """A redirect rule of a route."""
    NONE = "none"


class PlainHost(Value, frozen=True, kw_only=True, eq=False):
    """A host on a plain HTTP server of one workload."""

    host: str
    server: Server
    listener: Listener
    redirect: RedirectKind
    place: Place
    """What redirects, or the server when nothing does."""
    is_routed: bool
    """Whether routes answer for it where nothing redirects it before."""

    @property
    def workload(self) -> Workload:
        """The pods it is served by."""
        return self.listener.workload


class TlsHost(Value, frozen=True, kw_only=True, eq=False):
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


def redirected_by(mesh: Mesh, listener: Listener, server: Server, host: str) -> Place | None:
    """Return the `httpsRedirect` that requests for a host meet, where a server is on a listener.

    It redirects its server's own hosts and every domain that routes on it make, also where another
    server of the listener has the same host without a redirect.
    """
    domain = found_domain(mesh, listener, server, host)
    return domain.redirected_by if domain else None


@question
def plain_hosts(mesh: Mesh) -> tuple[PlainHost, ...]:
    """Return every host of a live plain HTTP server, per workload, with who redirects it.

    Of a listener of the Gateway API the names of routes that redirect too.
    """
    return tuple(
        plain
        for listener in listeners(mesh)
        for server in listener.servers
        if server.is_plain_http
        for plain in _plain_hosts(mesh, listener, server)
    )


def _plain_hosts(mesh: Mesh, listener: Listener, server: Server) -> Iterator[PlainHost]:
    find = domain_finder(mesh, listener, server)
    for host in server.names:
        yield _plain_host(mesh, listener, server, host, find(host))
    if server.api is GatewayApi.GATEWAY_API and any(map(is_wildcard, server.names)):
        yield from _redirected_below(mesh, listener, server)


def _redirected_below(mesh: Mesh, listener: Listener, server: Server) -> Iterator[PlainHost]:
    """Yield the names of routes that redirect, below the wildcards of a listener.

    Most listeners of the Gateway API take every host, and their routes have the names.
    """
    name = route_name(server, listener.port)
    below = routed_domains(mesh, listener.workload, name)
    for host in dict.fromkeys(each for own in server.names for each in below.meeting(own)):
        if host not in server.names:
            domain = found_domain(mesh, listener, server, host)
            plain = _plain_host(mesh, listener, server, host, domain)
            if plain.redirect is RedirectKind.ROUTE:
                yield plain


def _plain_host(
    mesh: Mesh, listener: Listener, server: Server, host: str, domain: Domain | None
) -> PlainHost:
    kind, place = RedirectKind.NONE, server.place
    if domain and domain.redirected_by:
        kind, place = RedirectKind.SERVER, domain.redirected_by
    elif domain and (rule := _redirect_rule(mesh, listener, server, host, domain)):
        kind, place = RedirectKind.ROUTE, rule.place
    return PlainHost(
        host=host,
        server=server,
        listener=listener,
        redirect=kind,
        place=place,
        is_routed=domain is not None and bool(domain.sections),
    )


def _redirect_rule(
    mesh: Mesh, listener: Listener, server: Server, host: str, domain: Domain
) -> DomainRule | None:
    for section in domain.sections:
        for held in section.source.http:
            if is_to_https(held.rule):
                rules = rules_at(mesh, listener, server, host)
                return next((each for each in rules if is_to_https(each.rule)), None)
    return None


def is_to_https(rule: HttpRule) -> bool:
    """Whether a rule redirects to HTTPS."""
    return rule.redirect is not None and rule.redirect.scheme == "https"


def plain_host_for(mesh: Mesh, plain: PlainHost, name: str) -> PlainHost:
    """Return how a name under a plain host is answered, which may have routes of its own."""
    if name == plain.host:
        return plain
    listener, server = plain.listener, plain.server
    return _plain_host(mesh, listener, server, name, found_domain(mesh, listener, server, name))


def rules_for(mesh: Mesh, plain: PlainHost) -> Iterator[DomainRule]:
    """Yield the rules for a plain host in Envoy's order."""
    return rules_at(mesh, plain.listener, plain.server, plain.host)


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


@question(Kind.VIRTUAL_SERVICE)
def redirect_exempts_challenges(mesh: Mesh, host: PlainHost) -> bool:
    """Whether ACME challenges pass: never the server's redirect, a route's by its match."""
    if host.redirect is not RedirectKind.ROUTE:
        return host.redirect is RedirectKind.NONE
    rules = tuple(rules_for(mesh, host))
    for each in rules:
        if each.place == host.place and each.section.source.semantics is Semantics.GATEWAY:
            return True  # the HTTPRoute of a solver has an exact path, and so comes before it
        if each.rule.redirect is None and each.written and _takes_challenges(each.written):
            return True
        if each.place == host.place:
            matches = [other.written for other in rules if other.held is each.held]
            return all(match and _leaves_challenges_out(match) for match in matches)
    return False


def _takes_challenges(match: HttpMatch) -> bool:
    uri = match.uri
    return uri is not None and any(
        text and (ACME_PREFIX.startswith(text) or text.startswith(ACME_PREFIX.rstrip("/")))
        for text in (uri.prefix, uri.exact)
    )


def _leaves_challenges_out(match: HttpMatch) -> bool:
    path = match.without_headers.get(":path")
    if path and (path.prefix or "").startswith(ACME_PREFIX.rstrip("/")):
        return True
    uri = match.uri
    written = (uri.prefix or uri.exact) if uri else None
    return bool(written) and not ACME_PREFIX.startswith(str(written))
