"""Routes that are bound to no gateway, or to one that their requests do not reach."""

from dataclasses import dataclass

from istiodoctor.mesh.hosts import ANY, is_wildcard
from istiodoctor.mesh.listeners import Listener
from istiodoctor.mesh.methods import question
from istiodoctor.mesh.misrouting import MisroutingQuestions, is_internal
from istiodoctor.mesh.routing import MESH
from istiodoctor.mesh.servers import GatewayApi, Server
from istiodoctor.model.istio import TlsMode, VirtualService


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unbound:
    """A VirtualService for the mesh alone whose host a Gateway has and nobody routes there."""

    virtual_service: VirtualService
    hosts: tuple[str, ...]
    servers: tuple[Server, ...]
    is_sure: bool
    """False where the Gateway takes every host, or other VirtualServices may be unseen."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SplitHost:
    """A host whose routes are on a wildcard server while its SNI reaches a narrower one."""

    virtual_service: VirtualService
    host: str
    bound: Server
    reached: Server
    listener: Listener


class UnboundQuestions(MisroutingQuestions):
    """VirtualServices beside the servers that are meant to answer."""

    @question(
        rests_on=[
            MisroutingQuestions.virtual_services,
            MisroutingQuestions.bindings,
            MisroutingQuestions.routes_for,
            MisroutingQuestions.is_service_entry_host,
            MisroutingQuestions.istio_servers_for,
            MisroutingQuestions.virtual_services_are_known,
        ]
    )
    def unbound_virtual_services(self) -> tuple[Unbound, ...]:
        """Return VirtualServices without a gateway for hosts that a Gateway has.

        And that no other VirtualService answers for there. Names of the mesh and hosts of
        ServiceEntries are what such a VirtualService is for.
        """
        return tuple(
            each
            for source in self.virtual_services()
            if all(gateway == MESH for gateway in source.spec.gateways)
            if (each := self._unbound(source))
        )

    def _unbound(self, source: VirtualService) -> Unbound | None:
        hosts: dict[str, None] = {}
        servers: dict[Server, None] = {}
        certain = self.virtual_services_are_known()
        for host in source.spec.hosts:
            if is_internal(host) or self.is_service_entry_host(host):
                continue
            candidates = self._awaiting(host, source.namespace)
            if candidates:
                hosts[host] = None
                servers |= dict.fromkeys(candidates)
                certain = certain and ANY not in candidates[0].names
        if not servers:
            return None
        return Unbound(
            virtual_service=source, hosts=tuple(hosts), servers=tuple(servers), is_sure=certain
        )

    def _awaiting(self, host: str, namespace: str) -> tuple[Server, ...]:
        """Return the servers that have a host no VirtualService answers for on any of them."""
        candidates = [
            server
            for server in self.istio_servers_for(host, namespace)
            if (server.routes_http or server.is_passthrough)
            and server.mode is not TlsMode.ISTIO_MUTUAL
            and not server.https_redirect
        ]
        if any(self.routes_for(server, host) for server in candidates):
            return ()
        named = tuple(each for each in candidates if ANY not in each.names)
        # A server for every host is no sign that this one is meant, unless it routes nothing.
        return named or tuple(
            each for each in candidates if not any(b.hosts for b in self.bindings().get(each, ()))
        )

    @question(
        rests_on=[
            MisroutingQuestions.listeners,
            MisroutingQuestions.server_for,
            MisroutingQuestions.bindings,
            MisroutingQuestions.routes_for,
            MisroutingQuestions.bound_virtual_services,
        ]
    )
    def split_hosts(self) -> tuple[SplitHost, ...]:
        """Return hosts routed on a wildcard server whose SNI reaches a server without routes."""
        return tuple(
            SplitHost(
                virtual_service=binding.virtual_service,
                host=host,
                bound=server,
                reached=reached,
                listener=listener,
            )
            for listener in self.listeners()
            for server in listener.servers
            if server.is_tls and any(map(is_wildcard, server.names))
            for binding in self.bindings().get(server, ())
            for host in binding.hosts
            if (reached := self.server_for(listener, host)) and reached is not server
            if reached.api is GatewayApi.ISTIO and reached.is_tls
            if not self.routes_for(reached, host)
            and binding.virtual_service
            not in self.bound_virtual_services().get(reached.gateway, ())
        )
