"""HTTP/2 connection coalescing: hosts that browsers ask for on another server's connection."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.configuration.answering_routes import answering_routes
from istiodoctor.mesh.configuration.chain_index import tls_server_for
from istiodoctor.mesh.configuration.misrouting import www_counterparts
from istiodoctor.mesh.configuration.redirects import plain_hosts_for
from istiodoctor.mesh.credentials.credentials import CredentialState, credential_uses
from istiodoctor.mesh.gateways.attachments import attachments_of
from istiodoctor.mesh.gateways.listeners import listeners
from istiodoctor.mesh.gateways.merging import Listener
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.hosts import is_wildcard
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.credential import Credential
from istiodoctor.model.ref import Ref


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CoalescingMisroute:
    """A host that a browser may ask for on the connection to another server, which answers 404."""

    name: str
    """The name in the other server's certificate that covers the host."""
    host: str
    server: Server
    """The server that the host belongs to."""
    lands_on: Server
    """The server whose certificate also covers it, and whose routes differ."""
    credential: Credential
    """The certificate of that other server."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReuseGroup:
    """Servers of one listener whose certificates let browsers reuse a connection wrongly."""

    listener: Listener
    misroutes: tuple[CoalescingMisroute, ...]

    @property
    def credentials(self) -> tuple[Credential, ...]:
        """The Secrets whose certificates cover hosts of other servers, in order of name."""
        found = {each.credential.ref: each.credential for each in self.misroutes}
        return tuple(found[ref] for ref in sorted(found))

    @property
    def servers(self) -> tuple[Server, ...]:
        """The servers concerned, oldest first."""
        found = {
            each for misroute in self.misroutes for each in (misroute.server, misroute.lands_on)
        }
        return tuple(sorted(found, key=lambda each: (each.age_order, each.index)))

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that may get a wrong answer."""
        return tuple(dict.fromkeys(misroute.host for misroute in self.misroutes))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnservedWwwName:
    """A host with or without `www.` that a server's certificate covers and no server has."""

    name: str
    server: Server
    """The server that has the other name and presents the certificate."""
    credential: Credential
    is_plain_served: bool
    """Whether plain HTTP answers for the name on the same workload."""


@question
def _certificates(mesh: Mesh) -> Mapping[tuple[Workload, Server], tuple[Credential, ...]]:
    found: dict[tuple[Workload, Server], list[Credential]] = defaultdict(list)
    for use in credential_uses(mesh):
        if use.state is CredentialState.FOUND and use.credential and use.credential.leaf:
            found[use.workload, use.server].append(use.credential)
    return {key: tuple(credentials) for key, credentials in found.items()}


@question(rests_on=[attachments_of])  # routes of the Gateway API are evidence to virtual hosts
def reuse_groups(mesh: Mesh) -> tuple[ReuseGroup, ...]:
    """Return, per listener, the servers whose certificates cover hosts of one another.

    And which route those hosts differently: a browser keeps one HTTP/2 connection for every
    name that its certificate covers.
    """
    return tuple(
        ReuseGroup(listener=listener, misroutes=tuple(misroutes))
        for listener in listeners(mesh)
        if listener.is_tls and len(listener.servers) > 1
        for misroutes in _joined(list(_misroutes(mesh, listener)))
    )


@question
def unserved_www_names(mesh: Mesh) -> tuple[UnservedWwwName, ...]:
    """Return the names beside a server's own that its certificate has and no server takes."""
    return tuple(
        UnservedWwwName(
            name=name,
            server=server,
            credential=credential,
            is_plain_served=bool(plain_hosts_for(mesh, listener.workload, name)),
        )
        for listener in listeners(mesh)
        for server in listener.servers
        if server.api is GatewayApi.ISTIO
        for credential in _certificates(mesh).get((listener.workload, server), ())
        for name in _www_counterparts(server, credential)
        if tls_server_for(mesh, listener, name) is None
    )


def _misroutes(mesh: Mesh, listener: Listener) -> Iterator[CoalescingMisroute]:
    owners: dict[str, dict[Server, Credential]] = defaultdict(dict)
    under: dict[str, list[tuple[str, Server]]] = defaultdict(list)
    for server in listener.servers:
        if not server.is_tls:
            continue
        if server.routes_http:
            for credential in _certificates(mesh).get((listener.workload, server), ()):
                for name in credential.leaf.dns_names if credential.leaf else ():
                    owners[name.lower()].setdefault(server, credential)
        for host in server.names:
            under[host].append((host, server))
            if not is_wildcard(host):
                under[f"*.{host.partition('.')[2]}"].append((host, server))
    for name, holders in owners.items():
        for host, server in under.get(name, ()):
            misroute = _misroute(mesh, listener, name, holders, host, server)
            if misroute:
                yield misroute


def _misroute(
    mesh: Mesh,
    listener: Listener,
    name: str,
    holders: Mapping[Server, Credential],
    host: str,
    server: Server,
) -> CoalescingMisroute | None:
    if holders.keys() == {server} or tls_server_for(mesh, listener, host) is not server:
        return None
    wanted = _route_refs(mesh, server, host)
    if not wanted:
        return None
    # Ends soon: hardly any two servers have the same routes for one host.
    for other, credential in holders.items():
        if other is not server and _route_refs(mesh, other, host) != wanted:
            return CoalescingMisroute(
                name=name, host=host, server=server, lands_on=other, credential=credential
            )
    return None


def _route_refs(mesh: Mesh, server: Server, host: str) -> frozenset[Ref]:
    return frozenset(answering_routes(mesh, server, host))


def _www_counterparts(server: Server, credential: Credential) -> tuple[str, ...]:
    own = set(server.names)
    names = credential.leaf.dns_names if credential.leaf else ()
    return tuple(
        name
        for name in map(str.lower, names)
        if name not in own and own.intersection(www_counterparts(name))
    )


def _joined(misroutes: list[CoalescingMisroute]) -> Iterator[list[CoalescingMisroute]]:
    """Yield groups of misroutes that share a certificate, or a name in several certificates."""
    parents: dict[str, str] = {}

    def root(node: str) -> str:
        while parents.setdefault(node, node) != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    for misroute in misroutes:
        leaf = misroute.credential.leaf
        parents[root(misroute.name)] = root(leaf.fingerprint_sha256 if leaf else misroute.name)
    groups: dict[str, list[CoalescingMisroute]] = defaultdict(list)
    for misroute in misroutes:
        groups[root(misroute.name)].append(misroute)
    yield from groups.values()
