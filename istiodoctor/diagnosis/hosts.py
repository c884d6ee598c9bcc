"""How each host is served, hop by hop, for the report."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from istiodoctor.diagnosis.last_changes import LastChanges
from istiodoctor.diagnosis.scope import Scope
from istiodoctor.finding import Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.credentials.credentials import CredentialUse, credential_uses
from istiodoctor.mesh.gateways.listeners import servers
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.requests.hops import host_hops
from istiodoctor.model.ref import Ref
from istiodoctor.problem import Diagnosis, Problem
from istiodoctor.report import Hop, HopState, HostReport, Verdict

MOST_OBJECTS = 8
"""Of one diagnosis: what else it names is hardly about one host."""
OK, BROKEN, WARNING, UNKNOWN = HopState.OK, HopState.BROKEN, HopState.WARNING, HopState.UNKNOWN
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
    """Return every host that a gateway is asked to serve over TLS, with its verdict and path."""
    severities = _severities(problems)
    changes = LastChanges(mesh)
    uses: dict[Server, CredentialUse] = {}
    for use in credential_uses(mesh):
        uses.setdefault(use.server, use)
    found = [
        _host(mesh, host, server, severities, uses.get(server), changes)
        for server in servers(mesh)
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
    changes: LastChanges,
) -> HostReport:
    about = [each for each in severities.get(host, ()) if _concerns(each[1], server)]
    worst = min(about, key=lambda each: each[0].rank, default=None)
    path = tuple(host_hops(mesh, host, server, use))
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
    found = HostReport(host=host, gateway=server.gateway, verdict=verdict, path=path)
    if verdict not in (Verdict.BROKEN, Verdict.DEGRADED):
        return found
    refs = _on_the_way(mesh, found, (diagnosis for _, diagnosis in about), use)
    return dataclasses.replace(found, last_changes=changes.among(refs))


def _on_the_way(
    mesh: Mesh, host: HostReport, about: Iterable[Diagnosis], use: CredentialUse | None
) -> Iterator[Ref]:
    """Yield what a host depends on: its hops, what is said to be wrong, who issues for it."""
    yield from (hop.ref for hop in host.path if hop.ref)
    for diagnosis in about:
        yield from (place.ref for place in diagnosis.objects[:MOST_OBJECTS])
    if use:
        yield from (each.ref for each in certificates_for(mesh, *use.key))


def _concerns(diagnosis: Diagnosis, server: Server) -> bool:
    """Whether what is said of a host is said of this server, not of another Gateway."""
    subject = diagnosis.subject
    return subject.kind != "Gateway" or subject in (server.gateway, server.parent)


def _blamed(path: tuple[Hop, ...], severity: Severity, diagnosis: Diagnosis) -> tuple[Hop, ...]:
    """Return the path with the worst finding at its hop, where no hop shows a fault by itself."""
    if not path or any(hop.state is BROKEN for hop in path):
        return path
    name = _HOP_OF_KIND.get(diagnosis.subject.kind, "server")
    at = next((i for i, hop in enumerate(path) if hop.hop == name), len(path) - 1)
    state = BROKEN if severity is Severity.CRITICAL else WARNING
    blamed = replace(path[at], state=state, text=f"{diagnosis.code} {diagnosis.name}")
    return (*path[:at], blamed, *path[at + 1 :])
