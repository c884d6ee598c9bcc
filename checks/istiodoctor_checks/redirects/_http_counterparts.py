"""HTTPS hosts and their plain counterparts on port 80: unredirected, or missing."""

from collections.abc import Iterator

from istiodoctor.mesh.configuration.answering_routes import domain_owners, routed_domains
from istiodoctor.mesh.configuration.domain_rules import found_domain
from istiodoctor.mesh.configuration.redirects import (
    HTTP_PORT,
    PlainHost,
    RedirectKind,
    TlsHost,
    plain_host_for,
    plain_hosts_for,
    tls_hosts,
)
from istiodoctor.mesh.exposure.front_proxies import Front, fronts, fronts_for
from istiodoctor.mesh.exposure.services import HTTPS_PORT, Exposure, exposure, port_routes
from istiodoctor.mesh.gateways.attachments import Attachment, attachments_of
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.gateways.merging import route_name
from istiodoctor.mesh.gateways.servers import WITH_CREDENTIAL, GatewayApi, Server
from istiodoctor.mesh.hosts import HostIndex
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.gatewayapi import HttpRoute
from istiodoctor.model.istio import TlsMode
from istiodoctor.model.kind import Kind
from istiodoctor.model.value import Value

WITH_REDIRECTS = frozenset({GatewayApi.ISTIO, GatewayApi.GATEWAY_API})
"""In which a redirect to HTTPS can be written."""


class HttpCounterpart(Value, frozen=True, kw_only=True, eq=False):
    """A TLS host that clients outside use, its HTTP counterpart, and the proxies before it."""

    tls: TlsHost
    plain: PlainHost | None
    """What answers on port 80; None when no server does."""
    fronts: tuple[Front, ...]
    """Those that end TLS, or redirect to it."""


@question
def _declared_plain(mesh: Mesh, workload: Workload) -> HostIndex[Server]:
    return HostIndex(
        (host.name, server)
        for server in servers_by_workload(mesh).get(workload, ())
        if server.is_plain_http
        for host in server.hosts
    )


@question
def _http_counterparts(mesh: Mesh) -> tuple[HttpCounterpart, ...]:
    """Return the TLS hosts on 443 that gateways end, with their HTTP counterparts."""
    return tuple(
        HttpCounterpart(tls=tls, plain=_on_port_80(mesh, tls), fronts=_concerned(mesh, tls))
        for tls in tls_hosts(mesh)
        if tls.server.api in WITH_REDIRECTS
        and tls.server.port == HTTPS_PORT
        and tls.server.mode in WITH_CREDENTIAL
        and exposure(mesh, tls.workload) is not Exposure.INSIDE
    )


def _on_port_80(mesh: Mesh, tls: TlsHost) -> PlainHost | None:
    found = plain_hosts_for(mesh, tls.workload, tls.host)
    return next((each for each in found if each.server.port == HTTP_PORT), None)


def _concerned(mesh: Mesh, tls: TlsHost) -> tuple[Front, ...]:
    if not fronts(mesh, tls.workload):
        return ()
    return tuple(
        front
        for front in fronts_for(mesh, tls.workload, tls.host)
        if front.terminates_tls or front.redirects_to_https
    )


@question
def served_in_the_clear(mesh: Mesh) -> tuple[tuple[PlainHost, HttpCounterpart], ...]:
    """Return the TLS hosts whose HTTP counterpart has routes and no redirect."""
    return tuple(
        (plain, counterpart)
        for counterpart in _http_counterparts(mesh)
        if counterpart.plain and counterpart.plain.server.api in WITH_REDIRECTS
        for plain in _named(mesh, counterpart.plain, counterpart.tls)
        if plain.redirect is RedirectKind.NONE and plain.is_routed
    )


def _named(mesh: Mesh, plain: PlainHost, tls: TlsHost) -> Iterator[PlainHost]:
    """Yield how the name of a TLS host is answered in plain HTTP.

    Listeners of the Gateway API mostly take every host, and the names are those of their routes:
    the ones that have routes by HTTPS too.
    """
    if plain.redirect is RedirectKind.SERVER:
        return  # what is below a wildcard and not redirected is a plain host of its own
    if plain.server.api is not GatewayApi.GATEWAY_API:
        yield plain_host_for(mesh, plain, tls.host)
        return
    name = route_name(plain.server, plain.listener.port)
    for host in routed_domains(mesh, plain.workload, name).meeting(tls.host):
        domain = found_domain(mesh, tls.listener, tls.server, host)
        if domain and domain.sections:
            named = plain_host_for(mesh, plain, host)
            if attached_http_routes(mesh, named):
                yield named


@question
def attached_http_routes(mesh: Mesh, plain: PlainHost) -> tuple[Attachment, ...]:
    """Return how the HTTPRoutes that answer for a plain host are attached to its listener."""
    domain = found_domain(mesh, plain.listener, plain.server, plain.host)
    owners = domain_owners(domain) if domain else ()
    return tuple(
        each
        for owner in owners
        for each in attachments_of(mesh, plain.server)
        if each.route.ref == owner and isinstance(each.route, HttpRoute)
    )


@question(Kind.ISTIO_GATEWAY)
def unanswered_plain_hosts(mesh: Mesh) -> tuple[HttpCounterpart, ...]:
    """Return the TLS hosts for which nobody answers on the Service's open port 80."""
    if not mesh.is_complete(Kind.ISTIO_GATEWAY):
        return ()
    return tuple(_unanswered(mesh))


def _unanswered(mesh: Mesh) -> Iterator[HttpCounterpart]:
    for counterpart in _http_counterparts(mesh):
        workload = counterpart.tls.workload
        if counterpart.plain or counterpart.fronts or not workload.is_known:
            continue
        if counterpart.tls.server.api is not GatewayApi.ISTIO:
            continue
        if (
            counterpart.tls.server.mode is not TlsMode.SIMPLE
        ):  # no browsers: nobody types these names
            continue
        is_open = any(each.port.port == HTTP_PORT for each in port_routes(mesh, workload))
        written = next(_declared_plain(mesh, workload).meeting(counterpart.tls.host), None)
        if is_open and written is None:
            yield counterpart
