"""Where connections end before anything is asked of a route, and why."""

from istiodoctor.mesh.configuration.in_force import (
    ports_in_force,
)
from istiodoctor.mesh.configuration.left_out import LeftOut, Omission
from istiodoctor.mesh.configuration.listener import (
    FilterChain,
    Listener,
)
from istiodoctor.mesh.configuration.listeners import (
    left_out_on,
)
from istiodoctor.mesh.configuration.tls_faults import TlsFault
from istiodoctor.mesh.hosts import covers
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.servers import Server
from istiodoctor.mesh.trace.answers import (
    Walk,
    connection_routes_are_known,
    ends_at,
    gateways_are_known,
)
from istiodoctor.mesh.trace.entries import Entry
from istiodoctor.mesh.trace.outcomes import AnswerOutcome
from istiodoctor.mesh.trace.requests import Request
from istiodoctor.mesh.workloads import Workload


def silence(mesh: Mesh, workload: Workload, port: int) -> Walk:
    """End at a port on which nothing listens, and say why."""
    left_out = left_out_on(mesh, workload, port)
    known = gateways_are_known(mesh)
    if left_out:
        first = left_out[0]
        text = _reason(first)
        if first.omission is Omission.NO_FILTER_CHAIN:
            known = known and connection_routes_are_known(mesh)
    else:
        ports = ", ".join(map(str, ports_in_force(mesh, workload)))
        text = f"Envoy does not listen on port {port}, only on {ports or 'none'}"
    return (
        yield from ends_at(
            "listener", text, known=known, outcome=AnswerOutcome.REFUSED, read="Gateways"
        )
    )


def unserved(
    mesh: Mesh,
    workload: Workload,
    listener: Listener,
    chain: FilterChain | None,
    request: Request,
    entry: Entry,
) -> Walk:
    """End where no filter chain speaks with the client."""
    port, known = listener.port, gateways_are_known(mesh)
    if chain and entry.is_tls:
        text = f"port {port} speaks plain HTTP: the TLS handshake fails"
        ref = chain.made_by.ref if chain.made_by else None
        return (yield from ends_at("filter-chain", text, known=True, ref=ref, outcome=_RESET))
    if not entry.is_tls:
        text = f"port {port} speaks TLS: a plain request is refused"
        server = listener.servers[0] if listener.servers else None
        ref = server.gateway if server else None
        return (yield from ends_at("filter-chain", text, known=known, ref=ref, outcome=_RESET))
    text, is_routed = _no_name(left_out_on(mesh, workload, port), request)
    if is_routed:
        known = known and connection_routes_are_known(mesh)
    read = "routes" if is_routed else "Gateways"
    return (yield from ends_at("filter-chain", text, known=known, outcome=_RESET, read=read))


_RESET = AnswerOutcome.RESET


def failing(server: Server, fault: TlsFault) -> Walk:
    """End where no handshake with a server can succeed, whatever the client offers."""
    text = f"every TLS handshake fails: {fault.text}"
    return (
        yield from ends_at("certificate", text, known=True, ref=server.gateway, outcome=_RESET)
    )


def _no_name(left_out: tuple[LeftOut, ...], request: Request) -> tuple[str, bool]:
    """Say why no chain has an SNI, and whether a route is missing for it."""
    name = request.server_name
    if not name:
        return f"no server takes any host, and {request.why_no_server_name}: it is reset", False
    for each in left_out:
        names = each.server.names if each.server else ()
        if any(covers(host, name) for host in names):
            return _reason(each), each.omission is Omission.NO_FILTER_CHAIN
    return f"no server has the SNI {name}: the connection is reset", False


def _reason(left_out: LeftOut) -> str:
    if left_out.omission is Omission.NO_FILTER_CHAIN:
        rule = "tls" if left_out.server and left_out.server.passes_tls else "tcp"
        return f"no {rule} rule leads on from {left_out.server}: istiod makes no filter chain"
    if left_out.omission is Omission.DUPLICATE_SNI:
        names = ", ".join(left_out.hosts)
        return f"istiod skips {left_out.place}: {left_out.winner} has the SNI {names} already"
    by = f", in favour of {left_out.by}" if left_out.by else ""
    reason = left_out.because or left_out.omission.value.replace("-", " ")
    return f"istiod leaves out {left_out.server}: {reason}{by}"
