"""Where a redirect sends a client.

Sources: istiod's route.go (`ApplyRedirect`) and its conversion.go for the Gateway API; Envoy's
`newUri`. Measured with Envoy: the Location keeps the port of the Host header.
"""

from dataclasses import dataclass
from typing import Any

from istiodoctor.mesh.trace.matching import Arrival
from istiodoctor.mesh.trace.requests import DEFAULT_PORTS, Request, without_dots, without_port
from istiodoctor.model.gatewayapi import HttpRouteMatch, RequestRedirect
from istiodoctor.model.istio import HttpRedirect

MOVED = 301
FOUND = 302
FROM_REQUEST_PORT = "FROM_REQUEST_PORT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirection:
    """An answer that sends the client elsewhere."""

    status: int
    location: str


def to_https(request: Request) -> Redirection:
    """Return what `httpsRedirect` answers: the same Host, its port included."""
    return Redirection(status=MOVED, location=f"https://{request.authority}{_target(request)}")


def by_rule(redirect: HttpRedirect, arrival: Arrival, port: int) -> Redirection | None:
    """Return what a redirect rule answers on a server's port; None where that is not known."""
    request = arrival.request
    scheme = redirect.scheme or arrival.scheme
    if scheme is None:
        return None
    written = port if redirect.derive_port == FROM_REQUEST_PORT else redirect.port
    new_port = 0 if written == DEFAULT_PORTS.get(scheme) else written
    host = redirect.authority or _kept(request.authority, scheme, arrival.scheme, new_port)
    path = redirect.uri or arrival.path
    query = f"?{request.query}" if request.query and "?" not in path else ""
    place = f"{host}:{new_port}" if new_port else host
    return Redirection(
        status=redirect.redirect_code or MOVED, location=f"{scheme}://{place}{path}{query}"
    )


def by_filter(
    redirect: RequestRedirect, match: HttpRouteMatch, arrival: Arrival, port: int
) -> Redirection | None:
    """Return what the filter RequestRedirect answers on a listener's port."""
    written = HttpRedirect(
        uri=_replaced(redirect.path, match, arrival.path),
        authority=redirect.hostname,
        scheme=redirect.scheme,
        port=redirect.port,
        derive_port="" if redirect.port or redirect.scheme else FROM_REQUEST_PORT,
        redirect_code=redirect.status_code or FOUND,
    )
    return by_rule(written, arrival, port)


def _replaced(path: Any, match: HttpRouteMatch, asked: str) -> str:
    """Return the new path of a filter; empty to keep the old one."""
    if not isinstance(path, dict):
        return ""
    if path.get("type") == "ReplaceFullPath":
        return str(path.get("replaceFullPath") or "/")
    if path.get("type") != "ReplacePrefixMatch":
        return ""
    rest = asked.removeprefix(match.path.value.rstrip("/")).lstrip("/")
    prefix = str(path.get("replacePrefixMatch") or "/").rstrip("/")
    return f"{prefix}/{rest}" if rest else prefix or "/"


def _kept(authority: str, scheme: str, old_scheme: str | None, new_port: int) -> str:
    """Return the Host without its port where Envoy takes that off."""
    host = without_port(authority)
    port = authority.rpartition("]")[2].rpartition(":")[2] if host != authority else ""
    was_default = old_scheme is not None and port == str(DEFAULT_PORTS[old_scheme])
    if port and (new_port or (scheme != old_scheme and was_default)):
        return authority.removesuffix(f":{port}")
    return authority


def _target(request: Request) -> str:
    path = without_dots(request.path)
    return f"{path}?{request.query}" if request.query else path
