"""Gateway API routes: to which listeners they attach, and where they lead."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.grants import gateway_ref, selects
from istiodoctor.mesh.hosts import meet
from istiodoctor.mesh.issuance import IssuanceQuestions
from istiodoctor.mesh.methods import question
from istiodoctor.mesh.servers import GatewayApi, Server
from istiodoctor.model.gatewayapi import Gateway, HttpRoute, ParentReference, TlsRoute
from istiodoctor.model.kind import GATEWAY_API, Kind
from istiodoctor.model.ref import Place, Ref

LISTENER_SET_KINDS = frozenset({"ListenerSet", "XListenerSet"})
ROUTE_PROTOCOLS = {"HTTPRoute": frozenset({"HTTP", "HTTPS"}), "TLSRoute": frozenset({"TLS"})}


class AttachmentState(StrEnum):
    """What becomes of a route's wish to attach to a parent."""

    ATTACHED = "attached"
    NO_PARENT = "no-parent"
    NO_LISTENER = "no-listener"
    """No listener has the named section, port or protocol."""
    NOT_ALLOWED = "not-allowed"
    """`allowedRoutes` keeps the route's namespace out of every fitting listener."""
    NO_HOSTNAME = "no-hostname"
    """No hostname of the route meets the listener's."""
    UNKNOWN = "unknown"
    FOREIGN = "foreign"
    """The parent is no Gateway of Istio's: nothing to judge."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attachment:
    """One parentRef of a route, and the servers it got to."""

    route: HttpRoute | TlsRoute
    index: int
    parent_reference: ParentReference
    parent: Ref
    state: AttachmentState
    servers: tuple[Server, ...] = ()
    """The listeners attached to."""
    candidates: tuple[Server, ...] = ()
    """Those that section, port and protocol would have allowed."""
    hosts: tuple[str, ...] = ()
    """The hosts served by this attachment."""

    @property
    def place(self) -> Place:
        """The field."""
        return self.route.at(f"/spec/parentRefs/{self.index}")


class AttachmentQuestions(IssuanceQuestions):
    """Routes of the Gateway API."""

    @question(Kind.HTTP_ROUTE)
    def http_routes(self) -> tuple[HttpRoute, ...]:
        """Return every HTTPRoute."""
        return self._all(HttpRoute)

    @question(Kind.TLS_ROUTE)
    def tls_routes(self) -> tuple[TlsRoute, ...]:
        """Return every TLSRoute."""
        return self._all(TlsRoute)

    @question(Kind.TLS_ROUTE)
    def tls_route_version(self) -> str:
        """Return the best version under which the cluster has TLSRoutes; empty if unknown.

        Manifests do not say what the cluster that they are for serves.
        """
        return self._snapshot.served_versions.get(Kind.TLS_ROUTE, "")

    @question(rests_on=[IssuanceQuestions.listener_sets])
    def _gateways_of_listener_sets(self) -> Mapping[Ref, Ref]:
        return {
            each.ref: gateway_ref(
                each.spec.parent_ref.namespace or each.namespace, each.spec.parent_ref.name
            )
            for each in self.listener_sets()
        }

    @question(
        Kind.GATEWAY,
        rests_on=[
            http_routes,
            tls_routes,
            _gateways_of_listener_sets,
            IssuanceQuestions.servers,
            IssuanceQuestions.namespace_labels,
            IssuanceQuestions.api_gateways_by_ref,
        ],
    )
    def attachments(self) -> tuple[Attachment, ...]:
        """Return what becomes of every parentRef of every route."""
        by_gateway: dict[Ref, list[Server]] = {}
        for server in self.servers():
            if server.api is GatewayApi.GATEWAY_API:
                by_gateway.setdefault(server.gateway, []).append(server)
        routes: tuple[HttpRoute | TlsRoute, ...] = (*self.http_routes(), *self.tls_routes())
        return tuple(
            self._attachment(route, index, parent, by_gateway)
            for route in routes
            for index, parent in enumerate(route.spec.parent_refs)
        )

    def _attachment(
        self,
        route: HttpRoute | TlsRoute,
        index: int,
        parent: ParentReference,
        by_gateway: dict[Ref, list[Server]],
    ) -> Attachment:
        ref, state = self._parent(route, parent)
        servers = by_gateway.get(ref, [])
        candidates = tuple(each for each in servers if _fits(each, parent, route.KIND.value.kind))
        attached: list[Server] = []
        hosts: dict[str, None] = {}
        if state is None:
            allowed = [(each, self._allows(each, route.namespace)) for each in candidates]
            for server, permitted in allowed:
                shared = tuple(_shared(server, route.spec.hostnames))
                if permitted and shared:
                    attached.append(server)
                    hosts |= dict.fromkeys(shared)
            state = _state(candidates, [permitted for _, permitted in allowed], bool(attached))
        return Attachment(
            route=route,
            index=index,
            parent_reference=parent,
            parent=ref,
            state=state,
            servers=tuple(attached),
            candidates=candidates,
            hosts=tuple(hosts),
        )

    def _parent(
        self, route: HttpRoute | TlsRoute, parent: ParentReference
    ) -> tuple[Ref, AttachmentState | None]:
        namespace = parent.namespace or route.namespace
        if parent.kind and parent.kind in LISTENER_SET_KINDS:
            ref = Ref(parent.group or GATEWAY_API, parent.kind, namespace, parent.name)
            gateway = self._gateways_of_listener_sets().get(ref)
            return ref, self._gateway_state(gateway) if gateway else AttachmentState.UNKNOWN
        ref = gateway_ref(namespace, parent.name)
        if parent.kind not in (None, "Gateway"):
            return ref, AttachmentState.FOREIGN
        return ref, self._gateway_state(ref)

    def _gateway_state(self, gateway: Ref) -> AttachmentState | None:
        """Return what a Gateway that is not Istio's makes of any attachment; else None."""
        if gateway in self.api_gateways_by_ref():
            return None
        if self._get(Gateway, gateway.namespace, gateway.name):
            return AttachmentState.FOREIGN
        known = self._is_complete(Kind.GATEWAY, gateway.namespace, gateway.name)
        return AttachmentState.NO_PARENT if known else AttachmentState.UNKNOWN

    def _allows(self, server: Server, namespace: str) -> bool | None:
        allowed = server.allowed_routes
        match allowed.policy if allowed else "Same":
            case "All":
                return True
            case "Selector" if allowed and allowed.selector:
                labels = self.namespace_labels(namespace)
                return None if labels is None else selects(allowed.selector, labels)
            case "None":
                return False
            case _:
                return server.namespace == namespace

    @question(rests_on=[attachments])
    def attachments_of(self, server: Server) -> tuple[Attachment, ...]:
        """Return the routes attached to a server."""
        return self._attachments_by_server().get(server, ())

    @question(rests_on=[attachments])
    def _attachments_by_server(self) -> dict[Server, tuple[Attachment, ...]]:
        found: dict[Server, list[Attachment]] = {}
        for attachment in self.attachments():
            for server in attachment.servers:
                found.setdefault(server, []).append(attachment)
        return {server: tuple(each) for server, each in found.items()}


def _fits(server: Server, parent: ParentReference, kind: str) -> bool:
    return (
        parent.section_name in ("", server.port_name)
        and parent.port in (0, server.port)
        and server.protocol in ROUTE_PROTOCOLS[kind]
    )


def _shared(server: Server, hostnames: tuple[str, ...]) -> Iterator[str]:
    for host in server.names:
        if not hostnames:
            yield host
        for hostname in hostnames:
            common = meet(host, hostname)
            if common is not None:
                yield common


def _state(
    candidates: tuple[Server, ...], permitted: list[bool | None], attached: bool
) -> AttachmentState:
    if attached:
        return AttachmentState.ATTACHED
    if not candidates:
        return AttachmentState.NO_LISTENER
    if any(permitted):
        return AttachmentState.NO_HOSTNAME
    return AttachmentState.UNKNOWN if None in permitted else AttachmentState.NOT_ALLOWED
