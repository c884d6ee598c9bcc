"""Gateway API objects (API reference: gateway-api.sigs.k8s.io/reference/spec)."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from istiodoctor.model.kind import Kind
from istiodoctor.model.kubernetes import LabelSelector
from istiodoctor.model.metadata import Condition, Fields, Resource
from istiodoctor.model.routefilters import ObjectReference, RouteFilter


class GatewayClassSpec(Fields, frozen=True, kw_only=True):
    """`GatewayClass.spec`."""

    controller_name: str = ""


class GatewayClass(Resource, frozen=True, kw_only=True):
    """Which controller serves a class of Gateways."""

    KIND: ClassVar[Kind] = Kind.GATEWAY_CLASS
    spec: GatewayClassSpec = GatewayClassSpec()


class FrontendValidation(Fields, frozen=True, kw_only=True):
    """Client certificate validation, of a listener (an experiment) or of a port."""

    ca_certificate_refs: tuple[ObjectReference, ...] = ()
    mode: str = "AllowValidOnly"


class ListenerTls(Fields, frozen=True, kw_only=True):
    """`listeners[].tls`; the default mode is Terminate."""

    mode: str = "Terminate"
    certificate_refs: tuple[ObjectReference, ...] = ()
    options: Mapping[str, str] = msgspec.field(default_factory=dict)
    frontend_validation: FrontendValidation | None = None


class PortTls(Fields, frozen=True, kw_only=True):
    """What all listeners of a port ask of clients."""

    validation: FrontendValidation | None = None


class PortTlsEntry(Fields, frozen=True, kw_only=True):
    """`spec.tls.frontend.perPort[]`."""

    port: int = 0
    tls: PortTls = PortTls()


class FrontendTls(Fields, frozen=True, kw_only=True):
    """`spec.tls.frontend`: the default, and what replaces it on some ports."""

    default: PortTls = PortTls()
    per_port: tuple[PortTlsEntry, ...] = ()


class GatewayTls(Fields, frozen=True, kw_only=True):
    """`Gateway.spec.tls`, as far as it is about clients."""

    frontend: FrontendTls | None = None


class RouteNamespaces(Fields, frozen=True, kw_only=True):
    """From which namespaces routes may attach; the default is the Gateway's own."""

    from_: str = msgspec.field(default="Same", name="from")
    selector: LabelSelector | None = None


class RouteKind(Fields, frozen=True, kw_only=True):
    """A kind of route a listener accepts."""

    group: str | None = None
    kind: str = ""


class AllowedRoutes(Fields, frozen=True, kw_only=True):
    """`listeners[].allowedRoutes`."""

    namespaces: RouteNamespaces = RouteNamespaces()
    kinds: tuple[RouteKind, ...] = ()


class Listener(Fields, frozen=True, kw_only=True):
    """One listener of a Gateway or ListenerSet."""

    name: str = ""
    hostname: str = ""
    port: int = 0
    protocol: str = ""
    tls: ListenerTls | None = None
    allowed_routes: AllowedRoutes = AllowedRoutes()


class GatewayAddress(Fields, frozen=True, kw_only=True):
    """An address of a Gateway; of type Hostname it names an existing Service."""

    type: str = "IPAddress"
    value: str = ""


class AllowedListeners(Fields, frozen=True, kw_only=True):
    """From which namespaces ListenerSets may attach; none by default."""

    namespaces: RouteNamespaces | None = None


class GatewaySpec(Fields, frozen=True, kw_only=True):
    """`Gateway.spec`."""

    gateway_class_name: str = ""
    listeners: tuple[Listener, ...] = ()
    addresses: tuple[GatewayAddress, ...] = ()
    allowed_listeners: AllowedListeners | None = None
    tls: GatewayTls | None = None


class ListenerStatus(Fields, frozen=True, kw_only=True):
    """What the controller says of one listener."""

    name: str = ""
    attached_routes: int = 0
    """How many routes it has counted on the listener: routes that it reads."""
    conditions: tuple[Condition, ...] = ()


class GatewayStatus(Fields, frozen=True, kw_only=True):
    """`Gateway.status`."""

    addresses: tuple[GatewayAddress, ...] = ()
    conditions: tuple[Condition, ...] = ()
    listeners: tuple[ListenerStatus, ...] = ()


class Gateway(Resource, frozen=True, kw_only=True):
    """A Gateway API Gateway."""

    KIND: ClassVar[Kind] = Kind.GATEWAY
    spec: GatewaySpec = GatewaySpec()
    status: GatewayStatus = GatewayStatus()


class ParentReference(Fields, frozen=True, kw_only=True):
    """The Gateway, ListenerSet or Service a route attaches to."""

    group: str | None = None
    kind: str | None = None
    name: str = ""
    namespace: str = ""
    section_name: str = ""
    port: int = 0


class ListenerSetSpec(Fields, frozen=True, kw_only=True):
    """`ListenerSet.spec`."""

    parent_ref: ParentReference = ParentReference()
    listeners: tuple[Listener, ...] = ()


class ListenerSetStatus(Fields, frozen=True, kw_only=True):
    """`ListenerSet.status`."""

    conditions: tuple[Condition, ...] = ()
    listeners: tuple[ListenerStatus, ...] = ()


