"""The plain hop before a gateway, and what becomes of it where the gateway redirects to HTTPS."""

from dataclasses import dataclass

from istiodoctor.mesh.exposure import HTTPS_PORT, ExposureQuestions
from istiodoctor.mesh.frontproxy import Front
from istiodoctor.mesh.hosts import HostIndex
from istiodoctor.mesh.methods import question
from istiodoctor.mesh.redirects import HTTP_PORT, PlainHost, RedirectKind
from istiodoctor.mesh.servers import Server
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.kind import Kind
from istiodoctor.model.kubernetes import Ingress, Service
from istiodoctor.model.observation import HttpStep

TLS_PROTOCOLS = frozenset({"HTTPS", "TLS"})
FORWARDED_PROTO = "x-forwarded-proto"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loop:
    """A plain server that redirects to HTTPS what has had HTTPS already."""

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
    """A gateway that trusts the proxy before it, which does not say https."""

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


class HopQuestions(ExposureQuestions):
    """Plain HTTP in front of HTTPS."""

    @question(rests_on=[ExposureQuestions.servers_by_workload])
    def _declared_tls(self, workload: Workload) -> HostIndex[Server]:
        return HostIndex(
            (host.name, server)
            for server in self.servers_by_workload().get(workload, ())
            if server.is_tls or server.protocol in TLS_PROTOCOLS
            for host in server.hosts
        )

    @question(rests_on=[_declared_tls, ExposureQuestions.tls_hosts_meeting])
    def wants_tls(self, plain: PlainHost) -> bool:
        """Whether a TLS server for the host is written for the same gateway, live or dropped."""
        if self.tls_hosts_meeting(plain.workload, plain.host):
            return True
        return next(self._declared_tls(plain.workload).meeting(plain.host), None) is not None

    @question(
        rests_on=[ExposureQuestions.plain_hosts, ExposureQuestions.ports_sharing_target],
    )
    def _redirected(self) -> tuple[tuple[PlainHost, tuple[Service, ...]], ...]:
        """Return the hosts that servers redirect, with Services that send 443 there too."""
        return tuple(
            (
                plain,
                tuple(
                    service
                    for service, ports in self.ports_sharing_target(
                        plain.workload, plain.listener.port
                    )
                    if HTTP_PORT in ports and HTTPS_PORT in ports
                ),
            )
            for plain in self.plain_hosts()
            if plain.redirect is RedirectKind.SERVER
        )

    def _plain_fronts(self, plain: PlainHost) -> tuple[Front, ...]:
        """Return what ends TLS before a plain listener and goes on there."""
        if not self.fronts(plain.workload):  # most gateways: spare the join over hosts
            return ()
        return tuple(
            front
            for front in self.fronts_for(plain.workload, plain.host)
            if front.terminates_tls and front.plain_port in (None, plain.listener.port)
        )

    @question(Kind.INGRESS)
    def _ingress_tls(self) -> HostIndex[Ingress]:
        """Return the Ingresses that have a certificate for a host: istiod may serve them too."""
        return HostIndex(
            (host, ingress)
            for ingress in self._all(Ingress)
            for tls in ingress.spec.tls
            for host in tls.hosts or ("*",)
        )

    @question(
        Kind.ISTIO_GATEWAY,
        rests_on=[
            _redirected,
            ExposureQuestions.fronts,
            ExposureQuestions.fronts_for,
            wants_tls,
            ExposureQuestions.trusted_proxies,
            ExposureQuestions.tls_meets_somewhere,
            _ingress_tls,
        ],
    )
    def redirect_loops(self) -> tuple[Loop, ...]:
        """Return the redirects that come back to where they started.

        Not those of Services that send 80 and 443 to one port: see `shared_targets`.
        """
        return tuple(
            loop
            for plain, sharing in self._redirected()
            if not sharing and not self.trusted_proxies(plain.workload)
            if (loop := self._redirect_loop(plain))
        )

    def _redirect_loop(self, plain: PlainHost) -> Loop | None:
        trusted = self.trusted_proxies(plain.workload)
        front = next(iter(self._plain_fronts(plain)), None)
        wants_tls = self.wants_tls(plain)
        if front is None and (wants_tls or not self._is_dead_end(plain)):
            return None
        is_told = front is None or front.plain_port is not None or not wants_tls
        return Loop(
            plain=plain,
            front=front,
            trusted_proxies=trusted,
            is_certain=is_told and trusted is not None,
        )

    def _is_dead_end(self, plain: PlainHost) -> bool:
        return (
            plain.workload.is_known
            and self._is_complete(Kind.ISTIO_GATEWAY)
            and not self._is_decrypted_before(plain)
            and not self.tls_meets_somewhere(plain.host)
            and next(self._ingress_tls().meeting(plain.host), None) is None
        )

    def _is_decrypted_before(self, plain: PlainHost) -> bool:
        """Whether something ends TLS for the host and goes on, be it to another listener."""
        return bool(self.fronts(plain.workload)) and any(
            front.terminates_tls for front in self.fronts_for(plain.workload, plain.host)
        )

    @question(
        rests_on=[
            _redirected,
            ExposureQuestions.fronts,
            ExposureQuestions.fronts_for,
            wants_tls,
            ExposureQuestions.trusted_proxies,
        ]
    )
    def untold_https(self) -> tuple[UntoldHttps, ...]:
        """Return where a trusted proxy ends TLS and is not known to say so.

        A proxy of unknown manners before a gateway that speaks TLS too may speak TLS to it.
        """
        return tuple(
            UntoldHttps(plain=plain, front=front, trusted_proxies=trusted)
            for plain, _ in self._redirected()
            for trusted in (self.trusted_proxies(plain.workload),)
            if trusted
            for front in self._plain_fronts(plain)
            if front.sends_x_forwarded_proto != "https"
            and (front.sends_x_forwarded_proto or front.plain_port or not self.wants_tls(plain))
        )

    @question(
        rests_on=[
            _redirected,
            ExposureQuestions.fronts,
            ExposureQuestions.fronts_for,
            ExposureQuestions.trusted_proxies,
        ]
    )
    def shared_targets(self) -> tuple[SharedTarget, ...]:
        """Return the Services whose ports 80 and 443 both lead to a redirecting listener.

        Not where the gateway trusts a proxy: that may say https.
        """
        return tuple(
            SharedTarget(
                service=service,
                plain=plain,
                index=next(
                    index
                    for index, port in enumerate(service.spec.ports)
                    if port.port == HTTPS_PORT
                ),
                front=next(iter(self._plain_fronts(plain)), None),
                is_certain=trusted is not None,
            )
            for plain, sharing in self._redirected()
            for trusted in (self.trusted_proxies(plain.workload),)
            if not trusted
            for service in sharing
        )

    @question(rests_on=[_redirected, ExposureQuestions.fronts, ExposureQuestions.fronts_for])
    def told_https(self) -> tuple[PlainHost, ...]:
        """Return the redirecting hosts behind a front that says https to the gateway."""
        return tuple(
            plain
            for plain, _ in self._redirected()
            if any(front.sends_x_forwarded_proto == "https" for front in self._plain_fronts(plain))
        )

    @question(
        rests_on=[
            ExposureQuestions.plain_hosts,
            ExposureQuestions.fronts,
            ExposureQuestions.fronts_for,
            ExposureQuestions.trusted_proxies,
            ExposureQuestions.routes_for,
            ExposureQuestions.http_rules,
        ]
    )
    def untold_backends(self) -> tuple[tuple[PlainHost, Front], ...]:
        """Return the plain hosts behind a front, whose applications are told http.

        Not where a route sets the header itself.
        """
        return tuple(
            (plain, front)
            for plain in self.plain_hosts()
            if plain.redirect is RedirectKind.NONE and self.trusted_proxies(plain.workload) == 0
            for front in self._plain_fronts(plain)[:1]
            if not self._sets_forwarded_proto(plain)
        )

    def _sets_forwarded_proto(self, plain: PlainHost) -> bool:
        return any(
            FORWARDED_PROTO in str(bound.rule.headers).lower()
            for virtual_service in self.routes_for(plain.server, plain.host)
            for bound in self.http_rules(virtual_service)
        )
