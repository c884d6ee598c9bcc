"""Where no listener or no filter chain takes a connection to a gateway pod's port, and why."""

from istiodoctor.mesh.configuration.in_force import asked_pods, ports_in_force
from istiodoctor.mesh.configuration.left_out import LeftOut, Omission
from istiodoctor.mesh.configuration.listener import FilterChain, Listener
from istiodoctor.mesh.configuration.listeners import left_out_on
from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.hosts import covers
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.requests.answers import HopGenerator, ends_at, ends_unknown
from istiodoctor.mesh.requests.entries import Entry
from istiodoctor.mesh.requests.outcomes import AnswerOutcome
from istiodoctor.mesh.requests.unread import (
    GATEWAYS,
    chain_kinds,
    unread_certificates,
    unread_servers,
)
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import TlsMode


def silent_port(mesh: Mesh, workload: Workload, port: int) -> HopGenerator:
    """End at a port on which nothing listens, and say why."""
    left_out = left_out_on(mesh, workload, port)
    servers = [each.server for each in left_out if each.server]
    is_held = bool(asked_pods(mesh, workload))
    if left_out:
        text = _reason(left_out[0])
    else:
        ports = ", ".join(map(str, ports_in_force(mesh, workload)))
        text = f"Envoy does not listen on port {port}, only on {ports or 'none'}"
    return (
        yield from ends_at(
            mesh,
            "listener",
            text,
            rests_on=() if is_held else (*GATEWAYS, *chain_kinds(servers)),
            called="Gateways",
            outcome=AnswerOutcome.REFUSED,
        )
    )


def unserved_client(
    mesh: Mesh,
    workload: Workload,
    listener: Listener,
    chain: FilterChain | None,
    request: Request,
    entry: Entry,
) -> HopGenerator:
    """End where no filter chain speaks with the client."""
    port, is_held = listener.port, bool(asked_pods(mesh, workload))
    rests_on = () if is_held else (*GATEWAYS, *chain_kinds(listener.servers))
    called, ref = "Gateways", None
    if chain and entry.is_tls:
        text = f"port {port} speaks plain HTTP: the TLS handshake fails"
        ref, rests_on = chain.made_by.ref if chain.made_by else None, ()
    elif not entry.is_tls:
        text = f"port {port} speaks TLS: a plain request is refused"
        ref = listener.servers[0].gateway if listener.servers else None
    else:
        text, is_routed = _no_name(left_out_on(mesh, workload, port), request)
        called = "routes" if is_routed else called
    if not is_held:
        unsure = next(filter(None, (each.unknown_because for each in listener.servers)), "")
        if unsure:
            return (yield from ends_unknown("filter-chain", f"{text}, but {unsure}", ref))
        yield from () if rests_on else unread_servers(mesh, workload)
        yield from unread_certificates(mesh, listener.servers)
    return (
        yield from ends_at(
            mesh, "filter-chain", text, rests_on=rests_on, called=called, ref=ref, outcome=_RESET
        )
    )


_RESET = AnswerOutcome.RESET


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
    server = left_out.server
    if left_out.omission is Omission.NO_FILTER_CHAIN:
        if server and server.mode is TlsMode.AUTO_PASSTHROUGH:
            return f"no service of the mesh has a host of {server}: istiod makes no filter chain"
        rule = "tls" if server and server.passes_tls else "tcp"
        return f"no {rule} rule leads on from {server}: istiod makes no filter chain"
    if left_out.omission is Omission.DUPLICATE_SNI:
        names = ", ".join(left_out.hosts)
        return f"istiod skips {left_out.place}: {left_out.winner} has the SNI {names} already"
    by = f", in favour of {left_out.by}" if left_out.by else ""
    reason = left_out.because or left_out.omission.value.replace("-", " ")
    return f"istiod leaves out {server or left_out.place}: {reason}{by}"
