"""Redirects to HTTPS by a load balancer before a gateway."""

from dataclasses import dataclass

from istiodoctor.mesh.configuration.request import Request, without_dots
from istiodoctor.model.http_statuses import MOVED_PERMANENTLY


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirection:
    """An answer that sends the client elsewhere."""

    status: int
    location: str


def to_https(request: Request) -> Redirection:
    """Return what a load balancer that redirects to HTTPS answers: the same Host, its port too."""
    path = without_dots(request.path)
    target = path if request.query is None else f"{path}?{request.query}"
    return Redirection(status=MOVED_PERMANENTLY, location=f"https://{request.authority}{target}")
