"""HTTP requests that show what clients get."""

from collections.abc import Iterator
from dataclasses import replace

import msgspec

from istiodoctor.mesh.configuration.listener import HttpOptions
from istiodoctor.mesh.configuration.mesh_options import http_options
from istiodoctor.mesh.configuration.received_request import ReceivedRequest, received
from istiodoctor.mesh.configuration.redirects import HTTP_PORT, plain_hosts_for, tls_hosts_meeting
from istiodoctor.mesh.configuration.request import MOST_URL, Request, requested
from istiodoctor.mesh.configuration.route import PathComparison, Route
from istiodoctor.mesh.configuration.route_match import takes
from istiodoctor.mesh.configuration.virtual_host_match import matched_host
from istiodoctor.mesh.configuration.virtual_hosts import domain_index, virtual_host
from istiodoctor.mesh.exposure.access_points import (
    AccessPointGroup,
    is_for_clients,
    is_public,
    names_to_ask,
    url_access_points,
    url_access_points_by_name,
    url_of,
)
from istiodoctor.mesh.exposure.services import HTTPS_PORT
from istiodoctor.mesh.gateways.listeners import listeners_of
from istiodoctor.mesh.gateways.merging import Listener, route_name
from istiodoctor.mesh.hosts import is_wildcard
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.observations.certificates import servers_by_id
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.observation import HttpTarget, TlsTarget

Ranked = tuple[int, TlsTarget | HttpTarget]

MOST_PATHS = 20
"""How many routes of a host are asked for a path that they take."""
BY_NAME = 5
"""The rank of what names resolve to: behind the gateway's own addresses."""


def http_targets(
    mesh: Mesh,
    listener: Listener,
    listeners: list[Listener],
    point_groups: tuple[AccessPointGroup, ...],
    outside: frozenset[str],
) -> Iterator[Ranked]:
    """Yield the requests that are worth a look at a listener."""
    is_tls = listener.is_tls
    scheme = "https" if is_tls else "http"
    near = [
        (point_group, url_access_points(point_group, listeners))
        for point_group in point_groups
        if point_group.rank <= 2
    ]
    bare = [
        (point_group, url_access_points(point_group, [listener]))
        for point_group in point_groups
        if _is_open(point_group)
    ]
    is_told = False
    for server in listener.servers:
        if not (server.routes_http and is_for_clients(server)):
            continue
        for host, name in names_to_ask(mesh, server, listener, outside):
            for point_group, access_points in near:
                for port, _ in list(point_group.access_points_to(listener))[:1]:
                    url = url_of(scheme, name, port)
                    target = HttpTarget(
                        url=url, access_points=access_points, host=host, server=server.id
                    )
                    yield point_group.rank, target
                    if server.https_redirect and point_group.rank == 0 and not is_told:
                        is_told = True  # all servers of a listener trust the same proxies
                        yield from _told(target)
            asked = HttpTarget(
                url=f"{scheme}://{name}/", access_points=(), host=host, server=server.id
            )
            yield from _by_name(mesh, listener, asked, name, is_tls=is_tls)
            if is_tls and not _is_served(mesh, listener.workload, name, is_tls=False):
                url = url_of("http", name, HTTP_PORT)
                yield from (
                    (2, replace(asked, url=url, access_points=access_points))
                    for _, access_points in bare
                )


def _by_name(
    mesh: Mesh, listener: Listener, asked: HttpTarget, name: str, *, is_tls: bool
) -> Iterator[Ranked]:
    """Yield what a client asks for who knows nothing but the name."""
    workload = listener.workload
    port = HTTPS_PORT if is_tls else HTTP_PORT
    if is_wildcard(asked.host) or not is_public(mesh, workload, listener, port):
        return
    target = replace(asked, access_points=url_access_points_by_name(workload, name))
    yield BY_NAME, target
    if not _is_served(mesh, workload, name, is_tls=not is_tls):
        # What stands before a gateway may answer, or end TLS, where the gateway does not.
        yield BY_NAME, replace(target, url=f"{'http' if is_tls else 'https'}://{name}/")


def _is_served(mesh: Mesh, workload: Workload, name: str, *, is_tls: bool) -> bool:
    if is_tls:
        return bool(tls_hosts_meeting(mesh, workload, name))
    return bool(plain_hosts_for(mesh, workload, name))


def on_a_route(mesh: Mesh, target: HttpTarget) -> HttpTarget:
    """Return a request for a path that a route of its host takes, where `/` is taken by none.

    Asked of few: on a plain listener every server may add to a host's routes.
    """
    server = servers_by_id(mesh).get(target.server)
    request = requested(target.url)  # a Gateway may name hosts that no URL has
    if server is None or request is None or request.path != "/":
        return target
    for listener in listeners_of(mesh, server):
        workload, name = listener.workload, route_name(server, listener.port)
        domain = domain_index(mesh, workload, name).find(matched_host(request.authority))
        found = virtual_host(mesh, workload, name, domain) if domain else None
        if found and not found.require_tls:
            path = _path_taken(found.routes, request, http_options(mesh, workload))
            return replace(target, url=target.url.removesuffix("/") + path)
    return target


def _is_open(point_group: AccessPointGroup) -> bool:
    """Whether this is an address with a port 80, wherever that leads."""
    return point_group.rank == 1 and any(named == HTTP_PORT for named, *_ in point_group.ports)


def _path_taken(routes: tuple[Route, ...], request: Request, options: HttpOptions) -> str:
    """Return `/` where a route takes it, else the first path that one does."""
    paths = ("/", *filter(None, map(_literal, routes[:MOST_PATHS])))
    for path in dict.fromkeys(paths):
        asked = received(
            msgspec.structs.replace(request, path=path), options, is_tls=request.scheme == "https"
        )
        if isinstance(asked, ReceivedRequest) and any(
            takes(route.match, asked) for route in routes
        ):
            return path
    return "/"


def _literal(route: Route) -> str:
    """Return the path, or its beginning, that a route is for; empty where there is no such."""
    match = route.match
    written = "" if match.comparison is PathComparison.REGEX else match.path
    is_path = written.startswith("/") and written.isascii() and written.isprintable()
    plain = is_path and len(written) < MOST_URL and not set(written) & set(" ?#")
    return written if plain else ""


def _told(target: HttpTarget) -> Iterator[Ranked]:
    """Yield the same request as proxies before the gateway would send it."""
    for proto in ("https", "http"):
        yield 2, replace(target, forwarded_proto=proto)
