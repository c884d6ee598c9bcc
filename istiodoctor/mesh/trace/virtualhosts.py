"""Virtual hosts as Envoy gets them: which one a Host reaches, and its routes in their order.

Sources: istiod's networking/core/gateway.go and route.go (`SortVHostRoutes`), push_context.go
(`VirtualServicesForGateway`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from istiodoctor.mesh.attachments import attachments_of
from istiodoctor.mesh.hosts import covers, meet, specificity
from istiodoctor.mesh.merging import Listener
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.redirects import redirecting_servers
from istiodoctor.mesh.routing import Binding, BoundRule, bindings_meeting, http_rules, is_visible
from istiodoctor.mesh.servers import GatewayApi, Server
from istiodoctor.mesh.trace.matching import (
    Arrival,
    applies,
    comes_from,
    every,
    precedence,
    takes,
    takes_api,
    takes_everything,
)
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.gatewayapi import HttpRoute, HttpRouteMatch, HttpRouteRule
from istiodoctor.model.istio import HttpMatch, HttpRule, VirtualService
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place, Ref

EVERYTHING = HttpMatch()
EVERY_PATH = HttpRouteMatch()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """One route of a virtual host: one match of one rule."""

    server: Server
    place: Place
    """The rule."""
    owner: Ref
    """The VirtualService or HTTPRoute in force: the root one of a delegation."""
    bound: BoundRule | None = None
    match: HttpMatch = EVERYTHING
    api_rule: HttpRouteRule | None = None
    """Instead of `bound`, for a route of the Gateway API."""
    api_match: HttpRouteMatch = EVERY_PATH

    @property
    def rule(self) -> HttpRule | None:
        """The rule of a VirtualService."""
        return self.bound.rule if self.bound else None

    @property
    def is_last(self) -> bool:
        """Whether istiod moves it behind the others."""
        return self.bound is not None and takes_everything(self.match)

    def takes(self, arrival: Arrival, workload: Workload) -> bool | None:
        """Whether it answers a request; None when that cannot be told."""
        if self.bound is None:
            return takes_api(self.api_match, arrival)
        request = arrival.request
        return every((comes_from(self.match, request, workload), takes(self.match, arrival)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VirtualHost:
    """What Envoy knows under one domain on one listener or, with TLS, one server."""

    domain: str
    sources: tuple[Ref, ...]
    """The VirtualServices and HTTPRoutes that it has routes of."""
    routes: tuple[Route, ...]
    """In the order in which Envoy asks them."""
    redirects: Place | None
    """What sends plain requests to HTTPS, all of them."""


@question(Kind.HTTP_ROUTE)
def http_routes_are_known(mesh: Mesh) -> bool:
    """Whether an HTTPRoute that is not here does not exist."""
    return mesh.is_complete(Kind.HTTP_ROUTE)


@question
def virtual_host(
    mesh: Mesh, listener: Listener, server: Server | None, host: str
) -> VirtualHost | None:
    """Return the virtual host that a Host reaches; None where Envoy has none.

    Plain servers of one listener share their virtual hosts; a TLS server has its own. Envoy
    takes the most specific domain and does not fall through to another.
    """
    servers = (server,) if server else listener.servers
    bound = [
        (domain, each, binding)
        for each in servers
        for domain, binding in _bound_for(mesh, each, host, listener.workload)
    ]
    attached = [
        (domain, each, route) for each in servers for domain, route in _attached(mesh, each, host)
    ]
    bare = (name for each in servers if each.https_redirect for name in each.names)
    domains = {
        *(domain for domain, *_ in bound),
        *(domain for domain, *_ in attached),
        *(name for name in bare if covers(name, host)),
    }
    if not domains:
        return None
    domain = min(domains, key=specificity)
    chosen = [(each, binding.virtual_service) for at, each, binding in bound if at == domain]
    routes = [
        route
        for each, source in chosen
        for route in _routes(mesh, each, source, listener.workload)
    ]
    api = [(each, route) for at, each, route in attached if at == domain]
    owners = (*(each.ref for _, each in chosen), *(each.ref for _, each in api))
    return VirtualHost(
        domain=domain,
        sources=tuple(dict.fromkeys(owners)),
        routes=(*_sorted(routes), *_api_routes(api)),
        redirects=_redirects(mesh, listener, server, domain),
    )


def _bound_for(
    mesh: Mesh, server: Server, host: str, workload: Workload
) -> Iterator[tuple[str, Binding]]:
    """Yield the visible bindings that have a host, each with the domain it gives, in order."""
    seen = [
        each
        for each in bindings_meeting(mesh, server, host)
        if is_visible(mesh, each.virtual_service, workload) is not False
    ]
    for binding in sorted(seen, key=lambda each: _visibility(each.virtual_service, workload)):
        covering = (each for each in binding.hosts if covers(each, host))
        yield min(covering, key=specificity), binding


def _attached(mesh: Mesh, server: Server, host: str) -> Iterator[tuple[str, HttpRoute]]:
    if server.api is not GatewayApi.GATEWAY_API:
        return
    for attachment in attachments_of(mesh, server):
        route = attachment.route
        if not isinstance(route, HttpRoute):
            continue
        shared = (
            common
            for own in server.names
            for name in route.spec.hostnames or ("*",)
            if (common := meet(own, name)) is not None and covers(common, host)
        )
        domain = min(shared, key=specificity, default=None)
        if domain is not None:
            yield domain, route


def _routes(
    mesh: Mesh, server: Server, source: VirtualService, workload: Workload
) -> Iterator[Route]:
    """Yield the routes that istiod makes of a VirtualService: none after a catch-all."""
    for bound in http_rules(mesh, source):
        for match in bound.rule.match or (EVERYTHING,):
            if not applies(match, bound, server, workload):
                continue
            route = Route(
                server=server, place=bound.place, owner=source.ref, bound=bound, match=match
            )
            yield route
            if route.is_last and not match.source_namespace:
                return


def _redirects(mesh: Mesh, listener: Listener, server: Server | None, domain: str) -> Place | None:
    if server is None:
        found = next(iter(redirecting_servers(mesh, listener).same(domain)), None)
    else:
        found = server if server.https_redirect else None
    return found.field("/tls/httpsRedirect") if found else None


def _visibility(source: VirtualService, workload: Workload) -> int:
    """Order as istiod collects: its own namespace's, those exported to it by name, public ones."""
    export_to = source.spec.export_to
    if not export_to or "*" in export_to:
        return 2
    return 0 if "." in export_to and source.namespace == workload.namespace else 1


def _sorted(routes: Iterable[Route]) -> Iterator[Route]:
    """Yield the routes as Envoy gets them: those that take everything move to the end."""
    yield from sorted(routes, key=lambda each: each.is_last)


def _api_routes(attached: Iterable[tuple[Server, HttpRoute]]) -> list[Route]:
    oldest_first = sorted(attached, key=lambda each: each[1].age_order)
    routes = [
        Route(
            server=server,
            place=route.at(f"/spec/rules/{index}"),
            owner=route.ref,
            api_rule=rule,
            api_match=match,
        )
        for server, route in oldest_first
        for index, rule in enumerate(route.spec.rules)
        for match in rule.matches or (EVERY_PATH,)
    ]
    return sorted(routes, key=lambda each: precedence(each.api_match))
