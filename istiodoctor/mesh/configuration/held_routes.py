"""Routes of the Gateway API as the VirtualServices that istiod makes of them.

Source: pilot/pkg/config/kube/gateway/route_collections.go, controller.go:363-385. What services of
the mesh as parents get (`mesh`) is left out: no gateway has it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from istiodoctor.mesh.configuration.api_backends import (
    Backend,
    RouteFault,
    Surroundings,
    backends,
    total_weight,
)
from istiodoctor.mesh.configuration.api_layer4 import (
    ConvertedLayer4,
    constrained,
    tcp_rules,
    tls_rules,
)
from istiodoctor.mesh.configuration.api_matches import in_order
from istiodoctor.mesh.configuration.api_rules import ConvertedRoute, grpc_rules, http_rules
from istiodoctor.mesh.configuration.held import HeldHttpRule, HeldVirtualService, Semantics
from istiodoctor.mesh.gateways.api_gateways import GENERATED
from istiodoctor.mesh.gateways.api_routes import Route
from istiodoctor.mesh.gateways.attachments import Attachment, ListenerBinding, attachments
from istiodoctor.mesh.hosts import ANY
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.api_releases import gateway_api_support
from istiodoctor.mesh.workloads.grants import is_granted
from istiodoctor.model.gatewayapi import HttpRoute, TcpRoute, TlsRoute
from istiodoctor.model.grpcroute import GrpcRoute
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.routefilters import ObjectReference
from istiodoctor.model.services import Service

UNREAD_LABELS = "the labels of its namespace were not read"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundRoute:
    """One hostname of a route on one listener: a VirtualService before those alike are merged."""

    route: Route
    name: str
    """istiod's, by which it orders routes of one age and namespace."""
    hostname: str
    binding: ListenerBinding

    @property
    def order(self) -> tuple[str, str, str]:
        """The order of routes of one listener and hostname (conversion.go:84)."""
        return (self.route.age_order[0], self.route.namespace, self.name)


@question
def held_routes_of_gateway(mesh: Mesh, gateway_name: str) -> tuple[HeldVirtualService, ...]:
    """Return the VirtualServices that istiod makes of routes on one listener, oldest first.

    `gateway_name` is `Server.gateway_name`. HTTPRoutes and GRPCRoutes of one hostname are one
    VirtualService there.
    """
    by_hostname: dict[str, list[BoundRoute]] = defaultdict(list)
    held = []
    for each in _bound_routes(mesh).get(gateway_name, ()):
        if isinstance(each.route, HttpRoute | GrpcRoute):
            # istiod makes nothing of a route without rules, or with one that it refuses.
            if converted_http_route(mesh, each.route).rules:
                by_hostname[each.hostname].append(each)
        else:
            held.append(_held_layer4(mesh, each))
    held += [_merged(mesh, gateway_name, found) for found in by_hostname.values()]
    return tuple(sorted(held, key=lambda each: each.age_order))


@question(evidence=[gateway_api_support])
def converted_http_route(mesh: Mesh, route: HttpRoute | GrpcRoute) -> ConvertedRoute:
    """Return what istiod makes of the rules of an HTTPRoute or GRPCRoute."""
    around = _surroundings(mesh, route.ref)
    if isinstance(route, GrpcRoute):
        return grpc_rules(route, around)
    return http_rules(route, around)


@question(evidence=[gateway_api_support])
def converted_layer4_route(mesh: Mesh, route: TlsRoute | TcpRoute) -> ConvertedLayer4:
    """Return what istiod makes of the rules of a TLSRoute or TCPRoute."""
    around = _surroundings(mesh, route.ref)
    return tls_rules(route, around) if isinstance(route, TlsRoute) else tcp_rules(route, around)


@question(evidence=[gateway_api_support])
def backends_of_route(mesh: Mesh, route: Route) -> tuple[Backend, ...]:
    """Return the backends of a route that get requests; none where istiod refuses the route.

    Also those that it may not refer to, or that are of a kind which istiod does not know.
    """
    around = _surroundings(mesh, route.ref)
    references: Sequence[tuple[ObjectReference, ...]]
    references = [rule.backend_refs for rule in route.spec.rules]
    found: list[Backend] = []
    try:
        for index, each in enumerate(references):
            if total_weight(each):
                found += backends(each, f"/spec/rules/{index}/backendRefs", route.ref, around)
    except RouteFault:
        return ()
    return tuple(found)


