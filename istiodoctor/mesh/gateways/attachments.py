"""Gateway API routes: to which listeners they attach, and for which hostnames.

Source: pilot/pkg/config/kube/gateway/conversion.go:624-845, route_collections.go:114-160.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.gateways.api_gateways import api_gateways_by_ref, gateway_of, listener_sets
from istiodoctor.mesh.gateways.api_routes import (
    Route,
    grpc_routes,
    hostnames_of,
    http_routes,
    tcp_routes,
    tls_routes,
)
from istiodoctor.mesh.gateways.route_namespaces import takes_namespace
from istiodoctor.mesh.gateways.route_parents import (
    ListenersByHostname,
    Parent,
    candidates_of,
    parents_of_routes,
)
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.hosts import ANY, meet
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.api_releases import gateway_api_support
from istiodoctor.mesh.workloads.grants import gateway_ref
from istiodoctor.mesh.workloads.names import common_hosts
from istiodoctor.model.gatewayapi import (
    Gateway,
    ParentReference,
    TcpRoute,
    TlsRoute,
    XListenerSet,
)
from istiodoctor.model.kind import GATEWAY_API, Kind
from istiodoctor.model.ref import Place, Ref

LISTENER_SET_KINDS = frozenset({"ListenerSet", "XListenerSet"})
ISOLATED_KINDS = frozenset({Kind.HTTP_ROUTE, Kind.GRPC_ROUTE})
"""The routes for which a listener keeps its names from wider ones."""


class AttachmentState(StrEnum):
    """Whether a route is attached to a parent, and why not."""

    ATTACHED = "attached"
    NO_PARENT = "no-parent"
    NO_LISTENER = "no-listener"
    """No listener has the named section, port or protocol."""
    KIND_NOT_ALLOWED = "kind-not-allowed"
    """`allowedRoutes.kinds` of every fitting listener leaves the route's kind out."""
    NOT_ALLOWED = "not-allowed"
    """`allowedRoutes` keeps the route's namespace out of every fitting listener."""
    NO_HOSTNAME = "no-hostname"
    """No hostname of the route meets the listener's."""
    ISOLATED = "isolated"
    """Other listeners of the Gateway have all of its hostnames, and they are narrower."""
    KIND_NOT_READ = "kind-not-read"
    """This istiod does not read routes of the kind: its release wants a flag for it."""
    UNKNOWN = "unknown"
    FOREIGN = "foreign"
    """The parent is no Gateway of Istio's: nothing to judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerBinding:
    """A route on one listener."""

    server: Server
    hostnames: tuple[str, ...]
    """What istiod makes VirtualServices for there."""
    is_known: bool = True
    """False where it hangs on labels that were not read."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attachment:
    """One parentRef of a route, and the servers it attaches to."""

    route: Route
    index: int
    parent_reference: ParentReference
    parent: Ref
    state: AttachmentState
    bindings: tuple[ListenerBinding, ...] = ()
    """The listeners that take it, those too of which that is not known for sure."""
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


@question(evidence=[grpc_routes, tcp_routes, gateway_api_support])
def attachments(mesh: Mesh) -> tuple[Attachment, ...]:
    """Return the attachment of every parentRef of every route."""
    routes: tuple[Route, ...] = (
        *http_routes(mesh),
        *grpc_routes(mesh),
        *tls_routes(mesh),
        *tcp_routes(mesh),
    )
    return tuple(
        _attachment(mesh, route, index, parent)
        for route in routes
        for index, parent in enumerate(route.spec.parent_refs)
    )


def _attachment(mesh: Mesh, route: Route, index: int, parent: ParentReference) -> Attachment:
    ref, state = _parent(mesh, route, parent)
    if state is None and not _is_read(mesh, route):
        state = AttachmentState.KIND_NOT_READ
    candidates = candidates_of(mesh, ref, parent.section_name, parent.port, route.KIND)
    bindings: tuple[ListenerBinding, ...] = ()
    if state is None:
        meeting = _meeting(route, candidates)
        bindings = tuple(
            _bindings(mesh, route, parents_of_routes(mesh)[ref], meeting) if meeting else ()
        )
        state = _state(mesh, route, candidates, meeting, bindings)
    certain = [each for each in bindings if each.is_known]
    return Attachment(
        route=route,
        index=index,
        parent_reference=parent,
        parent=ref,
        state=state,
        bindings=bindings,
        servers=tuple(each.server for each in certain),
        candidates=candidates.listeners,
        hosts=tuple(dict.fromkeys(host for each in certain for host in _served(each))),
    )


def _is_read(mesh: Mesh, route: Route) -> bool:
    support = gateway_api_support(mesh)
    return {TlsRoute: support.takes_tls, TcpRoute: support.takes_tcp}.get(type(route), True)


def _served(binding: ListenerBinding) -> Iterator[str]:
    own = binding.server.hostname or ANY
    shared = (meet(own, hostname) for hostname in binding.hostnames)
    return (host for host in shared if host is not None)


