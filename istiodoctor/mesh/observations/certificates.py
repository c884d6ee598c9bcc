"""Certificates that probes saw, compared with those that the Secrets hold."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.certificates.coverage import served_certificates
from istiodoctor.mesh.certificates.trust import Knowledge, intermediate
from istiodoctor.mesh.credentials.credentials import CredentialState, CredentialUse, uses_of_server
from istiodoctor.mesh.gateways.listeners import live_servers
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.grace_times import SETTLING_TIME
from istiodoctor.mesh.hosts import certificate_covers, covers, is_wildcard
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.private_addresses import is_private
from istiodoctor.model.credential import CertificateFacts, Credential
from istiodoctor.model.kind import Kind
from istiodoctor.model.observation import (
    AccessPoint,
    TlsObservation,
    Via,
)

TO_THE_GATEWAY = frozenset({Via.PORT_FORWARD, Via.SERVICE_ADDRESS, Via.NODE_PORT})
"""Ways that end at the gateway, whatever DNS says."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeenCertificate:
    """A certificate that a server presented, and all handshakes that showed it."""

    server: Server
    leaf: CertificateFacts
    handshakes: tuple[TlsObservation, ...]
    uses: tuple[CredentialUse, ...]
    """The credentials that the server asks for; empty where Envoy presents none of its own."""

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that were asked for."""
        return frozenset(each.target.host for each in self.handshakes)

    @property
    def access_points(self) -> tuple[AccessPoint, ...]:
        """Where it was seen."""
        return tuple(dict.fromkeys(each.target.access_point for each in self.handshakes))

    @property
    def stored(self) -> tuple[Credential, ...]:
        """The Secrets that should be served."""
        found = (each.credential for each in self.uses if each.credential)
        return tuple({(each.namespace, each.name): each for each in found}.values())

    @property
    def keys(self) -> frozenset[tuple[str, str]]:
        """Namespace and name of those Secrets: what findings meet on."""
        return frozenset(each.key for each in self.uses if each.namespace)

    @property
    def is_from_before(self) -> bool:
        """Whether something before the gateway presented it: no pod did, no Secret holds it."""
        chains = (each.pair.chain.certificates for each in self.stored if each.pair)
        known = {each.fingerprint_sha256 for chain in chains for each in chain}
        is_at_pod = any(access_point.pod for access_point in self.access_points)
        return not is_at_pod and self.leaf.fingerprint_sha256 not in known

    @property
    def is_perhaps_another_networks(self) -> bool:
        """Whether it came from private addresses alone: here, they may be somebody else's."""
        return self.is_from_before and all(
            is_private(access_point.address) for access_point in self.access_points
        )


@question
def servers_by_id(mesh: Mesh) -> Mapping[str, Server]:
    """Return the live servers by their identities."""
    return {server.id: server for server in live_servers(mesh)}


@question(Kind.TLS_PROBE)
def handshakes(mesh: Mesh) -> Mapping[Server, tuple[TlsObservation, ...]]:
    """Return the handshakes that were made to reach each server."""
    found: dict[Server, list[TlsObservation]] = defaultdict(list)
    for seen in mesh.snapshot.tls_observations:
        server = servers_by_id(mesh).get(seen.target.server)
        if server is not None:
            found[server].append(seen)
    return {server: tuple(each) for server, each in found.items()}


@question
def seen_certificates(mesh: Mesh) -> tuple[SeenCertificate, ...]:
    """Return the certificates that servers presented to clients who sent a name."""
    return tuple(each for server in handshakes(mesh) for each in _presented(mesh, server))


def _presented(mesh: Mesh, server: Server) -> Iterator[SeenCertificate]:
    groups: dict[str, list[TlsObservation]] = defaultdict(list)
    for seen in handshakes(mesh)[server]:
        if seen.leaf and seen.target.sni and seen.target.access_point.via in TO_THE_GATEWAY:
            groups[seen.leaf.fingerprint_sha256].append(seen)
    for group in groups.values():
        leaf, gateways = group[0].leaf, {each.target.access_point.gateway for each in group}
        if leaf is not None:
            uses = uses_of_server(mesh, server)
            yield SeenCertificate(
                server=server,
                leaf=leaf,
                handshakes=tuple(group),
                uses=tuple(each for each in uses if each.workload.owner in gateways),
            )


