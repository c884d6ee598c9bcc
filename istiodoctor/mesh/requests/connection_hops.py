"""What Envoy does with a connection to a gateway pod's port: listener, filter chain, TLS.

Envoy's own matching over the listeners that istiod would send.
"""

from collections.abc import Generator, Iterator

from msgspec.structs import replace

from istiodoctor.mesh.configuration.envoy_filters import (
    patched_options,
    touched_chain,
    touched_http,
    touched_listener,
)
from istiodoctor.mesh.configuration.extensions import run_on_connections, run_on_requests
from istiodoctor.mesh.configuration.filter_chain_match import (
    ConnectionOutcome,
    connection_outcome,
)
from istiodoctor.mesh.configuration.in_force import (
    asked_pods,
    chains_in_force,
    listener_in_force,
)
from istiodoctor.mesh.configuration.listener import (
    FilterChain,
    HttpConnectionManager,
    Listener,
)
from istiodoctor.mesh.configuration.patched_clusters import refusing_filter
from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.configuration.tls_faults import TlsFault, handshake_fault
from istiodoctor.mesh.credentials.credentials import uses_on
from istiodoctor.mesh.gateways.servers import WITH_CLIENT_CA, Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.policies.authorization import Verdict
from istiodoctor.mesh.policies.request_authorization import authorization
from istiodoctor.mesh.requests.answers import (
    STOPPED,
    AnswerKind,
    Ending,
    HopGenerator,
    ends_at,
    ends_unknown,
)
from istiodoctor.mesh.requests.cluster_hops import hops_of_clusters
from istiodoctor.mesh.requests.connections import Connection
from istiodoctor.mesh.requests.entries import Entry
from istiodoctor.mesh.requests.hops import (
    BROKEN,
    OK,
    UNKNOWN,
    Hop,
    certificate_hop,
    listener_hop,
)
from istiodoctor.mesh.requests.http_hops import http_hops
from istiodoctor.mesh.requests.outcomes import AnswerOutcome, ServedCertificate
from istiodoctor.mesh.requests.policy_hops import FORBIDDEN, policy_hops
from istiodoctor.mesh.requests.unread import (
    unread_chains,
    unread_filters,
    unread_servers,
)
from istiodoctor.mesh.requests.unserved import silent_port, unserved_client
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import TlsMode

OFFERED_PROTOCOLS = ("h2", "http/1.1")
"""The ALPN of browsers and curl."""


def connection_hops(
    mesh: Mesh,
    request: Request,
    workload: Workload,
    entry: Entry,
    port: int,
    *,
    is_served: bool = False,
) -> HopGenerator:
    """Yield the hops of a connection to a port of the pods, and of the request on it.

    `is_served` says that certificates are served which the objects do not have.
    """
    taken = yield from taken_connection(mesh, request, workload, entry, port, is_served=is_served)
    if isinstance(taken, Ending):
        return taken
    return (yield from http_hops(mesh, request, taken))


def chain_taking(
    mesh: Mesh, request: Request, workload: Workload, entry: Entry, port: int
) -> FilterChain | None:
    """Return the filter chain that takes a connection to a port of the pods."""
    return chains_in_force(mesh, workload, port).find(
        request.server_name if entry.is_tls else "",
        is_tls=entry.is_tls,
        protocols=OFFERED_PROTOCOLS,
    )


def taken_connection(
    mesh: Mesh,
    request: Request,
    workload: Workload,
    entry: Entry,
    port: int,
    *,
    is_served: bool = False,
) -> Generator[Hop, None, Connection | Ending]:
    """Yield the hops of a connection, and return it; an ending where no request comes on it.

    All connections that one filter chain takes are alike but for their server name.
    """
    is_held = bool(asked_pods(mesh, workload))
    touched = "" if is_held else touched_listener(mesh, workload, port)
    listener = listener_in_force(mesh, workload, port)
    touched = touched or (listener.unknown_because if listener else "")
    if touched:
        return (yield from ends_unknown("listener", touched))
    if listener is None:
        return (yield from silent_port(mesh, workload, port))
    if listener.refused:
        ref = listener.refused.made_by[0].ref if listener.refused.made_by else None
        text = f"Envoy refuses what istiod sends for port {port}: {listener.refused.text}"
        yield Hop(
            hop="listener",
            ref=ref,
            state=BROKEN,
            text=text,
            outcome=AnswerOutcome.REFUSED,
        )
        return STOPPED
    yield listener_hop(port)
    name = request.server_name if entry.is_tls else ""
    chain = chain_taking(mesh, request, workload, entry, port)
    outcome = connection_outcome(chain, is_tls=entry.is_tls)
    if chain is None or outcome not in _TAKEN:
        return (yield from unserved_client(mesh, workload, listener, chain, request, entry))
    touched = "" if is_held else touched_chain(mesh, workload, port, chain)
    unknown = chain.unknown_because or touched
    if unknown:
        return (yield from ends_unknown("filter-chain", unknown))
    if not is_held:
        yield from _unread_before(mesh, workload, listener)
    yield _chain_hop(chain, request, entry)
    if chain.tls and chain.server and (fault := handshake_fault(mesh, chain.server, workload)):
        return (yield from _failing(mesh, chain.server, fault))
    if chain.tls and chain.server:
        certificates = tuple(_certificates(mesh, chain.server, workload))
        yield from certificates
        if not is_served and any(each.state is BROKEN for each in certificates):
            return STOPPED
    if not is_held and (code := run_on_connections(mesh, workload, port)):
        yield Hop(hop="filter-chain", ref=None, state=UNKNOWN, text=code)
    refusing = None if is_held else refusing_filter(mesh, workload, port, chain)
    if refusing:
        text = f"it asks the cluster {refusing.name}, and {refusing.reason}: {FORBIDDEN}"
        yield Hop(
            hop="http-filters",
            ref=refusing.patch.place.ref,
            state=BROKEN,
            text=text,
            outcome=AnswerOutcome.DENIED,
        )
        return Ending(kind=AnswerKind.NONE, status=FORBIDDEN)
    if chain.http:
        yield from _filter_hops(mesh, workload, port, chain, is_held=is_held)
        return Connection(
            workload=workload,
            port=port,
            chain=chain,
            manager=chain.http if is_held else _patched(mesh, workload, port, chain, chain.http),
            server_name=name,
            is_tls=entry.is_tls,
            is_held=is_held,
            told=entry.front.sends_x_forwarded_proto if entry.front else "",
        )
    judged = authorization(mesh, workload, chain, None, port=port, server_name=name)
    yield from policy_hops(mesh, judged, is_http=False)
    if judged.verdict is Verdict.DENIED:
        return STOPPED
    return (yield from _passed_on(mesh, workload, chain, is_held=is_held))


