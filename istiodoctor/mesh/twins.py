"""HTTPS hosts and their plain twins on port 80: unredirected, or missing."""

from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.mesh.exposure import HTTPS_PORT, Exposure
from istiodoctor.mesh.frontproxy import Front
from istiodoctor.mesh.hops import HopQuestions
from istiodoctor.mesh.hosts import HostIndex
from istiodoctor.mesh.methods import question
from istiodoctor.mesh.redirects import HTTP_PORT, PlainHost, RedirectKind, TlsHost
from istiodoctor.mesh.servers import WITH_CREDENTIAL, GatewayApi, Server
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.istio import TlsMode
from istiodoctor.model.kind import Kind


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlainTwin:
    """A TLS host that clients outside use, and what may stand before its plain twin."""

    tls: TlsHost
    plain: PlainHost | None
    """What answers on port 80; None when no server does."""
    fronts: tuple[Front, ...]
    """Those that end TLS, or redirect to it."""


class TwinQuestions(HopQuestions):
    """Plain HTTP beside HTTPS."""

    @question(rests_on=[HopQuestions.servers_by_workload])
    def _declared_plain(self, workload: Workload) -> HostIndex[Server]:
        return HostIndex(
            (host.name, server)
            for server in self.servers_by_workload().get(workload, ())
            if server.is_plain_http
            for host in server.hosts
        )

    @question(
        rests_on=[
            HopQuestions.tls_hosts,
            HopQuestions.plain_hosts_for,
            HopQuestions.fronts,
            HopQuestions.fronts_for,
            HopQuestions.exposure,
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

    @question(rests_on=[_plain_twins, HopQuestions.routes_for])
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
        rests_on=[_plain_twins, _declared_plain, HopQuestions.port_routes],
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
