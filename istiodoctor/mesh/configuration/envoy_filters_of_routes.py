"""What EnvoyFilters change in a gateway's routes, described part by part.

A part that nothing changes gets no words. istiod's own matching decides which parts a patch is for
(pilot/pkg/networking/core/envoyfilter/rc_patch.go).
"""

from collections.abc import Iterable, Iterator
from typing import Any

from istiodoctor.mesh.configuration.envoy_filter_patches import AppliedPatch, applied_patches
from istiodoctor.mesh.configuration.route import DirectResponse, Redirect, Route, VirtualHost
from istiodoctor.mesh.gateways.listeners import merged_gateway
from istiodoctor.mesh.hosts import covers
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.envoy_filter import RouteConfigurationMatch

APPENDING = frozenset({"ADD", "INSERT_AFTER"})


@question
def touched_routes(mesh: Mesh, workload: Workload, route_name: str) -> str:
    """Say what changes a route configuration as a whole."""
    for each in _of_routes(mesh, workload, route_name):
        if each.apply_to == "ROUTE_CONFIGURATION" and each.is_merge:
            return each.says(f"the route configuration {route_name}")
    return ""


@question
def touched_domain(mesh: Mesh, workload: Workload, route_name: str, host: str) -> str:
    """Say what adds a virtual host that may take a request's host."""
    for each in _of_routes(mesh, workload, route_name):
        if each.apply_to == "VIRTUAL_HOST" and each.operation == "ADD":
            names = _domains(each.value)
            if names is None or any(covers(name.lower(), host.lower()) for name in names):
                return f"{each.place.ref} adds a virtual host to {route_name}"
    return ""


@question
def touched_virtual_host(
    mesh: Mesh, workload: Workload, route_name: str, host: VirtualHost
) -> str:
    """Say what changes a virtual host, or may put a route before those that it has."""
    ends_whole = any(each.match.is_catch_all for each in host.routes)
    for each in _of_routes(mesh, workload, route_name):
        if not _is_for_host(each, host):
            continue
        if each.apply_to == "VIRTUAL_HOST" and each.operation != "ADD":
            return each.says(f"the virtual host {host.name}")
        if each.apply_to != "HTTP_ROUTE" or each.is_merge or each.operation == "REMOVE":
            continue
        is_at_the_end = each.operation in APPENDING and not _names_route(each)
        if not (is_at_the_end and ends_whole):
            return f"{each.place.ref} adds a route to the virtual host {host.name}"
    return ""


@question
def touched_route(
    mesh: Mesh, workload: Workload, route_name: str, host: VirtualHost, route: Route
) -> str:
    """Say what changes a route, or takes it away."""
    for each in _of_routes(mesh, workload, route_name):
        if (
            each.apply_to == "HTTP_ROUTE"
            and (each.is_merge or each.operation == "REMOVE")
            and _is_for_host(each, host)
            and _is_for_route(each, route)
        ):
            done = "removes" if each.operation == "REMOVE" else "changes"
            return f"{each.place.ref} {done} a route of the virtual host {host.name}"
    return ""


def _of_routes(mesh: Mesh, workload: Workload, route_name: str) -> Iterator[AppliedPatch]:
    for each in applied_patches(mesh, workload):
        match = each.written.match.route_configuration
        if match is None or _is_for_routes(mesh, workload, match, route_name):
            yield each


def _is_for_routes(
    mesh: Mesh, workload: Workload, match: RouteConfigurationMatch, route_name: str
) -> bool:
    """Whether a match is for a route configuration, by the parts of its name.

    Ports are those of the Service (rc_patch.go:290-330).
    """
    port, port_name, gateway = _parsed(route_name)
    if match.name not in ("", route_name):
        return False
    if match.port_name not in ("", port_name) or match.gateway not in ("", gateway):
        return False
    return match.port_number == 0 or match.port_number in _service_ports(mesh, workload, port)


def _parsed(route_name: str) -> tuple[int, str, str]:
    """Return port, name of the port and Gateway (`ParseGatewayRDSRouteName`, gateway.go:645)."""
    parts = route_name.split(".")
    if parts[0] == "http":
        return _number(".".join(parts[1:])), "", ""
    if parts[0] == "https" and len(parts) == 5:
        return _number(parts[1]), parts[2], f"{parts[4]}/{parts[3]}"
    return 0, "", ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0


def _service_ports(mesh: Mesh, workload: Workload, port: int) -> Iterable[int]:
    """Return the ports of servers that are at a port of the pods; the port itself without."""
    found = {
        server.port
        for listener in merged_gateway(mesh, workload).listeners
        if listener.port == port
        for server in listener.servers
    }
    return found or {port}


def _is_for_host(patch: AppliedPatch, host: VirtualHost) -> bool:
    match = patch.written.match.route_configuration
    asked = match.vhost if match else None
    if asked is None:
        return True
    if asked.name not in ("", host.name):
        return False
    return not asked.domain_name or asked.domain_name.lower() in host.domains


def _names_route(patch: AppliedPatch) -> bool:
    match = patch.written.match.route_configuration
    return bool(match and match.vhost and match.vhost.route)


def _is_for_route(patch: AppliedPatch, route: Route) -> bool:
    match = patch.written.match.route_configuration
    asked = match.vhost.route if match and match.vhost else None
    if asked is None:
        return True
    if asked.name and asked.name != route.name:
        return False
    action = "ROUTE"
    if isinstance(route.action, Redirect):
        action = "REDIRECT"
    elif isinstance(route.action, DirectResponse):
        action = "DIRECT_RESPONSE"
    return asked.action in ("", "ANY", action)


def _domains(value: Any) -> list[str] | None:
    """Return the domains of a virtual host that is added; None where they are not clear."""
    domains = value.get("domains") if isinstance(value, dict) else None
    if not isinstance(domains, list) or not all(isinstance(each, str) for each in domains):
        return None
    return domains
