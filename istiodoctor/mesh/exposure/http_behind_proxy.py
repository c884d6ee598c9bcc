"""Plain HTTP from a TLS-terminating proxy to a gateway, and redirect loops that come of it."""

from dataclasses import dataclass

from msgspec.structs import replace

from istiodoctor.mesh.configuration.chain_index import WITH_TLS
from istiodoctor.mesh.configuration.domain_rules import DomainRule
from istiodoctor.mesh.configuration.received_headers import FORWARDED_PROTO
from istiodoctor.mesh.configuration.redirects import (
    HTTP_PORT,
    PlainHost,
    RedirectKind,
    is_to_https,
    plain_hosts,
    rules_for,
    tls_hosts_meeting,
)
from istiodoctor.mesh.configuration.self_redirects import asks_for_scheme
from istiodoctor.mesh.exposure.front_proxies import Front, fronts, fronts_for
from istiodoctor.mesh.exposure.plain_https import tls_meets_somewhere
from istiodoctor.mesh.exposure.services import HTTPS_PORT
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.hosts import HostIndex
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import trusted_proxies
from istiodoctor.mesh.workloads.service_ports import ports_sharing_target
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ingress import Ingress
from istiodoctor.model.kind import Kind
from istiodoctor.model.observation import HttpStep
from istiodoctor.model.services import Service


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loop:
    """A plain server that redirects requests to HTTPS whose TLS ended before it: a loop."""

    plain: PlainHost
    front: Front | None
    """What ends TLS before it; None where no server speaks TLS for the host at all."""
    trusted_proxies: int | None
    """`numTrustedProxies` of the gateway; None when it was not read."""
    is_certain: bool
    seen: HttpStep | None = None
    """The redirect that closes the circle, where that was seen."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UntoldHttps:
    """A gateway that trusts X-Forwarded-Proto of a proxy that is not known to send https."""

    plain: PlainHost
    front: Front
    trusted_proxies: int | None
    seen: HttpStep | None = None
    """The redirect that closes the circle, where that was seen."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SharedTarget:
    """A Service that sends its HTTP and its HTTPS port to one plain, redirecting listener."""

    service: Service
    plain: PlainHost
    index: int
    """Of the HTTPS port in the Service."""
    front: Front | None
    """What ends TLS before that listener, when something is known to."""
    is_certain: bool


@question
def _declared_tls(mesh: Mesh, workload: Workload) -> HostIndex[Server]:
    return HostIndex(
        (host.name, server)
        for server in servers_by_workload(mesh).get(workload, ())
        if server.is_tls or server.protocol in WITH_TLS
        for host in server.hosts
    )


@question
def wants_tls(mesh: Mesh, plain: PlainHost) -> bool:
    """Whether a TLS server for the host is written for the same gateway, live or dropped."""
    if tls_hosts_meeting(mesh, plain.workload, plain.host):
        return True
    return next(_declared_tls(mesh, plain.workload).meeting(plain.host), None) is not None


@question
def _redirected(mesh: Mesh) -> tuple[tuple[PlainHost, tuple[Service, ...]], ...]:
    """Return the hosts that servers redirect, with Services that send 443 there too."""
    return tuple(
        (
            plain,
            tuple(
                service
                for service, ports in ports_sharing_target(
                    mesh, plain.workload, plain.listener.port
                )
                if HTTP_PORT in ports and HTTPS_PORT in ports
            ),
        )
        for plain in plain_hosts(mesh)
        if plain.redirect is RedirectKind.SERVER
    )


def plain_fronts(mesh: Mesh, plain: PlainHost) -> tuple[Front, ...]:
    """Return what ends TLS before a plain listener and goes on there."""
    if not fronts(mesh, plain.workload):  # most gateways: spare the join over hosts
        return ()
    return tuple(
        front
        for front in fronts_for(mesh, plain.workload, plain.host)
        if front.terminates_tls and front.plain_port in (None, plain.listener.port)
    )


@question(Kind.INGRESS)
def _ingress_tls(mesh: Mesh) -> HostIndex[Ingress]:
    """Return the Ingresses that have a certificate for a host: istiod may serve them too."""
    return HostIndex(
        (host, ingress)
        for ingress in mesh.all(Ingress)
        for tls in ingress.spec.tls
        for host in tls.hosts or ("*",)
    )


