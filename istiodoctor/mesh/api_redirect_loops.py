"""HTTPRoutes that redirect https to https at the same host."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from istiodoctor.mesh.attachments import Attachment, attachments, attachments_of
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.servers import Server
from istiodoctor.model.gatewayapi import (
    HttpRoute,
    HttpRouteMatch,
    HttpRouteRule,
    PathMatch,
)
from istiodoctor.model.routefilters import RequestRedirect

HTTPS_PORT = 443


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RedirectLoop:
    """A redirect to https that is attached where https already is."""

    attachment: Attachment
    servers: tuple[Server, ...]
    """The listeners that end TLS."""
    rules: tuple[int, ...]
    hosts: tuple[str, ...]
    is_whole: bool
    """Whether the route does nothing but redirect."""


@question
def api_redirect_loops(mesh: Mesh) -> tuple[RedirectLoop, ...]:
    """Return the routes that redirect https requests to https at the same host.

    An older route that takes every path of the same hosts there comes first and stops it.
    """
    return tuple(
        loop
        for attachment in attachments(mesh)
        if isinstance(attachment.route, HttpRoute)
        if (loop := _api_loop(mesh, attachment, attachment.route))
    )


def _api_loop(mesh: Mesh, attachment: Attachment, route: HttpRoute) -> RedirectLoop | None:
    rules = tuple(
        index
        for index, rule in enumerate(route.spec.rules)
        if any(
            each.request_redirect and _returns(each.request_redirect, attachment.hosts)
            for each in rule.filters
        )
    )
    if not rules:
        return None
    servers = tuple(
        server
        for server in attachment.servers
        if server.terminates_tls and not _is_preceded(mesh, server, attachment)
    )
    if not servers:
        return None
    return RedirectLoop(
        attachment=attachment,
        servers=servers,
        rules=rules,
        hosts=attachment.hosts,
        is_whole=len(rules) == len(route.spec.rules),
    )


@question
def _whole_routes(mesh: Mesh, server: Server) -> Mapping[str, tuple[Attachment, ...]]:
    """Return the routes on a server that lead every path to a backend, by host."""
    found: dict[str, list[Attachment]] = defaultdict(list)
    for each in attachments_of(mesh, server):
        if isinstance(each.route, HttpRoute) and any(
            rule.backend_refs and _takes_all(rule) for rule in each.route.spec.rules
        ):
            for host in each.hosts:
                found[host].append(each)
    return {
        host: tuple(sorted(routes, key=lambda each: each.route.age_order))
        for host, routes in found.items()
    }


def _is_preceded(mesh: Mesh, server: Server, redirect: Attachment) -> bool:
    return any(
        other.route.age_order < redirect.route.age_order
        and set(redirect.hosts) <= set(other.hosts)
        for other in _whole_routes(mesh, server).get(min(redirect.hosts, default=""), ())
        if other.route.ref != redirect.route.ref
    )


def _returns(redirect: RequestRedirect, hosts: tuple[str, ...]) -> bool:
    return (
        redirect.scheme == "https"
        and redirect.port in (0, HTTPS_PORT)
        and redirect.path is None
        and (not redirect.hostname or redirect.hostname.lower() in hosts)
    )


def _takes_all(rule: HttpRouteRule) -> bool:
    everything = HttpRouteMatch(path=PathMatch(type="PathPrefix", value="/"))
    return not rule.matches or everything in rule.matches
