"""Gateway API routes: to which listeners they attach, and where they lead."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.controlplanes import namespace_labels
from istiodoctor.mesh.gatewayapi import api_gateways_by_ref, listener_sets
from istiodoctor.mesh.grants import gateway_ref, selects
from istiodoctor.mesh.hosts import meet
from istiodoctor.mesh.listeners import servers
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
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


@question(Kind.HTTP_ROUTE)
def http_routes(mesh: Mesh) -> tuple[HttpRoute, ...]:
    """Return every HTTPRoute."""
    return mesh.all(HttpRoute)


@question(Kind.TLS_ROUTE)
def tls_routes(mesh: Mesh) -> tuple[TlsRoute, ...]:
    """Return every TLSRoute."""
    return mesh.all(TlsRoute)


@question(Kind.TLS_ROUTE)
def tls_route_version(mesh: Mesh) -> str:
    """Return the best version under which the cluster has TLSRoutes; empty if unknown.

    Manifests do not say what the cluster that they are for serves.
    """
    return mesh.snapshot.served_versions.get(Kind.TLS_ROUTE, "")


@question
def _gateways_of_listener_sets(mesh: Mesh) -> Mapping[Ref, Ref]:
    return {
        each.ref: gateway_ref(
            each.spec.parent_ref.namespace or each.namespace, each.spec.parent_ref.name
        )
        for each in listener_sets(mesh)
    }


@question(Kind.GATEWAY)
def attachments(mesh: Mesh) -> tuple[Attachment, ...]:
    """Return what becomes of every parentRef of every route."""
    by_gateway: dict[Ref, list[Server]] = {}
    for server in servers(mesh):
        if server.api is GatewayApi.GATEWAY_API:
            by_gateway.setdefault(server.gateway, []).append(server)
    routes: tuple[HttpRoute | TlsRoute, ...] = (*http_routes(mesh), *tls_routes(mesh))
    return tuple(
        _attachment(mesh, route, index, parent, by_gateway)
        for route in routes
        for index, parent in enumerate(route.spec.parent_refs)
    )


def _attachment(
    mesh: Mesh,
    route: HttpRoute | TlsRoute,
    index: int,
    parent: ParentReference,
    by_gateway: dict[Ref, list[Server]],
) -> Attachment:
    ref, state = _parent(mesh, route, parent)
    servers = by_gateway.get(ref, [])
    candidates = tuple(each for each in servers if _fits(each, parent, route.KIND.value.kind))
    attached: list[Server] = []
    hosts: dict[str, None] = {}
    if state is None:
        allowed = [(each, _allows(mesh, each, route.namespace)) for each in candidates]
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
    mesh: Mesh, route: HttpRoute | TlsRoute, parent: ParentReference
) -> tuple[Ref, AttachmentState | None]:
    namespace = parent.namespace or route.namespace
    if parent.kind and parent.kind in LISTENER_SET_KINDS:
        ref = Ref(parent.group or GATEWAY_API, parent.kind, namespace, parent.name)
        gateway = _gateways_of_listener_sets(mesh).get(ref)
        return ref, _gateway_state(mesh, gateway) if gateway else AttachmentState.UNKNOWN
    ref = gateway_ref(namespace, parent.name)
    if parent.kind not in (None, "Gateway"):
        return ref, AttachmentState.FOREIGN
    return ref, _gateway_state(mesh, ref)


def _gateway_state(mesh: Mesh, gateway: Ref) -> AttachmentState | None:
    """Return what a Gateway that is not Istio's makes of any attachment; else None."""
    if gateway in api_gateways_by_ref(mesh):
        return None
    if mesh.get(Gateway, gateway.namespace, gateway.name):
        return AttachmentState.FOREIGN
    known = mesh.is_complete(Kind.GATEWAY, gateway.namespace, gateway.name)
    return AttachmentState.NO_PARENT if known else AttachmentState.UNKNOWN


def _allows(mesh: Mesh, server: Server, namespace: str) -> bool | None:
    allowed = server.allowed_routes
    match allowed.policy if allowed else "Same":
        case "All":
            return True
        case "Selector" if allowed and allowed.selector:
            labels = namespace_labels(mesh, namespace)
            return None if labels is None else selects(allowed.selector, labels)
        case "None":
            return False
        case _:
            return server.namespace == namespace


@question
def attachments_of(mesh: Mesh, server: Server) -> tuple[Attachment, ...]:
    """Return the routes attached to a server."""
    return _attachments_by_server(mesh).get(server, ())


@question
def _attachments_by_server(mesh: Mesh) -> dict[Server, tuple[Attachment, ...]]:
    found: dict[Server, list[Attachment]] = {}
    for attachment in attachments(mesh):
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
