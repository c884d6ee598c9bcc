"""How each host is served, hop by hop, for the report."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from istiodoctor.diagnosis.last_changes import LastChanges
from istiodoctor.diagnosis.scope import Scope, hosts_without_server, no_server_for
from istiodoctor.finding import Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.credentials.credentials import CredentialUse, credential_uses
from istiodoctor.mesh.gateways.credential_references import CA_SUFFIX
from istiodoctor.mesh.gateways.listeners import servers
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.hosts import is_wildcard, parents
from istiodoctor.mesh.requests.host_hops import host_hops
from istiodoctor.mesh.requests.unread import (
    anywhere,
    are_complete,
    named,
    plural,
    refused,
)
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import OUTSIDE, Unread, UnreadReason
from istiodoctor.problem import Diagnosis, Problem
from istiodoctor.report import Hop, HopState, HostReport, Verdict
from istiodoctor.text import listing

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
_UNREAD_AT = {
    **_HOP_OF_KIND,
    "Issuer": "certificate",
    "ClusterIssuer": "certificate",
    "CertificateRequest": "certificate",
    "Order": "certificate",
    "Challenge": "certificate",
    "ServiceAccount": "certificate",
    "Role": "certificate",
    "RoleBinding": "certificate",
    "ClusterRole": "certificate",
    "ClusterRoleBinding": "certificate",
    "ReferenceGrant": "certificate",
    "PodLog": "workload",
    "EnvoyAdmin": "workload",
    "EnvoyConfiguration": "workload",
    "GRPCRoute": "route",
    "TCPRoute": "route",
    "ServiceEntry": "route",
    "WorkloadEntry": "route",
    "EndpointSlice": "route",
    "BackendTLSPolicy": "route",
    "PeerAuthentication": "route",
}
"""Which hop cannot be vouched for while a kind is unread; that of the server for any other."""

_ORDER: Mapping[Kind | None, int] = {kind: place for place, kind in enumerate(Kind)}
"""In which order kinds are named: the best known first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    """What the reports of all hosts are made from."""

    mesh: Mesh
    severities: Mapping[str, tuple[tuple[Severity, Diagnosis], ...]]
    uses: Mapping[Server, CredentialUse]
    changes: LastChanges
    unread: tuple[Unread, ...]
    """What concerns every host and was not looked at."""
    secrets: tuple[Unread, ...]
    """Secrets that were not read, each the concern of the hosts that use it."""

    def host(self, host: str, server: Server) -> HostReport:
        """Return how a host is served by a server."""
        about = [each for each in self.severities.get(host, ()) if _concerns(each[1], server)]
        worst = min(about, key=lambda each: each[0].rank, default=None)
        path = tuple(host_hops(self.mesh, host, server, self.uses.get(server)))
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
            case _ if unread := self._unread_of(server):
                path = _not_vouched_for(path, unread)
                verdict = Verdict.INCOMPLETE
            case _:
                verdict = Verdict.HEALTHY
        found = HostReport(host=host, gateway=server.gateway, verdict=verdict, path=path)
        if verdict not in (Verdict.BROKEN, Verdict.DEGRADED):
            return found
        about_it = (diagnosis for _, diagnosis in about)
        refs = _on_the_way(self.mesh, found, about_it, self.uses.get(server))
        return dataclasses.replace(found, last_changes=self.changes.among(refs))

    def _unread_of(self, server: Server) -> tuple[Unread, ...]:
        own = tuple(
            each
            for each in self.secrets
            if any(each.name in (used.name, used.name + CA_SUFFIX) for used in server.credentials)
        )
        return (*self.unread, *own)


