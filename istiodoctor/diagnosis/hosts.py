"""How each host is served, hop by hop, for the report."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from istiodoctor.diagnosis.scope import Scope
from istiodoctor.finding import Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials import CredentialState, CredentialUse
from istiodoctor.mesh.redirects import RedirectKind
from istiodoctor.mesh.servers import GatewayApi, Server
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.ref import Ref
from istiodoctor.report import Diagnosis, Hop, HopState, HostReport, Problem, Verdict

OK, BROKEN, WARNING, UNKNOWN = HopState.OK, HopState.BROKEN, HopState.WARNING, HopState.UNKNOWN
_CREDENTIAL_TEXT = {
    CredentialState.FOUND: "found",
    CredentialState.MISSING: "does not exist",
    CredentialState.UNKNOWN: "could not be read",
    CredentialState.ELSEWHERE: "is in a namespace that istiod refuses",
    CredentialState.NOT_GRANTED: "may not be referred to from here",
    CredentialState.OUTSIDE: "does not come from a Secret",
    CredentialState.UNPARSABLE: "is no name of a credential",
}
_CREDENTIAL_STATE = {
    CredentialState.FOUND: OK,
    CredentialState.OUTSIDE: OK,
    CredentialState.UNKNOWN: UNKNOWN,
}


_HOP_OF_KIND = {
    "Secret": "certificate",
    "Certificate": "certificate",
    "Service": "service",
    "Deployment": "workload",
    "DaemonSet": "workload",
    "Pod": "workload",
    "VirtualService": "route",
    "DestinationRule": "route",
    "HTTPRoute": "route",
    "TLSRoute": "route",
}
"""At which hop an object to change stands."""


def hosts(mesh: Mesh, problems: Iterable[Problem], scope: Scope) -> tuple[HostReport, ...]:
    """Return every host that a gateway is asked to serve over TLS, with its verdict and way."""
    severities = _severities(problems)
    uses: dict[Server, CredentialUse] = {}
    for use in mesh.credential_uses():
        uses.setdefault(use.server, use)
    found = [
        _host(mesh, host, server, severities, uses.get(server))
        for server in mesh.servers()
        if server.has_tls and not server.is_plain_http and scope.takes_server(server)
        for host in server.names
    ]
    return tuple(sorted(found, key=lambda each: (each.host, each.gateway or Ref("", "", "", ""))))


def _severities(
    problems: Iterable[Problem],
) -> Mapping[str, tuple[tuple[Severity, Diagnosis], ...]]:
    """Return, for every host, how bad what is said of it is, and who says it."""
    found: dict[str, list[tuple[Severity, Diagnosis]]] = defaultdict(list)
    for problem in problems:
        for diagnosis in (problem.cause, *problem.symptoms):
            for host in diagnosis.hosts:
                found[host].append((diagnosis.own_severity, diagnosis))
    return {host: tuple(each) for host, each in found.items()}


def _host(
    mesh: Mesh,
    host: str,
    server: Server,
    severities: Mapping[str, tuple[tuple[Severity, Diagnosis], ...]],
    use: CredentialUse | None,
) -> HostReport:
    worst = min(severities.get(host, ()), key=lambda each: each[0].rank, default=None)
    path = tuple(_path(mesh, host, server, use))
    if worst and worst[0].rank <= Severity.MEDIUM.rank:
        path = _blamed(path, *worst)
    match worst[0] if worst else None:
        case Severity.CRITICAL:
            verdict = Verdict.BROKEN
        case Severity.HIGH | Severity.MEDIUM:
            verdict = Verdict.DEGRADED
        case _ if any(hop.state is BROKEN for hop in path):
            verdict = Verdict.DEGRADED
        case _ if any(hop.state is UNKNOWN for hop in path):
            verdict = Verdict.INCOMPLETE
        case _:
            verdict = Verdict.HEALTHY
    return HostReport(host=host, gateway=server.gateway, verdict=verdict, path=path)


def _blamed(path: tuple[Hop, ...], severity: Severity, diagnosis: Diagnosis) -> tuple[Hop, ...]:
    """Return the way with the worst finding at its hop, where no hop shows a fault by itself."""
    if not path or any(hop.state is BROKEN for hop in path):
        return path
    name = _HOP_OF_KIND.get(diagnosis.subject.kind, "server")
    at = next((i for i, hop in enumerate(path) if hop.hop == name), len(path) - 1)
    state = BROKEN if severity is Severity.CRITICAL else WARNING
    blamed = replace(path[at], state=state, text=f"{diagnosis.code} {diagnosis.name}")
    return (*path[:at], blamed, *path[at + 1 :])


def _path(mesh: Mesh, host: str, server: Server, use: CredentialUse | None) -> Iterator[Hop]:
    workload = next(iter(mesh.workloads_of(server)), None)
    if workload is None:
        yield Hop(hop="workload", ref=None, state=BROKEN, text="no pods are selected")
        return
    yield from _entry(mesh, server, workload)
    listeners = mesh.listeners_of(server)
    if not listeners:
        yield Hop(hop="listener", ref=None, state=BROKEN, text="istiod leaves this server out")
        return
    yield Hop(
        hop="listener", ref=None, state=OK, text=f"Envoy listens on port {listeners[0].port}"
    )
    yield Hop(hop="server", ref=server.gateway, state=OK, text=str(server))
    if use:
        state = _CREDENTIAL_STATE.get(use.state, BROKEN)
        text = f"{use.reference.text} {_CREDENTIAL_TEXT[use.state]}"
        yield Hop(
            hop="certificate", ref=use.secret if use.namespace else None, state=state, text=text
        )
    yield _redirect(mesh, host, workload)
    yield from _routes(mesh, host, server)


def _entry(mesh: Mesh, server: Server, workload: Workload) -> Iterator[Hop]:
    service = next(
        (
            each
            for each in mesh.services_of(workload)
            if any(port.port == server.port for port in each.spec.ports)
        ),
        None,
    )
    if service:
        text = f"{service.spec.type} port {server.port}"
        yield Hop(hop="service", ref=service.ref, state=OK, text=text)
    state = UNKNOWN if not workload.is_known else OK if workload.pods else WARNING
    text = (
        f"{len(workload.pods)} pods"
        if workload.pods
        else "the pods are not known"
        if state is UNKNOWN
        else "no pods are running"
    )
    yield Hop(
        hop="workload", ref=workload.owner if workload.is_known else None, state=state, text=text
    )


def _redirect(mesh: Mesh, host: str, workload: Workload) -> Hop:
    plain = next(iter(mesh.plain_hosts_for(workload, host)), None)
    if plain is None:
        return Hop(hop="redirect", ref=None, state=OK, text="not served over plain HTTP")
    text = {
        RedirectKind.SERVER: "plain HTTP is redirected by the server",
        RedirectKind.ROUTE: "plain HTTP is redirected by a route",
        RedirectKind.NONE: "plain HTTP is served without a redirect",
    }[plain.redirect]
    return Hop(hop="redirect", ref=plain.place.ref, state=OK, text=text)


def _routes(mesh: Mesh, host: str, server: Server) -> Iterator[Hop]:
    if server.api is GatewayApi.GATEWAY_API:
        attached = mesh.attachments_of(server)
        for attachment in attached[:1]:
            yield Hop(hop="route", ref=attachment.route.ref, state=OK, text="attached")
        if not attached:
            yield Hop(hop="route", ref=None, state=WARNING, text="no route is attached")
        return
    bindings = [each for each in mesh.bindings().get(server, ()) if each.hosts]
    routes = mesh.routes_for(server, host) or tuple(b.virtual_service for b in bindings)
    for route in routes[:1]:
        yield Hop(hop="route", ref=route.ref, state=OK, text=f"{len(routes)} bound")
    if not routes:
        yield Hop(hop="route", ref=None, state=WARNING, text="no VirtualService is bound")