_TAKEN = frozenset({ConnectionOutcome.HTTP, ConnectionOutcome.PASSED_ON})


def _unread_before(mesh: Mesh, workload: Workload, listener: Listener) -> Iterator[Hop]:
    """Yield what was not read and could take a connection before the filter chain that does."""
    yield from unread_servers(mesh, workload)
    yield from unread_chains(mesh, listener.servers)


def _filter_hops(
    mesh: Mesh, workload: Workload, port: int, chain: FilterChain, *, is_held: bool
) -> Iterator[Hop]:
    """Yield a hop for what may answer before a route is asked, of which nothing is known."""
    touched = chain.http.unknown_because if chain.http else ""
    if not is_held:
        touched = touched or touched_http(mesh, workload, port, chain)
        touched = touched or run_on_requests(mesh, workload, port)
    if touched:
        yield Hop(hop="http-filters", ref=None, state=UNKNOWN, text=touched)
    if not is_held:
        yield from unread_filters(mesh, workload)


def _patched(
    mesh: Mesh, workload: Workload, port: int, chain: FilterChain, manager: HttpConnectionManager
) -> HttpConnectionManager:
    options = patched_options(mesh, workload, port, chain)
    return manager if options is manager.options else replace(manager, options=options)


def _passed_on(
    mesh: Mesh, workload: Workload, chain: FilterChain, *, is_held: bool
) -> HopGenerator:
    """Yield the hops behind a filter chain that passes bytes on."""
    if chain.made_by:
        yield Hop(hop="route", ref=chain.made_by.ref, state=OK, text=chain.made_by.field)
    return (
        yield from hops_of_clusters(
            mesh, workload, chain.clusters, missing_status=0, is_held=is_held
        )
    )


def _failing(mesh: Mesh, server: Server, fault: TlsFault) -> HopGenerator:
    """End where no handshake with a server can succeed, whatever the client offers."""
    text = f"every TLS handshake fails: {fault.text}"
    outcome, ref = AnswerOutcome.RESET, server.gateway
    return (yield from ends_at(mesh, "certificate", text, rests_on=(), ref=ref, outcome=outcome))


def _chain_hop(chain: FilterChain, request: Request, entry: Entry) -> Hop:
    server = chain.server
    text = str(server) if server else ", ".join(chain.server_names) or "every connection"
    if entry.is_tls and chain.server_names:
        text = f"{text} by the SNI {request.server_name}"
    elif entry.is_tls and not request.server_name:
        text = f"{text}, which takes any host: {request.why_no_server_name}"
    return Hop(hop="filter-chain", ref=server.gateway if server else None, state=OK, text=text)


def _certificates(mesh: Mesh, server: Server, workload: Workload) -> Iterator[Hop]:
    uses = uses_on(mesh, server, workload)
    asks = server.mode in WITH_CLIENT_CA
    client = "; it asks clients for a certificate" if asks else ""
    for use in uses:
        hop = certificate_hop(use)
        leaf = use.credential.leaf if use.credential else None
        until = f", valid until {leaf.not_after:%Y-%m-%d}" if leaf else ""
        yield replace(hop, text=f"{hop.text}{until if hop.state is OK else ''}{client}")
    if not uses:
        own = server.mode is TlsMode.ISTIO_MUTUAL
        text = "Istio's own" if own else "it does not come from a Secret"
        mine = ServedCertificate(namespace=workload.namespace) if own else None
        yield Hop(hop="certificate", ref=None, state=OK, text=f"{text}{client}", certificate=mine)
