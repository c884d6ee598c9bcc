"""The certificates that gateways serve, compared with the hosts that clients ask for."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.configuration.bindings import bindings
from istiodoctor.mesh.configuration.chain_index import server_like, tls_server_for
from istiodoctor.mesh.credentials.credentials import (
    CredentialUse,
    credential_uses,
    served_credentials,
    uses_of_server,
)
from istiodoctor.mesh.gateways.attachments import attachments_of
from istiodoctor.mesh.gateways.listeners import listeners, listeners_of
from istiodoctor.mesh.gateways.merging import Dropped
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.hosts import ANY, covers, is_wildcard, parents
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.credential import CertificateFacts, Credential, KeyPair
from istiodoctor.model.value import Value


class ServedCertificate(Value, frozen=True, kw_only=True, eq=False):
    """A Secret that live servers serve, and the certificate in it that is meant for clients."""

    credential: Credential
    pair: KeyPair
    leaf: CertificateFacts
    """The first certificate, or the one the key belongs to where the order is wrong."""
    uses: tuple[CredentialUse, ...]

    @property
    def is_out_of_order(self) -> bool:
        """Whether the certificate meant for clients is not the first one."""
        return self.leaf is not self.pair.chain.leaf

    @property
    def names(self) -> tuple[str, ...]:
        """The DNS names and IP addresses that clients compare with."""
        return (*self.leaf.dns_names, *self.leaf.ip_addresses)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UncoveredHost:
    """A host that clients reach a certificate under which does not name it."""

    host: str
    server: Server
    near: str
    """A wildcard of the certificate that misses it by its number of labels; else empty."""
    is_certain: bool
    """False where the hosts behind a wildcard are only guessed at."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DisplacedHost:
    """A host whose own server was dropped, and the credential that answers in its place."""

    host: str
    dropped: Dropped
    answering: CredentialUse


@question
def served_certificates(mesh: Mesh) -> tuple[ServedCertificate, ...]:
    """Return every Secret that is served and whose certificate for clients could be read."""
    return tuple(
        ServedCertificate(credential=credential, pair=pair, leaf=leaf, uses=uses)
        for credential, uses in served_credentials(mesh)
        if (pair := credential.pair) and (leaf := intended_leaf(pair))
    )


@question
def _leaves_by_server(mesh: Mesh) -> Mapping[Server, Mapping[str, CertificateFacts | None]]:
    """Return what is served on each server, by credential: one server may have several."""
    found: dict[Server, dict[str, CertificateFacts | None]] = defaultdict(dict)
    for use in credential_uses(mesh):
        pair = use.credential.pair if use.credential else None
        found[use.server][use.reference.text] = intended_leaf(pair) if pair else None
    return found


@question
def uncovered_hosts(mesh: Mesh) -> tuple[tuple[ServedCertificate, tuple[UncoveredHost, ...]], ...]:
    """Return the served certificates that do not name all the hosts they are served for.

    Those without any alternative name are another failure and left out.
    """
    found = (
        (served, tuple(_uncovered(mesh, served)))
        for served in served_certificates(mesh)
        if served.names
    )
    return tuple((served, hosts) for served, hosts in found if hosts)


def _uncovered(mesh: Mesh, served: ServedCertificate) -> Iterator[UncoveredHost]:
    judged: set[tuple[Server, str]] = set()
    for use in served.uses:
        leaves = _leaves_by_server(mesh)[use.server]
        if use.reference.text != next(iter(leaves)) or None in leaves.values():
            continue
        names = _names(*leaves.values())
        for host in expected_hosts(mesh, use.server):
            if (use.server, host) in judged or _is_covered(names, host):
                continue
            judged.add((use.server, host))
            yield UncoveredHost(
                host=host,
                server=use.server,
                near=_near_wildcard(names, host),
                is_certain=ANY not in use.server.names
                and not (is_wildcard(host) and any(covers(host, name) for name in names)),
            )


@question
def displaced_hosts(mesh: Mesh) -> tuple[DisplacedHost, ...]:
    """Return the hosts of dropped servers that get another server's certificate instead."""
    return tuple(
        DisplacedHost(host=host, dropped=dropped, answering=use)
        for listener in listeners(mesh)
        for dropped in listener.dropped
        if dropped.server.terminates_tls
        for host in dropped.server.names
        if (other := tls_server_for(mesh, listener, host)) and host not in other.names
        for use in uses_of_server(mesh, other)[:1]
        if use.credential and (leaf := use.credential.leaf) and not _is_covered(_names(leaf), host)
    )


def expected_hosts(mesh: Mesh, server: Server) -> Iterator[str]:
    """Yield the hosts that clients use: behind a wildcard, those that routes show."""
    behind: dict[str, list[str]] = {name: [] for name in server.names if is_wildcard(name)}
    for host in routed_hosts(mesh, server) if behind else ():
        for parent in parents(host):
            if parent in behind and host != ANY:
                behind[parent].append(host)
    for name in server.names:
        routed = behind.get(name)
        yield from routed or ()
        if not routed and name != ANY:
            yield name


@question
def routed_hosts(mesh: Mesh, server: Server) -> tuple[str, ...]:
    """Return the hosts of the routes on a server that reach it and no more specific one."""
    if server.api is GatewayApi.GATEWAY_API:
        hosts = [host for each in attachments_of(mesh, server) for host in each.hosts]
    else:
        hosts = [h for binding in bindings(mesh).get(server, ()) for h in binding.hosts]
    listeners = listeners_of(mesh, server)
    return tuple(
        host
        for host in dict.fromkeys(hosts)
        if any(server_like(mesh, listener, server, host) is server for listener in listeners)
    )


def intended_leaf(pair: KeyPair) -> CertificateFacts | None:
    """Return the certificate that is meant for clients.

    The first one; where that is not the key's, or is a CA above another, the one that is.
    """
    first = pair.chain.leaf
    if first is None or pair.key_matches_leaf:
        return first
    rest = pair.chain.certificates[1:]
    key = pair.private_key.public_key_sha256
    if key:
        return next((each for each in rest if each.public_key_sha256 == key), first)
    if first.is_ca:
        return next((each for each in rest if not each.is_ca), first)
    return first


def _names(*leaves: CertificateFacts | None) -> Mapping[str, None]:
    """Return the names in certificates, normalised and in order."""
    return {
        name.lower().rstrip("."): None
        for leaf in leaves
        if leaf
        for name in (*leaf.dns_names, *leaf.ip_addresses)
    }


def _is_covered(names: Mapping[str, None], host: str) -> bool:
    """Whether one of the names is valid for a host: as `certificate_covers`, for many names."""
    host = host.lower().rstrip(".")
    label, _, parent = host.partition(".")
    return host in names or (bool(label) and not is_wildcard(host) and f"*.{parent}" in names)


def _near_wildcard(names: Mapping[str, None], host: str) -> str:
    """Return a wildcard that has the host's parent, but another number of labels below it."""
    bare = host.removeprefix("*.")
    for name in names:
        parent = name.removeprefix("*.")
        if name.startswith("*.") and (bare == parent or bare.endswith(f".{parent}")):
            return name
    return ""
