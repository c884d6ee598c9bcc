"""The plain hop before a gateway, and what becomes of it where the gateway redirects to HTTPS."""

from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.mesh.exposure import HTTPS_PORT, Exposure, ExposureQuestions
from istiodoctor.mesh.frontproxy import Front
from istiodoctor.mesh.hosts import HostIndex
from istiodoctor.mesh.question import question
from istiodoctor.mesh.redirects import HTTP_PORT, PlainHost, RedirectKind, TlsHost
from istiodoctor.mesh.servers import WITH_CREDENTIAL, GatewayApi, Server
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.kind import Kind
from istiodoctor.model.kubernetes import Service


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlainHop:
    """Decrypted traffic for a host, coming to a plain server."""

    plain: PlainHost
    front: Front
    trusted_proxies: int | None
    """`numTrustedProxies` of the gateway; None when it was not read."""
    speaks_tls: bool
    """Whether the same gateway has a TLS server for the host, so that the hop may be another."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeadEnd:
    """A host that is redirected to HTTPS, which no server speaks for it."""

    plain: PlainHost
    trusted_proxies: int | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SharedTarget:
    """A Service that sends its HTTP and its HTTPS port to one plain listener."""

    service: Service
    ports: tuple[int, ...]
    plain: PlainHost
    index: int
    """Of the HTTPS port in the Service."""
    front: Front | None
    """What ends TLS before that listener, when something is known to."""
    trusted_proxies: int | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlainTwin:
    """A TLS host and the plain server that answers for the same name on the same gateway."""

    tls: TlsHost
    plain: PlainHost | None
    """None when no plain server does."""
    fronts: tuple[Front, ...]


class HopQuestions(ExposureQuestions):
    """Plain HTTP in front of, and beside, HTTPS."""

    @question(rests_on=[ExposureQuestions.servers_by_workload])
    def _declared_tls(self, workload: Workload) -> HostIndex[Server]:
        return HostIndex(
            (host.name, server)
            for server in self.servers_by_workload().get(workload, ())
            if server.is_tls or server.protocol in ("HTTPS", "TLS")
            for host in server.hosts
        )

    @question(rests_on=[_declared_tls])
    def wants_tls(self, workload: Workload, host: str) -> bool:
        """Whether a TLS server for a host is written for a gateway, live or dropped."""
        return next(self._declared_tls(workload).meeting(host), None) is not None

    @question(
        rests_on=[
            ExposureQuestions.plain_hosts,
            ExposureQuestions.fronts_for,
            ExposureQuestions.trusted_proxies,
            wants_tls,
        ]
    )
    def plain_hops(self) -> tuple[PlainHop, ...]:
        """Return where something that ends TLS may talk plain HTTP to a server of the gateway."""
        return tuple(
            PlainHop(
                plain=plain,
                front=front,
                trusted_proxies=self.trusted_proxies(plain.workload),
                speaks_tls=self.wants_tls(plain.workload, plain.host),
            )
            for plain in self.plain_hosts()
            for front in self.fronts_for(plain.workload, plain.host)
            if front.terminates_tls and front.plain_port in (None, plain.listener.port)
        )

    @question(
        Kind.ISTIO_GATEWAY,
        rests_on=[
            ExposureQuestions.plain_hosts,
            ExposureQuestions.trusted_proxies,
            ExposureQuestions.speaks_tls_somewhere,
            wants_tls,
        ],
    )
    def dead_ends(self) -> tuple[DeadEnd, ...]:
        """Return the hosts whose redirect leads to an HTTPS that the gateway does not speak."""
        if not self._is_complete(Kind.ISTIO_GATEWAY):
            return ()
        return tuple(
            DeadEnd(plain=plain, trusted_proxies=self.trusted_proxies(plain.workload))
            for plain in self.plain_hosts()
            if plain.redirect is RedirectKind.SERVER
            and plain.workload.is_known
            and not self.wants_tls(plain.workload, plain.host)
            and not self.speaks_tls_somewhere(plain.host)
        )

    @question(
        rests_on=[
            ExposureQuestions.plain_hosts,
            ExposureQuestions.ports_sharing_target,
            ExposureQuestions.fronts_for,
            ExposureQuestions.trusted_proxies,
        ]
    )
    def shared_targets(self) -> tuple[SharedTarget, ...]:
        """Return the Services whose ports 80 and 443 both lead to a redirecting listener."""
        return tuple(
            SharedTarget(
                service=service,
                ports=ports,
                plain=plain,
                index=_index_of(service, HTTPS_PORT),
                front=self._front_at(plain),
                trusted_proxies=self.trusted_proxies(plain.workload),
            )
            for plain in self.plain_hosts()
            if plain.redirect is RedirectKind.SERVER
            for service, ports in self.ports_sharing_target(plain.workload, plain.listener.port)
            if HTTP_PORT in ports and HTTPS_PORT in ports
        )

    def _front_at(self, plain: PlainHost) -> Front | None:
        fronts = self.fronts_for(plain.workload, plain.host)
        return next(
            (
                each
                for each in fronts
                if each.terminates_tls and each.plain_port in (None, plain.listener.port)
            ),
            None,
        )

    @question(
        Kind.ISTIO_GATEWAY,
        rests_on=[
            ExposureQuestions.tls_hosts,
            ExposureQuestions.plain_hosts_for,
            ExposureQuestions.fronts_for,
            ExposureQuestions.exposure,
        ],
    )
    def plain_twins(self) -> tuple[PlainTwin, ...]:
        """Return every TLS host that clients outside use, with its plain server.

        Only Istio servers that end TLS, on gateways reached from outside. Where a Gateway may
        exist unseen, hosts without a plain server are left out.
        """
        return tuple(self._plain_twins())

    def _plain_twins(self) -> Iterator[PlainTwin]:
        gateways_are_known = self._is_complete(Kind.ISTIO_GATEWAY)
        for tls in self.tls_hosts():
            if tls.server.api is not GatewayApi.ISTIO or tls.server.mode not in WITH_CREDENTIAL:
                continue
            plain = next(iter(self.plain_hosts_for(tls.workload, tls.host)), None)
            if plain is None and not gateways_are_known:
                continue
            if self.exposure(tls.workload) is Exposure.INSIDE:
                continue
            yield PlainTwin(tls=tls, plain=plain, fronts=self.fronts_for(tls.workload, tls.host))


def _index_of(service: Service, port: int) -> int:
    ports = service.spec.ports
    return next(index for index, each in enumerate(ports) if each.port == port)
