"""The way of one request through the mesh, hop by hop, to its answer.

Source: `Request routing` in Istio's documentation, and the modules that answer for each hop.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from istiodoctor.mesh.credentials import credential_uses
from istiodoctor.mesh.hosts import covers
from istiodoctor.mesh.listeners import listeners, server_for
from istiodoctor.mesh.merging import Dropped, Listener
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.servers import WITH_CLIENT_AUTHORITY, Server
from istiodoctor.mesh.trace.answers import (
    DARK,
    STOPPED,
    AnswerKind,
    Ending,
    Walk,
    absent_hop,
    http_hops,
    routes_are_known,
    walk_to_backends,
    walked,
)
from istiodoctor.mesh.trace.entries import Entry, arrival, entries, serving_workloads
from istiodoctor.mesh.trace.passages import Passage, passage, tcp_passage, tls_routes_are_known
from istiodoctor.mesh.trace.redirection import to_https
from istiodoctor.mesh.trace.requests import Request
from istiodoctor.mesh.trace.way import (
    BROKEN,
    OK,
    UNKNOWN,
    Hop,
    certificate_hop,
    listener_hop,
    server_hop,
    workload_hop,
)
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.istio import TlsMode
from istiodoctor.model.kind import Kind

UNBOUND = ("", "0.0.0.0", "::")  # what servers are written with, nothing is opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One branch of a request's way: what becomes of it at one gateway."""

    request: Request
    workload: Workload | None
    """The gateway's pods; None where no gateway takes the request."""
    hops: tuple[Hop, ...]
    ending: Ending
    entry: Entry | None = None
    """How it comes to the pods."""
    is_unseen: bool = False
    """Its end was to be looked at on the wire, and nothing could be learned of it."""


@question(Kind.ISTIO_GATEWAY, Kind.GATEWAY)
def ways(mesh: Mesh, request: Request) -> tuple[Way, ...]:
    """Return the way of a request: one for each gateway, and port of its pods, it may reach.

    A redirect ends it: what follows is another request. Hops after a broken one are not there.
    """
    found = tuple(
        _way(request, workload, entry, _walk(mesh, request, workload, entry))
        for workload in serving_workloads(mesh, request)
        for entry in entries(mesh, request, workload)
    )
    return found or (_way(request, None, None, _nowhere(mesh, request)),)


def _gateways_are_known(mesh: Mesh) -> bool:
    return mesh.is_complete(Kind.ISTIO_GATEWAY) and mesh.is_complete(Kind.GATEWAY)


def _nowhere(mesh: Mesh, request: Request) -> Walk:
    name = request.server_name or request.virtual_host
    return (yield from _missing(mesh, "server", f"no gateway has a server for {name}"))


def _missing(mesh: Mesh, hop: str, text: str) -> Walk:
    """End where something is not there: unknown where a Gateway may exist unseen."""
    if _gateways_are_known(mesh):
        yield Hop(hop=hop, ref=None, state=BROKEN, text=text)
        return STOPPED
    yield Hop(hop=hop, ref=None, state=UNKNOWN, text=f"as far as Gateways were read, {text}")
    return DARK


def past_certificates(mesh: Mesh, way: Way) -> Way:
    """Return a way as it is where certificates are served that the objects do not have."""
    workload, entry = way.workload, way.entry
    if workload is None or entry is None:
        return way
    walk = _walk(mesh, way.request, workload, entry, is_served=True)
    return _way(way.request, workload, entry, walk)


def _walk(
    mesh: Mesh, request: Request, workload: Workload, entry: Entry, *, is_served: bool = False
) -> Walk:
    yield from entry.hops
    if any(each.state is BROKEN for each in entry.hops):
        return STOPPED
    if entry.target is None:
        sent = to_https(request)
        return Ending(kind=AnswerKind.REDIRECT, status=sent.status, location=sent.location)
    pods = workload_hop(workload)
    yield pods
    if pods.state is BROKEN:
        return STOPPED
    listener = listener_on(mesh, workload, entry.target)
    if listener is None:
        return (yield from _missing(mesh, "listener", _silence(mesh, workload, entry.target)))
    fault = _misunderstanding(listener, is_tls=entry.is_tls)
    if fault:
        yield Hop(hop="listener", ref=listener.servers[0].gateway, state=BROKEN, text=fault)
        return STOPPED
    yield listener_hop(listener.port)
    arriving = arrival(mesh, request, entry, workload)
    if listener.servers[0].is_plain_http:
        return (yield from http_hops(mesh, listener, None, arriving))
    if not listener.is_tls:
        return (yield from _opened(mesh, listener.servers[0], workload))
    server = server_for(mesh, listener, request.server_name)
    if server is None:
        return (yield from _missing(mesh, "server", _unserved(listener, request)))
    yield server_hop(server, _greeting(server, request))
    if server.is_passthrough:
        return (yield from _passed(mesh, server, request, workload))
    certificates = tuple(_served_certificates(mesh, server, workload))
    yield from certificates
    if not is_served and any(each.state is BROKEN for each in certificates):
        return STOPPED
    if server.routes_http:
        return (yield from http_hops(mesh, listener, server, arriving))
    return (yield from _opened(mesh, server, workload))