class ListenerSet(Resource, frozen=True, kw_only=True):
    """A ListenerSet: listeners that others add to a Gateway."""

    KIND: ClassVar[Kind] = Kind.LISTENER_SET
    spec: ListenerSetSpec = ListenerSetSpec()
    status: ListenerSetStatus = ListenerSetStatus()


class XListenerSet(ListenerSet, frozen=True, kw_only=True):
    """The experimental form of a ListenerSet."""

    KIND: ClassVar[Kind] = Kind.X_LISTENER_SET


class PathMatch(Fields, frozen=True, kw_only=True):
    """A path of an HTTPRoute match; the default is the prefix `/`."""

    type: str = "PathPrefix"
    value: str = "/"


class NamedMatch(Fields, frozen=True, kw_only=True):
    """A header or query parameter match."""

    type: str = "Exact"
    name: str = ""
    value: str = ""


class HttpRouteMatch(Fields, frozen=True, kw_only=True):
    """`rules[].matches[]`: all fields must hold."""

    path: PathMatch = PathMatch()
    method: str = ""
    headers: tuple[NamedMatch, ...] = ()
    query_params: tuple[NamedMatch, ...] = ()


class HttpBackendReference(ObjectReference, frozen=True, kw_only=True):
    """`rules[].backendRefs[]`, with filters of its own."""

    filters: tuple[RouteFilter, ...] = ()


class HttpRouteRule(Fields, frozen=True, kw_only=True):
    """`HTTPRoute.spec.rules[]`; without `matches` it takes every path."""

    name: str = ""
    matches: tuple[HttpRouteMatch, ...] = (HttpRouteMatch(),)
    filters: tuple[RouteFilter, ...] = ()
    backend_refs: tuple[HttpBackendReference, ...] = ()


class RouteParentStatus(Fields, frozen=True, kw_only=True):
    """What a controller says of one parentRef."""

    parent_ref: ParentReference = ParentReference()
    controller_name: str = ""
    conditions: tuple[Condition, ...] = ()


class RouteStatus(Fields, frozen=True, kw_only=True):
    """`status` of a route."""

    parents: tuple[RouteParentStatus, ...] = ()


class HttpRouteSpec(Fields, frozen=True, kw_only=True):
    """`HTTPRoute.spec`; without `rules` it has one that takes every path and has no backend."""

    parent_refs: tuple[ParentReference, ...] = ()
    hostnames: tuple[str, ...] = ()
    rules: tuple[HttpRouteRule, ...] = (HttpRouteRule(),)


class HttpRoute(Resource, frozen=True, kw_only=True):
    """An HTTPRoute."""

    KIND: ClassVar[Kind] = Kind.HTTP_ROUTE
    spec: HttpRouteSpec = HttpRouteSpec()
    status: RouteStatus = RouteStatus()


class TlsRouteRule(Fields, frozen=True, kw_only=True):
    """`TLSRoute.spec.rules[]`."""

    backend_refs: tuple[ObjectReference, ...] = ()


class TlsRouteSpec(Fields, frozen=True, kw_only=True):
    """`TLSRoute.spec`."""

    parent_refs: tuple[ParentReference, ...] = ()
    hostnames: tuple[str, ...] = ()
    rules: tuple[TlsRouteRule, ...] = ()


class TlsRoute(Resource, frozen=True, kw_only=True):
    """A TLSRoute."""

    KIND: ClassVar[Kind] = Kind.TLS_ROUTE
    spec: TlsRouteSpec = TlsRouteSpec()
    status: RouteStatus = RouteStatus()


class TcpRouteRule(Fields, frozen=True, kw_only=True):
    """`TCPRoute.spec.rules[]`."""

    backend_refs: tuple[ObjectReference, ...] = ()


class TcpRouteSpec(Fields, frozen=True, kw_only=True):
    """`TCPRoute.spec`."""

    parent_refs: tuple[ParentReference, ...] = ()
    rules: tuple[TcpRouteRule, ...] = ()


class TcpRoute(Resource, frozen=True, kw_only=True):
    """A TCPRoute."""

    KIND: ClassVar[Kind] = Kind.TCP_ROUTE
    spec: TcpRouteSpec = TcpRouteSpec()
    status: RouteStatus = RouteStatus()


class GrantFrom(Fields, frozen=True, kw_only=True):
    """Who may refer."""

    group: str = ""
    kind: str = ""
    namespace: str = ""


class GrantTo(Fields, frozen=True, kw_only=True):
    """What may be referred to; no name means all of the kind."""

    group: str = ""
    kind: str = ""
    name: str = ""


class ReferenceGrantSpec(Fields, frozen=True, kw_only=True):
    """`ReferenceGrant.spec`."""

    from_: tuple[GrantFrom, ...] = msgspec.field(default=(), name="from")
    to: tuple[GrantTo, ...] = ()


class ReferenceGrant(Resource, frozen=True, kw_only=True):
    """Permission for references into its own namespace."""

    KIND: ClassVar[Kind] = Kind.REFERENCE_GRANT
    spec: ReferenceGrantSpec = ReferenceGrantSpec()
