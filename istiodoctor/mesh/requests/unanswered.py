"""Requests to the hosts that servers name, where the gateway has no answer for them."""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

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
from istiodoctor.mesh.requests.answers import AnswerKind, exhausted
from istiodoctor.mesh.requests.connection_hops import chain_taking, taken_connection
from istiodoctor.mesh.requests.connections import Connection
from istiodoctor.mesh.requests.entries import Entry, entries
from istiodoctor.mesh.requests.hops import BROKEN, Hop, workload_hop
from istiodoctor.mesh.requests.http_hops import http_hops
from istiodoctor.mesh.requests.outcomes import AnswerOutcome
from istiodoctor.mesh.requests.request_paths import (
    MAY_BE_UNREAD,
    RequestPath,
    path_by,
    request_paths,
)
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import TlsMode
from istiodoctor.model.value import Value

SERVERS_AT_A_TIME = 500
"""What is worked out for their hosts is forgotten before the next are asked."""


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
    connections = _Connections()
    found: list[UnansweredRequest] = []
    every = servers(mesh)
    for first in range(0, len(every), SERVERS_AT_A_TIME):
        with mesh.forgetting():
            for server in every[first : first + SERVERS_AT_A_TIME]:
                found += _unanswered_by(mesh, server, connections)
    return tuple(found)


def _unanswered_by(
    mesh: Mesh, server: Server, connections: "_Connections"
) -> Iterator[UnansweredRequest]:
    """Yield the unanswered requests to the hosts of one server, through each of its gateways.

    Where it is on none, perhaps another server has the host.
    """
    found: list[UnansweredRequest] = []
    answered: set[str] = set()
    for workload in workloads_of(mesh, server) or (None,):
        for host, request in _requests(mesh, server, workload):
            for path in (
                connections.paths(mesh, request, workload)
                if workload
                else request_paths(mesh, request)
            ):
                if path.ending.kind is not AnswerKind.NONE:
                    answered.add(host)
                elif not path.ending.is_of_other_requests:
                    found.append(UnansweredRequest(server=server, host=host, path=path))
    for each in found:
        # A server that several gateways have may be meant for those that clients can come to.
        if not (each.hop.hop == "service" and each.host in answered):
            yield each


class _Connections:
    """Connections to gateways: those that one filter chain takes are alike.

    What becomes of a connection is worked out once, what becomes of its requests each time.
    """

    def __init__(self) -> None:
        """Begin with no connection."""
        self._taken: dict[tuple[Workload, int, int], Connection] = {}

    def paths(self, mesh: Mesh, request: Request, workload: Workload) -> Iterator[RequestPath]:
        """Yield the paths of a request; those that are answered may lack their first hops."""
        for entry in entries(mesh, request, workload):
            yield self._answered(mesh, request, workload, entry) or path_by(
                mesh, request, workload, entry
            )

    def _answered(
        self, mesh: Mesh, request: Request, workload: Workload, entry: Entry
    ) -> RequestPath | None:
        """Return the path of a request that comes as far as HTTP and is answered there."""
        taken = self._connection(mesh, request, workload, entry)
        if taken is None:
            return None
        name = request.server_name if entry.is_tls else ""
        hops, ending = exhausted(http_hops(mesh, request, replace(taken, server_name=name)))
        if ending.kind is AnswerKind.NONE:
            return None
        return RequestPath(request=request, workload=workload, hops=hops, ending=ending)

    def _connection(
        self, mesh: Mesh, request: Request, workload: Workload, entry: Entry
    ) -> Connection | None:
        port = entry.target
        if port is None or entry.front:
            return None
        chain = chain_taking(mesh, request, workload, entry, port)
        key = workload, port, id(chain)  # a connection that is kept keeps its chain
        if chain is None or key in self._taken:
            return self._taken.get(key)
        if workload_hop(workload).state is BROKEN:
            return None
        _, taken = exhausted(taken_connection(mesh, request, workload, entry, port))
        if not isinstance(taken, Connection):
            return None
        self._taken[key] = taken
        return taken


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
