"""Requests to the hosts that servers name, where the gateway has no answer for them."""

from collections.abc import Iterable, Iterator

from istiodoctor.mesh.configuration.filter_chains import filter_chains
from istiodoctor.mesh.configuration.request import Request, first_page
from istiodoctor.mesh.configuration.virtual_hosts import domains
from istiodoctor.mesh.exposure.services import port_routes
from istiodoctor.mesh.gateways.listeners import listeners_of, servers, workloads_of
from istiodoctor.mesh.gateways.merging import Listener, route_name
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.hosts import is_wildcard
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.requests.answers import AnswerKind
from istiodoctor.mesh.requests.hops import BROKEN, Hop
from istiodoctor.mesh.requests.outcomes import AnswerOutcome
from istiodoctor.mesh.requests.request_paths import (
    MAY_BE_UNREAD,
    RequestPath,
    paths_through,
    request_paths,
)
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import TlsMode
from istiodoctor.model.value import Value


class UnansweredRequest(Value, frozen=True, kw_only=True):
    """A request to a host of a server, and where it stops."""

    server: Server
    host: str
    path: RequestPath

    @property
    def hop(self) -> Hop:
        """The hop at which it stops."""
        return next(hop for hop in self.path.hops if hop.state is BROKEN)

    @property
    def is_denied(self) -> bool:
        """Whether an AuthorizationPolicy denies it, which may be meant: it brings no token."""
        return self.hop.outcome is AnswerOutcome.DENIED


@question(rests_on=MAY_BE_UNREAD)
def unanswered_requests(mesh: Mesh) -> tuple[UnansweredRequest, ...]:
    """Return a GET of `/` for each host of a server, where the gateway answers none.

    Of a wildcard the names below it are asked for that routes have. A 404 for want of a route that
    takes `/` is an answer: the host may be meant for other paths. Where a hop is not known since
    something was not read, nobody knows whether there is an answer.
    """
    return tuple(each for server in servers(mesh) for each in _unanswered_by(mesh, server))


def _unanswered_by(mesh: Mesh, server: Server) -> Iterator[UnansweredRequest]:
    """Yield the unanswered requests to the hosts of one server, through each of its gateways.

    Where it is on none, perhaps another server has the host.
    """
    found: list[UnansweredRequest] = []
    answered: set[str] = set()
    for workload in workloads_of(mesh, server) or (None,):
        for host, request in _requests(mesh, server, workload):
            ways = paths_through(mesh, request, workload) if workload else ()
            for path in ways or request_paths(mesh, request):
                if path.ending.kind is not AnswerKind.NONE:
                    answered.add(host)
                elif not path.ending.is_of_other_requests:
                    found.append(UnansweredRequest(server=server, host=host, path=path))
    for each in found:
        # A server that several gateways have may be meant for those that clients can come to.
        if not (each.hop.hop == "service" and each.host in answered):
            yield each


def _requests(
    mesh: Mesh, server: Server, workload: Workload | None
) -> Iterator[tuple[str, Request]]:
    """Yield each host of a server with a request to it, where clients speak HTTP or TLS to it."""
    if server.is_plain_http:
        scheme = "http"
    elif server.has_tls and server.mode is not TlsMode.AUTO_PASSTHROUGH:
        scheme = "https"
    else:
        return
    port = _port(mesh, server, workload) if workload else server.port
    for host in _names(mesh, server, workload):
        if request := first_page(scheme, host, port):
            yield host, request


def _names(mesh: Mesh, server: Server, workload: Workload | None) -> Iterable[str]:
    """Return the hosts of a server, for a wildcard those of routes below it."""
    if not any(map(is_wildcard, server.names)):
        return server.names
    names = dict.fromkeys(each for each in server.names if not is_wildcard(each))
    for listener in listeners_of(mesh, server):
        if listener.workload == workload:
            names |= dict.fromkeys(_routed_names(mesh, server, listener))
    return names


def _routed_names(mesh: Mesh, server: Server, listener: Listener) -> Iterator[str]:
    """Yield the names without a wildcard that routes of a server have."""
    if name := route_name(server, listener.port):
        for domain, found in domains(mesh, listener.workload, name).items():
            if server in found.servers and not is_wildcard(domain):
                yield domain
        return
    for chain in filter_chains(mesh, listener):
        if chain.server is server:
            yield from (each for each in chain.server_names if not is_wildcard(each))


def _port(mesh: Mesh, server: Server, workload: Workload) -> int:
    """Return the port of a Service that leads to where a server listens, rather its own."""
    found = {each.port for each in listeners_of(mesh, server) if each.workload == workload}
    leading = {each.port.port for each in port_routes(mesh, workload) if each.target in found}
    return server.port if server.port in leading else min(leading, default=server.port)
