"""Virtual hosts: which domains a route configuration has, and the routes of each.

Source: `buildGatewayHTTPRouteConfig` (pilot/pkg/networking/core/gateway.go:395-600).
"""

from collections.abc import Callable, Mapping

import msgspec

from istiodoctor.mesh.configuration.bound import virtual_services_for_gateway
from istiodoctor.mesh.configuration.held import HeldVirtualService
from istiodoctor.mesh.configuration.route import Route, RouteConfiguration, VirtualHost
from istiodoctor.mesh.configuration.service_registry import (
    destination_cluster_name,
    service_for,
)
from istiodoctor.mesh.configuration.translation import RouteContext, has_routes, routes_of
from istiodoctor.mesh.configuration.virtual_host_match import DomainIndex
from istiodoctor.mesh.gateways.listeners import merged_gateway
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import Destination
from istiodoctor.model.ref import Place
from istiodoctor.model.value import Value


class Section(Value, frozen=True, kw_only=True, eq=False):
    """The routes of one VirtualService within a virtual host."""

    source: HeldVirtualService
    context: RouteContext
    server: Server
    """The first server of the Gateway that it meets: its port is that of the routes."""


class Domain(msgspec.Struct, kw_only=True, eq=False):
    """One domain of a route configuration before its routes are made."""

    sections: list[Section] = msgspec.field(default_factory=list)
    redirected_by: Place | None = None
    servers: list[Server] = msgspec.field(default_factory=list)


@question
def domains(mesh: Mesh, workload: Workload, route_name: str) -> Mapping[str, Domain]:
    """Return the domains of a route configuration, lower case, with what their routes come from.

    The routes of a VirtualService are made once for each Gateway, with the port of its first
    server that they meet.
    """
    servers = merged_gateway(mesh, workload).servers_by_route.get(route_name, ())
    found: dict[str, Domain] = {}
    made: dict[tuple[str, HeldVirtualService], Section] = {}
    for server in servers:
        bound = virtual_services_for_gateway(mesh, workload, server.gateway_name)
        context: RouteContext | None = None
        for source, hosts in bound.meeting(server):
            section = made.get((server.gateway_name, source))
            if section is None:
                context = context or server_context(server, workload)
                if not has_routes(source, context):
                    continue
                section = Section(source=source, context=context, server=server)
                made[server.gateway_name, source] = section
            for host in hosts:
                _add(found, host.lower(), server).sections.append(section)
        if server.https_redirect:
            for host in server.host_texts:
                _add(found, host.lower(), server)
    return found


def _add(found: dict[str, Domain], name: str, server: Server) -> Domain:
    domain = found.get(name)
    if domain is None:
        domain = found[name] = Domain()
    domain.servers.append(server)
    if server.https_redirect and domain.redirected_by is None:
        domain.redirected_by = server.field("/tls/httpsRedirect")
    return domain


def server_context(server: Server, workload: Workload | None = None) -> RouteContext:
    """Return for what the routes of a server are made; without pods, as far as it is known."""
    return RouteContext(
        gateway_name=server.gateway_name,
        port=server.port,
        is_tls=server.has_tls,
        proxy_namespace=workload.namespace if workload else "",
        proxy_labels=workload.labels if workload else {},
    )


@question
def domain_index(mesh: Mesh, workload: Workload, route_name: str) -> DomainIndex[str]:
    """Return the domains of a route configuration, to be found by a request's Host."""
    return DomainIndex((each, each) for each in domains(mesh, workload, route_name))


@question
def virtual_host(mesh: Mesh, workload: Workload, route_name: str, domain: str) -> VirtualHost:
    """Return the virtual host of one domain that the route configuration has.

    Routes that take everything move behind the others (`SortVHostRoutes`, route.go:1613).
    """
    found = domains(mesh, workload, route_name)[domain]
    routes = [
        route for section in found.sections for route in section_routes(mesh, workload, section)
    ]
    routes.sort(key=lambda each: each.match.is_catch_all)
    owners = dict.fromkeys(each.owner for each in routes)
    return VirtualHost(
        name=f"{domain}:{found.servers[0].port}",
        domains=(domain,),
        routes=tuple(routes),
        require_tls=found.redirected_by is not None,
        redirected_by=found.redirected_by,
        owners=tuple(owners),
    )


@question
def section_routes(mesh: Mesh, workload: Workload, section: Section) -> tuple[Route, ...]:
    """Return the routes that a VirtualService has in a route configuration."""
    return routes_of(section.source, section.context, _cluster_names(mesh, workload, section))


def _cluster_names(
    mesh: Mesh, workload: Workload, section: Section
) -> Callable[[Destination], str]:
    def name(destination: Destination) -> str:
        service = service_for(mesh, workload, destination.host, section.source.namespace)
        return destination_cluster_name(destination, service, section.context.port)

    return name


@question
def route_configuration(mesh: Mesh, workload: Workload, name: str) -> RouteConfiguration:
    """Return a whole route configuration, its virtual hosts in the order of their names."""
    hosts = [virtual_host(mesh, workload, name, each) for each in domains(mesh, workload, name)]
    return RouteConfiguration(
        name=name, virtual_hosts=tuple(sorted(hosts, key=lambda each: each.name))
    )