def _surroundings(mesh: Mesh, origin: Ref) -> Surroundings:
    return Surroundings(
        is_granted=lambda target: is_granted(mesh, origin, target),
        service_exists=lambda namespace, name: _service_exists(mesh, namespace, name),
        status_without_backends=gateway_api_support(mesh).status_without_backends,
    )


@question(Kind.SERVICE)
def _service_exists(mesh: Mesh, namespace: str, name: str) -> bool | None:
    if mesh.get(Service, namespace, name):
        return True
    return False if mesh.is_complete(Kind.SERVICE, namespace, name) else None


@question
def _bound_routes(mesh: Mesh) -> Mapping[str, tuple[BoundRoute, ...]]:
    """Return each hostname of each route on each listener that takes it, by the listener."""
    by_route: dict[Route, list[Attachment]] = defaultdict(list)
    for attachment in attachments(mesh):
        if attachment.bindings:
            by_route[attachment.route].append(attachment)
    found: dict[str, list[BoundRoute]] = defaultdict(list)
    for route, attached in by_route.items():
        for each in _bound(route, attached):
            found[each.binding.server.gateway_name].append(each)
    return {name: tuple(routes) for name, routes in found.items()}


def _bound(route: Route, attached: Sequence[Attachment]) -> Iterator[BoundRoute]:
    """Yield the hostnames of a route by listener, numbered as istiod does.

    A listener that two parentRefs name gets a route once: the second time changes no answer.
    """
    pairs = {
        (binding.server.gateway_name, hostname): binding
        for attachment in attached
        for binding in attachment.bindings
        for hostname in binding.hostnames
    }
    infix = {TlsRoute: "tls~", TcpRoute: "tcp~"}.get(type(route), "")
    in_turn = sorted(pairs.items(), key=lambda each: each[0][0])
    for number, ((_, hostname), binding) in enumerate(in_turn):
        yield BoundRoute(
            route=route,
            name=f"{route.name}~{infix}{number}~{GENERATED}",
            hostname=hostname,
            binding=binding,
        )


def _merged(mesh: Mesh, gateway_name: str, found: Sequence[BoundRoute]) -> HeldVirtualService:
    """Return the VirtualService of one hostname on one listener (`mergeHTTPRoutes`).

    It has the namespace and the age of its oldest route; all rules are put in one order.
    """
    bound = sorted(found, key=lambda each: each.order)
    first = bound[0].route
    name = f"{gateway_name}/{bound[0].hostname}".replace("/", "~")
    rules = [rule for each in bound for rule in _rules(mesh, each)]
    return HeldVirtualService(
        namespace=first.namespace,
        name=name,
        hosts=(bound[0].hostname,),
        gateways=(gateway_name,),
        http=in_order(rules) if len(bound) > 1 else tuple(rules),
        age_order=(first.age_order[0], name, first.namespace),
        semantics=Semantics.GATEWAY,
        made_by=first.ref,
        unknown_because=UNREAD_LABELS if not any(e.binding.is_known for e in bound) else "",
    )


def _rules(mesh: Mesh, bound: BoundRoute) -> tuple[HeldHttpRule, ...]:
    if not isinstance(bound.route, HttpRoute | GrpcRoute):
        return ()
    rules = converted_http_route(mesh, bound.route).rules
    if bound.binding.is_known:
        return rules
    unknown = bound.binding.server.unknown_because or UNREAD_LABELS
    return tuple(replace(each, unknown_because=each.unknown_because or unknown) for each in rules)


def _held_layer4(mesh: Mesh, bound: BoundRoute) -> HeldVirtualService:
    """Return the VirtualService of a TLSRoute or TCPRoute on one listener.

    The names of a TLSRoute are those that the listener has too (route_collections.go:525).
    """
    route, server = bound.route, bound.binding.server
    assert isinstance(route, TlsRoute | TcpRoute)
    converted = converted_layer4_route(mesh, route)
    tls = constrained(converted.tls, server.hostname) if server.hostname else converted.tls
    return HeldVirtualService(
        namespace=route.namespace,
        name=bound.name,
        hosts=(bound.hostname if isinstance(route, TlsRoute) else ANY,),
        gateways=(server.gateway_name,),
        tls=tls,
        tcp=converted.tcp,
        age_order=(route.age_order[0], bound.name, route.namespace),
        semantics=Semantics.GATEWAY,
        is_tls_route=isinstance(route, TlsRoute),
        made_by=route.ref,
        unknown_because="" if bound.binding.is_known else server.unknown_because or UNREAD_LABELS,
    )
