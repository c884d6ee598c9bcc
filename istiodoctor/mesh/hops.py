"""The plain hop before a gateway, and what becomes of it where the gateway redirects to HTTPS."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from istiodoctor.mesh.exposure import HTTPS_PORT, Exposure, ExposureQuestions
from istiodoctor.mesh.frontproxy import Front
from istiodoctor.mesh.hosts import HostIndex
from istiodoctor.mesh.question import question
from istiodoctor.mesh.redirects import HTTP_PORT, PlainHost, RedirectKind, TlsHost
from istiodoctor.mesh.servers import WITH_CREDENTIAL, GatewayApi, Server
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.istio import TlsMode
from istiodoctor.model.kind import Kind
from istiodoctor.model.kubernetes import Service

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UntoldHttps:
    """A gateway that trusts the proxy before it, which does not say https."""

    plain: PlainHost
    front: Front
    trusted_proxies: int


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlainTwin:
    """A TLS host that clients outside use, and what may stand before its plain twin."""

    tls: TlsHost
    plain: PlainHost | None
    """What answers on port 80; None when no server does."""
    fronts: tuple[Front, ...]
    """Those that end TLS, or redirect to it."""


class HopQuestions(ExposureQuestions):
    """Plain HTTP in front of, and beside, HTTPS."""

    def _declared(self, workload: Workload, wanted: Callable[[Server], bool]) -> HostIndex[Server]:
        return HostIndex(
            (host.name, server)
            for server in self.servers_by_workload().get(workload, ())
            if wanted(server)
            for host in server.hosts
        )

    @question(rests_on=[ExposureQuestions.servers_by_workload])
    def _declared_tls(self, workload: Workload) -> HostIndex[Server]:
        return self._declared(workload, lambda each: each.is_tls or each.protocol in TLS_PROTOCOLS)

    @question(rests_on=[ExposureQuestions.servers_by_workload])
    def _declared_plain(self, workload: Workload) -> HostIndex[Server]:
        return self._declared(workload, lambda each: each.is_plain_http)

    def _wants_tls(self, plain: PlainHost) -> bool:
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

    @question(
        Kind.ISTIO_GATEWAY,
        rests_on=[
            _redirected,
            ExposureQuestions.fronts,
            ExposureQuestions.fronts_for,
            _declared_tls,
            ExposureQuestions.tls_hosts_meeting,
            ExposureQuestions.trusted_proxies,
            ExposureQuestions.tls_meets_somewhere,
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
        wants_tls = self._wants_tls(plain)
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
            and not self.tls_meets_somewhere(plain.host)
        )

    @question(
        rests_on=[
            _redirected,
            ExposureQuestions.fronts,
            ExposureQuestions.fronts_for,
            _declared_tls,
            ExposureQuestions.tls_hosts_meeting,
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
            and (front.sends_x_forwarded_proto or front.plain_port or not self._wants_tls(plain))
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

    @question(
        rests_on=[
            ExposureQuestions.tls_hosts,
            ExposureQuestions.plain_hosts_for,
            ExposureQuestions.fronts,
            ExposureQuestions.fronts_for,
            ExposureQuestions.exposure,
        ],
    )
    def _plain_twins(self) -> tuple[PlainTwin, ...]:
        """Return the TLS hosts on 443 that Istio servers end, with their plain twins."""
        return tuple(
            PlainTwin(tls=tls, plain=self._on_port_80(tls), fronts=self._concerned(tls))
            for tls in self.tls_hosts()
            if tls.server.api is GatewayApi.ISTIO
            and tls.server.port == HTTPS_PORT
            and tls.server.mode in WITH_CREDENTIAL
            and self.exposure(tls.workload) is not Exposure.INSIDE
        )

    def _on_port_80(self, tls: TlsHost) -> PlainHost | None:
        found = self.plain_hosts_for(tls.workload, tls.host)
        return next((each for each in found if each.server.port == HTTP_PORT), None)

    def _concerned(self, tls: TlsHost) -> tuple[Front, ...]:
        if not self.fronts(tls.workload):
            return ()
        return tuple(
            front
            for front in self.fronts_for(tls.workload, tls.host)
            if front.terminates_tls or front.redirects_to_https
        )

    @question(rests_on=[_plain_twins, ExposureQuestions.routes_for])
    def served_in_the_clear(self) -> tuple[tuple[PlainHost, PlainTwin], ...]:
        """Return the TLS hosts whose plain twin has routes and no redirect."""
        return tuple(
            (plain, twin)
            for twin in self._plain_twins()
            if (plain := twin.plain)
            and plain.redirect is RedirectKind.NONE
            and plain.server.api is GatewayApi.ISTIO
            and self.routes_for(plain.server, twin.tls.host)
        )

    @question(
        Kind.ISTIO_GATEWAY,
        rests_on=[_plain_twins, _declared_plain, ExposureQuestions.port_routes],
    )
    def unanswered_plain_hosts(self) -> tuple[PlainTwin, ...]:
        """Return the TLS hosts for which nobody answers on the Service's open port 80."""
        if not self._is_complete(Kind.ISTIO_GATEWAY):
            return ()
        return tuple(self._unanswered())

    def _unanswered(self) -> Iterator[PlainTwin]:
        for twin in self._plain_twins():
            workload = twin.tls.workload
            if twin.plain or twin.fronts or not workload.is_known:
                continue
            if twin.tls.server.mode is not TlsMode.SIMPLE:  # no browsers: nobody types these names
                continue
            is_open = any(each.port.port == HTTP_PORT for each in self.port_routes(workload))
            written = next(self._declared_plain(workload).meeting(twin.tls.host), None)
            if is_open and written is None:
                yield twin