@question(Kind.ISTIO_GATEWAY)
def redirect_loops(mesh: Mesh) -> tuple[Loop, ...]:
    """Return the `httpsRedirect` loops behind proxies that end TLS.

    Not those of Services that send 80 and 443 to one port: see `shared_targets`.
    """
    return tuple(
        loop
        for plain, sharing in _redirected(mesh)
        if not sharing and not trusted_proxies(mesh, plain.workload)
        if (loop := _redirect_loop(mesh, plain))
    )


def _redirect_loop(mesh: Mesh, plain: PlainHost) -> Loop | None:
    trusted = trusted_proxies(mesh, plain.workload)
    front = next(iter(plain_fronts(mesh, plain)), None)
    needs_tls = wants_tls(mesh, plain)
    if front is None and (needs_tls or not _is_dead_end(mesh, plain)):
        return None
    is_told = front is None or front.plain_port is not None or not needs_tls
    return Loop(
        plain=plain,
        front=front,
        trusted_proxies=trusted,
        is_certain=is_told and trusted is not None,
    )


def _is_dead_end(mesh: Mesh, plain: PlainHost) -> bool:
    return (
        plain.workload.is_known
        and mesh.is_complete(Kind.ISTIO_GATEWAY)
        and not is_decrypted_before(mesh, plain)
        and not tls_meets_somewhere(mesh, plain.host)
        and next(_ingress_tls(mesh).meeting(plain.host), None) is None
    )


def is_decrypted_before(mesh: Mesh, plain: PlainHost) -> bool:
    """Whether something ends TLS for the host and goes on, be it to another listener."""
    return bool(fronts(mesh, plain.workload)) and any(
        front.terminates_tls for front in fronts_for(mesh, plain.workload, plain.host)
    )


@question
def untold_https(mesh: Mesh) -> tuple[UntoldHttps, ...]:
    """Return the hosts of a trusted TLS proxy not known to send X-Forwarded-Proto: https.

    A proxy of unknown manners before a gateway that speaks TLS too may speak TLS to it.
    """
    return tuple(
        UntoldHttps(plain=plain, front=front, trusted_proxies=trusted)
        for plain, _ in _redirected(mesh)
        for trusted in (trusted_proxies(mesh, plain.workload),)
        if trusted
        for front in plain_fronts(mesh, plain)
        if front.sends_x_forwarded_proto != "https"
        and (front.sends_x_forwarded_proto or front.plain_port or not wants_tls(mesh, plain))
    )


@question
def shared_targets(mesh: Mesh) -> tuple[SharedTarget, ...]:
    """Return the Services whose ports 80 and 443 both lead to a redirecting listener.

    Not where the gateway trusts a proxy: that may say https.
    """
    return tuple(
        SharedTarget(
            service=service,
            plain=plain,
            index=next(
                index for index, port in enumerate(service.spec.ports) if port.port == HTTPS_PORT
            ),
            front=next(iter(plain_fronts(mesh, plain)), None),
            is_certain=trusted is not None,
        )
        for plain, sharing in _redirected(mesh)
        for trusted in (trusted_proxies(mesh, plain.workload),)
        if not trusted
        for service in sharing
    )


@question
def told_https(mesh: Mesh) -> tuple[PlainHost, ...]:
    """Return the redirecting hosts behind a proxy that sends X-Forwarded-Proto: https."""
    return tuple(
        plain
        for plain, _ in _redirected(mesh)
        if any(front.sends_x_forwarded_proto == "https" for front in plain_fronts(mesh, plain))
    )


@question
def untold_backends(mesh: Mesh) -> tuple[tuple[PlainHost, Front], ...]:
    """Return the plain hosts behind a TLS proxy, whose applications see X-Forwarded-Proto: http.

    Not where a route sets the header itself.
    """
    return tuple(
        (plain, front)
        for plain in plain_hosts(mesh)
        if plain.redirect is RedirectKind.NONE and trusted_proxies(mesh, plain.workload) == 0
        for front in plain_fronts(mesh, plain)[:1]
        if not _sets_forwarded_proto(mesh, plain)
    )


def _sets_forwarded_proto(mesh: Mesh, plain: PlainHost) -> bool:
    return any(
        FORWARDED_PROTO in str(each.rule.headers).lower() for each in rules_for(mesh, plain)
    )


@question
def route_loops(mesh: Mesh) -> tuple[Loop, ...]:
    """Return the redirect rules that ignore X-Forwarded-Proto behind a proxy that ends TLS."""
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
        if is_to_https(each.rule) and not asks_for_scheme(each.match):
            return each
        if each.match.is_catch_all:
            return None
    return None