def listener_on(mesh: Mesh, workload: Workload, port: int) -> Listener | None:
    """Return the listener of a workload on a port, that of every address before another."""
    found = [
        each
        for each in listeners(mesh)
        if each.workload is workload and each.port == port and each.servers
    ]
    return min(found, key=lambda each: each.bind not in UNBOUND, default=None)


def _silence(mesh: Mesh, workload: Workload, port: int) -> str:
    """Say why nothing listens on a port."""
    own = [each for each in listeners(mesh) if each.workload is workload]
    dropped = [each for one in own if one.port == port for each in one.dropped]
    if dropped:
        return f"istiod leaves out {dropped[0].server}: {_reason(dropped[0])}"
    ports = ", ".join(str(each) for each in sorted({one.port for one in own if one.servers}))
    return f"Envoy does not listen on port {port}, only on {ports or 'none'}"


def _served_certificates(mesh: Mesh, server: Server, workload: Workload) -> Iterator[Hop]:
    uses = [
        each
        for each in credential_uses(mesh)
        if each.server is server and each.workload is workload
    ]
    asks = server.mode in WITH_CLIENT_AUTHORITY
    client = "; it asks clients for a certificate" if asks else ""
    for use in uses:
        hop = certificate_hop(use)
        leaf = use.credential.leaf if use.credential else None
        until = f", valid until {leaf.not_after:%Y-%m-%d}" if leaf else ""
        yield replace(hop, text=f"{hop.text}{until if hop.state is OK else ''}{client}")
    if not uses:
        own = server.mode is TlsMode.ISTIO_MUTUAL
        text = "Istio's own" if own else "it does not come from a Secret"
        yield Hop(hop="certificate", ref=None, state=OK, text=f"{text}{client}")


def _passed(mesh: Mesh, server: Server, request: Request, workload: Workload) -> Walk:
    """Walk on where TLS goes through to the backend, routed by SNI."""
    if server.mode is TlsMode.AUTO_PASSTHROUGH:
        text = "AUTO_PASSTHROUGH: the SNI names a Service of the mesh"
        yield Hop(hop="route", ref=None, state=UNKNOWN, text=text)
        return DARK
    name = request.server_name
    found = passage(mesh, server, name, workload)
    if found is None:
        text = f"no tls rule takes the SNI {name or '(none)'}: the connection is reset"
        known = routes_are_known(mesh) and tls_routes_are_known(mesh)
        yield absent_hop(mesh, "route", text)
        return STOPPED if known else DARK
    return (yield from _taken(mesh, found, server, workload))


def _opened(mesh: Mesh, server: Server, workload: Workload) -> Walk:
    """Walk on where Envoy hands on bytes."""
    found = tcp_passage(mesh, server, workload)
    if found is None:
        yield absent_hop(mesh, "route", "no tcp rule is bound: the connection is closed")
        return STOPPED if routes_are_known(mesh) else DARK
    return (yield from _taken(mesh, found, server, workload))


def _taken(mesh: Mesh, passage: Passage, server: Server, workload: Workload) -> Walk:
    yield Hop(hop="route", ref=passage.place.ref, state=OK, text=passage.place.field)
    return (yield from walk_to_backends(mesh, passage.targets, server.port, workload))


def _way(request: Request, workload: Workload | None, entry: Entry | None, walk: Walk) -> Way:
    hops, ending = walked(walk)
    return Way(request=request, workload=workload, hops=hops, ending=ending, entry=entry)


def _misunderstanding(listener: Listener, *, is_tls: bool) -> str:
    """Say why client and listener do not speak the same; empty where they do."""
    if is_tls and listener.servers[0].is_plain_http:
        return f"port {listener.port} speaks plain HTTP: the TLS handshake fails"
    if listener.is_tls and not is_tls:
        return f"port {listener.port} speaks TLS: a plain request is refused"
    return ""


def _unserved(listener: Listener, request: Request) -> str:
    name = request.server_name
    if not name:
        return "no server takes any host, and a client sends no SNI for an address: it is reset"
    for dropped in listener.dropped:
        if any(covers(host, name) for host in dropped.server.names):
            return f"istiod leaves out {dropped.server}: {_reason(dropped)}"
    return f"no server has the SNI {name}: the connection is reset"


def _reason(dropped: Dropped) -> str:
    by = f", in favour of {dropped.winner}" if dropped.winner else ""
    return f"{str(dropped.reason).replace('-', ' ')}{by}"


def _greeting(server: Server, request: Request) -> str:
    if request.server_name:
        return f"{server} by the SNI {request.server_name}"
    return f"{server}, which takes any host: a client sends no SNI for an address"