def hosts(
    mesh: Mesh, problems: Iterable[Problem], scope: Scope, unread: Iterable[Unread] = ()
) -> tuple[HostReport, ...]:
    """Return every host that a gateway is asked to serve over TLS, with its verdict and path.

    Beneath a wildcard those too of which something is found; and those that the scope asks about
    and no gateway has. `unread` is what the checks could not look at: a host is well only where
    everything was looked at.
    """
    uses: dict[Server, CredentialUse] = {}
    for use in credential_uses(mesh):
        uses.setdefault(use.server, use)
    unread = tuple(unread)
    judge = _Judge(
        mesh=mesh,
        severities=_severities(problems),
        uses=uses,
        changes=LastChanges(mesh),
        unread=tuple(each for each in unread if not _is_one_secret(each)),
        secrets=tuple(filter(_is_one_secret, unread)),
    )
    shown = [
        server
        for server in servers(mesh)
        if server.has_tls and not server.is_plain_http and scope.takes_server(server)
    ]
    found = [judge.host(host, server) for server in shown for host in server.names]
    found += (judge.host(host, server) for host, server in _beneath(shown, judge.severities))
    found += (_unserved(mesh, host) for host in hosts_without_server(scope, mesh))
    return tuple(sorted(found, key=lambda each: (each.host, each.gateway or Ref("", "", "", ""))))


def _unserved(mesh: Mesh, host: str) -> HostReport:
    """Return that nothing serves a host; as in a trace, unknown where one may be unread."""
    kinds = anywhere(mesh)
    unread = refused(mesh, kinds)
    text = no_server_for(mesh, host)
    if unread or not are_complete(mesh, kinds):
        text = f"as far as {named(unread) or 'Gateways'} were read, {text}"
        hop = Hop(hop="server", ref=None, state=UNKNOWN, text=text)
        return HostReport(host=host, gateway=None, verdict=Verdict.INCOMPLETE, path=(hop,))
    hop = Hop(hop="server", ref=None, state=BROKEN, text=text)
    return HostReport(host=host, gateway=None, verdict=Verdict.BROKEN, path=(hop,))


def _is_one_secret(unread: Unread) -> bool:
    return unread.kind is Kind.SECRET and bool(unread.name)


def _beneath(
    shown: Iterable[Server], severities: Mapping[str, tuple[tuple[Severity, Diagnosis], ...]]
) -> Iterator[tuple[str, Server]]:
    """Yield the hosts that only a wildcard has and something grave is found of, with its servers.

    The narrowest wildcard takes them.
    """
    by_name: dict[str, list[Server]] = defaultdict(list)
    for server in shown:
        for name in server.names:
            by_name[name.lower()].append(server)
    for host, about in severities.items():
        if host.lower() in by_name or is_wildcard(host):
            continue
        if all(each[0].rank > Severity.MEDIUM.rank for each in about):
            continue
        wildcard = next((each for each in parents(host) if each in by_name), None)
        for server in by_name[wildcard] if wildcard else ():
            yield host, server


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


def _not_vouched_for(path: tuple[Hop, ...], unread: tuple[Unread, ...]) -> tuple[Hop, ...]:
    """Return the path with every hop unknown that rests on something which was not read."""
    hops = list(path)
    by_hop: dict[int, list[Unread]] = defaultdict(list)
    for each in unread:
        name = _UNREAD_AT.get(each.kind.value.kind if each.kind else "", "server")
        at = next((i for i, hop in enumerate(hops) if hop.hop == name), len(hops) - 1)
        by_hop[at].append(each)
    for at, about in by_hop.items():
        hops[at] = replace(hops[at], state=UNKNOWN, text=_why_unknown(about))
    return tuple(hops)


def _why_unknown(unread: Iterable[Unread]) -> str:
    in_order = tuple(sorted(unread, key=lambda each: _ORDER.get(each.kind, 0)))
    refused = tuple(each for each in in_order if each.reason not in OUTSIDE)
    if refused:
        return f"{named(refused) or 'a document'} could not be read"
    if any(each.reason is UnreadReason.NOT_REQUESTED for each in in_order):
        kinds = listing(plural(each.kind) for each in in_order if each.kind)
        return f"{kinds} in other namespaces were not asked for"
    return f"{named(in_order)}: not among the files"