def _parent(
    mesh: Mesh, route: Route, parent: ParentReference
) -> tuple[Ref, AttachmentState | None]:
    namespace = parent.namespace or route.namespace
    if parent.kind and parent.kind in LISTENER_SET_KINDS:
        ref = Ref(parent.group or GATEWAY_API, parent.kind, namespace, parent.name)
        gateway = gateways_of_listener_sets(mesh).get(ref)
        return ref, _gateway_state(mesh, gateway) if gateway else _set_state(mesh, ref)
    ref = gateway_ref(namespace, parent.name)
    if parent.kind not in (None, "Gateway"):
        return ref, AttachmentState.FOREIGN
    return ref, _gateway_state(mesh, ref)


@question(Kind.LISTENER_SET, Kind.X_LISTENER_SET)
def _set_state(mesh: Mesh, listeners: Ref) -> AttachmentState:
    """Return what becomes of routes to a ListenerSet that adds to no Gateway."""
    is_experimental = listeners.kind == XListenerSet.KIND.value.kind
    kind = Kind.X_LISTENER_SET if is_experimental else Kind.LISTENER_SET
    is_known = mesh.is_complete(kind, listeners.namespace, listeners.name)
    is_there = any(each.ref == listeners for each in listener_sets(mesh))
    return AttachmentState.NO_PARENT if is_known and not is_there else AttachmentState.UNKNOWN


@question
def gateways_of_listener_sets(mesh: Mesh) -> Mapping[Ref, Ref]:
    """Return the Gateway that each ListenerSet names, whether or not there is one."""
    return {
        each.ref: gateway
        for each in listener_sets(mesh)
        if (gateway := gateway_of(each)) is not None
    }


@question(Kind.GATEWAY)
def _gateway_state(mesh: Mesh, gateway: Ref) -> AttachmentState | None:
    """Return what a Gateway that is not Istio's makes of any attachment; else None."""
    if gateway in api_gateways_by_ref(mesh):
        return None
    if mesh.get(Gateway, gateway.namespace, gateway.name):
        return AttachmentState.FOREIGN
    known = mesh.is_complete(Kind.GATEWAY, gateway.namespace, gateway.name)
    return AttachmentState.NO_PARENT if known else AttachmentState.UNKNOWN


def _meeting(route: Route, candidates: ListenersByHostname) -> Mapping[Server, tuple[str, ...]]:
    """Return the listeners that have names in common with a route, and its hostnames there."""
    found: dict[Server, list[str]] = defaultdict(list)
    for hostname in hostnames_of(route) or (ANY,):
        for server in candidates.meeting(hostname):
            found[server].append(hostname)
    in_order = sorted(found, key=lambda each: each.gateway_name) if len(found) > 1 else found
    return {server: tuple(dict.fromkeys(found[server])) for server in in_order}


def _bindings(
    mesh: Mesh, route: Route, parent: Parent, meeting: Mapping[Server, tuple[str, ...]]
) -> Iterator[ListenerBinding]:
    for server, hostnames in meeting.items():
        admitted = _admits(mesh, server, route)
        if admitted is False:
            continue
        left = _left(route, parent, server, hostnames)
        if left:
            known = admitted is True and not server.unknown_because
            yield ListenerBinding(server=server, hostnames=left, is_known=known)


def _left(
    route: Route, parent: Parent, server: Server, hostnames: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the hostnames for which istiod makes VirtualServices of a route on a listener.

    Of a TLSRoute those that both have (route_collections.go:529); a TCPRoute takes everything.
    """
    if route.KIND in ISOLATED_KINDS:
        return tuple(each for each in hostnames if parent.taken_by(server, each) is None)
    if isinstance(route, TlsRoute) and server.hostname:
        return common_hosts(hostnames, (server.hostname,))
    return hostnames


def _admits(mesh: Mesh, server: Server, route: Route) -> bool | None:
    """Whether a listener takes a route of this kind and namespace."""
    if route.KIND.value.kind not in server.route_kinds:
        return False
    allowed = server.allowed_routes
    if allowed is None or allowed.names is None or route.namespace in allowed.names:
        return True
    if allowed.policy != "Selector" or allowed.selector is None:
        return False
    return takes_namespace(mesh, allowed.selector, route.namespace)


def _state(
    mesh: Mesh,
    route: Route,
    candidates: ListenersByHostname,
    meeting: Mapping[Server, tuple[str, ...]],
    bindings: tuple[ListenerBinding, ...],
) -> AttachmentState:
    if bindings:
        is_known = any(each.is_known for each in bindings)
        return AttachmentState.ATTACHED if is_known else AttachmentState.UNKNOWN
    if not candidates.listeners:
        return AttachmentState.NO_LISTENER
    kind = route.KIND.value.kind
    if not any(kind in each.route_kinds for each in candidates.listeners):
        return AttachmentState.KIND_NOT_ALLOWED
    met = [each for each in meeting if kind in each.route_kinds]
    if not met:
        return AttachmentState.NO_HOSTNAME
    if any(_admits(mesh, each, route) for each in met):
        return AttachmentState.ISOLATED
    return AttachmentState.NOT_ALLOWED


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