@question
def mismatched_certificates(mesh: Mesh) -> tuple[tuple[SeenCertificate, tuple[str, ...]], ...]:
    """Return the certificates that do not name all the hosts they were shown for."""
    found = ((seen, tuple(dict.fromkeys(_not_covered(seen)))) for seen in seen_certificates(mesh))
    return tuple((seen, hosts) for seen, hosts in found if hosts)


@question
def incomplete_chains(mesh: Mesh) -> tuple[tuple[SeenCertificate, Knowledge], ...]:
    """Return the certificates that came without the intermediate that issued them."""
    return tuple(
        (seen, knowledge)
        for seen in seen_certificates(mesh)
        if any(map(_lacks_issuer, seen.handshakes)) and (knowledge := _knowledge_of(mesh, seen))
    )


@question
def untrusted_on_wire(mesh: Mesh) -> tuple[SeenCertificate, ...]:
    """Return the certificates whose chain as served leads to no root that clients trust.

    Where only an intermediate is wanting, that is the fault, and they are left out.
    """
    incomplete = {each for each, _ in incomplete_chains(mesh)}
    return tuple(
        seen
        for seen in seen_certificates(mesh)
        if seen not in incomplete and _is_untrusted(mesh, seen)
    )


def _is_untrusted(mesh: Mesh, seen: SeenCertificate) -> bool:
    judged = [each.chain_is_trusted for each in seen.handshakes]
    served = {facts.fingerprint_sha256 for each in seen.handshakes for facts in each.chain}
    is_refused = False in judged and True not in judged
    return is_refused and served.isdisjoint(mesh.facts.trust_anchors)


def _knowledge_of(mesh: Mesh, seen: SeenCertificate) -> Knowledge | None:
    ca_bundle = tuple(facts for each in seen.stored for facts in each.ca_bundle.certificates)
    return intermediate(mesh, seen.leaf, ca_bundle)


@question
def unexpected_certificates(mesh: Mesh) -> tuple[tuple[SeenCertificate, Credential | None], ...]:
    """Return the certificates that pods present in place of the stored ones.

    With the Secret that they are from, where another one holds them.
    """
    by_fingerprint = {
        each.leaf.fingerprint_sha256: each.credential for each in served_certificates(mesh)
    }
    return tuple(
        (seen, by_fingerprint.get(seen.leaf.fingerprint_sha256))
        for seen in seen_certificates(mesh)
        if _is_unexpected(mesh, seen)
    )


def _is_unexpected(mesh: Mesh, seen: SeenCertificate) -> bool:
    if (
        not any(access_point.via is Via.PORT_FORWARD for access_point in seen.access_points)
        or not seen.uses
    ):
        return False
    if any(each.state is not CredentialState.FOUND for each in seen.uses):
        return False
    pairs = [each.pair for each in seen.stored]
    stored = [facts for pair in pairs if pair for facts in pair.chain.certificates]
    newest = max((each.not_before for each in stored), default=None)
    if newest is None or len(pairs) < len({each.key for each in seen.uses}) or None in pairs:
        return False
    known = {each.fingerprint_sha256 for each in stored}
    is_fresh = mesh.snapshot.taken_at - newest < SETTLING_TIME
    return seen.leaf.fingerprint_sha256 not in known and not is_fresh


def _not_covered(seen: SeenCertificate) -> Iterator[str]:
    names = (*seen.leaf.dns_names, *seen.leaf.ip_addresses)
    for each in seen.handshakes:
        host, asked = each.target.host, each.target.sni
        if any(certificate_covers(name, asked) for name in names):
            continue
        # Which names under a wildcard clients use is not known: some of them may be covered.
        if not (is_wildcard(host) and any(covers(host, name) for name in names)):
            yield host


def _lacks_issuer(seen: TlsObservation) -> bool:
    leaf = seen.leaf
    if leaf is None or seen.chain_is_trusted:
        return False
    return not any(each.subject == leaf.issuer for each in seen.chain[1:])
