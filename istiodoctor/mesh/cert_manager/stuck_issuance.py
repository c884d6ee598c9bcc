"""Certificates that gateways wait for, and what blocks their HTTP-01 challenges."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from istiodoctor.mesh.cert_manager.issuance import Issuance, certificates_for, is_ready, issuance
from istiodoctor.mesh.configuration.domain_rules import rules_at
from istiodoctor.mesh.configuration.redirects import (
    PlainHost,
    RedirectKind,
    plain_hosts_for,
    redirect_exempts_challenges,
    tls_hosts_meeting,
)
from istiodoctor.mesh.credentials.credentials import CredentialUse, uses_by_secret, uses_of_server
from istiodoctor.mesh.gateways.listeners import listeners_of
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.grace_times import FIRST_ISSUE_TAKES, RENEWAL_TAKES
from istiodoctor.mesh.hosts import covers
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.certmanager import Certificate, Challenge, ClusterIssuer, Issuer, Solver
from istiodoctor.model.metadata import condition

HTTP01 = "HTTP-01"
DNS01 = "DNS-01"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GatewayCertificate:
    """A Certificate that writes a Secret which a gateway asks for."""

    certificate: Certificate
    uses: tuple[CredentialUse, ...]

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name of the Secret."""
        return (self.certificate.namespace, self.certificate.spec.secret_name)

    @property
    def secret_is_missing(self) -> bool:
        """Whether the Secret is known not to exist: from the API server, or by the Certificate."""
        if any(use.credential for use in self.uses):
            return False
        said = (
            condition(self.certificate.status.conditions, kind) for kind in ("Ready", "Issuing")
        )
        return any(use.is_missing for use in self.uses) or any(
            each is not None and each.reason == "DoesNotExist" for each in said
        )

    @property
    def not_after(self) -> datetime | None:
        """When what is served now expires."""
        leaf = next((use.credential.leaf for use in self.uses if use.credential), None)
        return leaf.not_after if leaf else self.certificate.status.not_after


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockedChallenge:
    """A redirect that keeps the HTTP-01 challenge of one host from being answered."""

    owner: GatewayCertificate
    host: str
    plain: PlainHost
    issuance: Issuance
    challenge: Challenge | None
    """The Challenge that waits; None when it is only to come."""


@question
def gateway_certificates(mesh: Mesh) -> tuple[GatewayCertificate, ...]:
    """Return the Certificates whose Secrets gateways ask for."""
    return tuple(
        GatewayCertificate(certificate=certificate, uses=uses)
        for (namespace, name), uses in uses_by_secret(mesh).items()
        for certificate in certificates_for(mesh, namespace, name)
    )


@question
def stuck_certificates(mesh: Mesh) -> tuple[tuple[GatewayCertificate, Issuance], ...]:
    """Return the Certificates of gateways that are not done: first issues and renewals.

    A first issue that is younger than FIRST_ISSUE_TAKES is on its way, not stuck; so is one
    that nobody has looked at yet: no status and no time, as manifests show it.
    """
    return tuple(
        (owner, issuance(mesh, owner.certificate))
        for owner in gateway_certificates(mesh)
        if _is_first_issue_stuck(mesh, owner) or is_renewal_stuck(mesh, owner)
    )


@question
def young_certificates(mesh: Mesh) -> tuple[GatewayCertificate, ...]:
    """Return the Certificates whose first issue is on its way: their Secrets are not there yet."""
    return tuple(
        owner
        for owner in gateway_certificates(mesh)
        if owner.secret_is_missing
        and not is_ready(owner.certificate)
        and not _is_first_issue_stuck(mesh, owner)
    )


def _is_first_issue_stuck(mesh: Mesh, owner: GatewayCertificate) -> bool:
    certificate = owner.certificate
    if is_ready(certificate) or not owner.secret_is_missing:
        return False
    since = started(certificate)
    if since is None:
        return bool(certificate.status.conditions)
    return mesh.taken_at - since > FIRST_ISSUE_TAKES


def is_renewal_stuck(mesh: Mesh, owner: GatewayCertificate) -> bool:
    """Whether a certificate should have been replaced by now and was not."""
    status = owner.certificate.status
    if owner.secret_is_missing:
        return False
    if status.failed_issuance_attempts and status.last_failure_time:
        return True
    if status.renewal_time is None:
        return False
    leaf = next((use.credential.leaf for use in owner.uses if use.credential), None)
    renewed = leaf is not None and leaf.not_before >= status.renewal_time - RENEWAL_TAKES
    return mesh.taken_at - status.renewal_time > RENEWAL_TAKES and not renewed


@question
def plain_answers(mesh: Mesh, workloads: tuple[Workload, ...], host: str) -> tuple[PlainHost, ...]:
    """Return the plain server that answers for a host on each of these workloads."""
    found = (plain_hosts_for(mesh, workload, host)[:1] for workload in workloads)
    return tuple(plain for plains in found for plain in plains)


@question
def blocked_challenges(mesh: Mesh) -> tuple[BlockedChallenge, ...]:
    """Return the HTTP-01 challenges, waiting or to come, that a redirect sends away.

    A redirect is harmless where the HTTPS server routes the challenge path and has its
    certificate: challenges follow redirects, whatever the certificate.
    """
    return tuple(
        BlockedChallenge(
            owner=owner,
            host=host,
            plain=plain,
            issuance=issuance(mesh, owner.certificate),
            challenge=challenge,
        )
        for owner in gateway_certificates(mesh)
        for host, challenge in _http01_hosts(mesh, owner)
        for plain in plain_answers(mesh, _workloads(owner), host)
        if plain.redirect is not RedirectKind.NONE
        and not redirect_exempts_challenges(mesh, plain)
        and not _lands(mesh, plain, host)
    )


def _http01_hosts(mesh: Mesh, owner: GatewayCertificate) -> Iterator[tuple[str, Challenge | None]]:
    found = issuance(mesh, owner.certificate)
    waiting = {
        each.spec.dns_name.lower(): each
        for each in found.challenges
        if each.spec.type == HTTP01 and each.status.state != "valid"
    }
    yield from waiting.items()
    for name in owner.certificate.spec.dns_names:
        if name.lower() not in waiting and uses_http01_only(found.issuer.issuer, name):
            yield name.lower(), None


def _lands(mesh: Mesh, plain: PlainHost, host: str) -> bool:
    return any(
        covers(tls.host, host)
        and _routes_challenges(mesh, tls.server, host)
        and not any(use.is_missing for use in uses_of_server(mesh, tls.server))
        for tls in tls_hosts_meeting(mesh, plain.workload, host)
    )


def _routes_challenges(mesh: Mesh, server: Server, host: str) -> bool:
    return any(
        match.uri and (match.uri.prefix or match.uri.exact or "").startswith("/.well-known")
        for listener in listeners_of(mesh, server)
        for each in rules_at(mesh, listener, server, host)
        if each.rule.redirect is None and (match := each.written)
    )


def _workloads(owner: GatewayCertificate) -> tuple[Workload, ...]:
    return tuple(dict.fromkeys(use.workload for use in owner.uses))


def started(certificate: Certificate) -> datetime | None:
    """Return when an issuance began, as far as the object tells."""
    found = (condition(certificate.status.conditions, kind) for kind in ("Issuing", "Ready"))
    times = (each.last_transition_time for each in found if each and each.last_transition_time)
    return next(times, certificate.metadata.creation_timestamp)


def solvers_for(issuer: Issuer | ClusterIssuer | None, name: str) -> tuple[Solver, ...]:
    """Return the ACME solvers that may take a name, the most particular kind of selector first.

    Selectors by label need the Certificate's labels; they count as able to take every name.
    """
    acme = issuer.spec.acme if issuer else None
    solvers = acme.solvers if acme else ()
    bare = name.lower().removeprefix("*.")
    exact = tuple(s for s in solvers if s.selector and name in s.selector.dns_names)
    zoned = tuple(
        s
        for s in solvers
        if s.selector
        and any(bare == zone or bare.endswith(f".{zone}") for zone in s.selector.dns_zones)
    )
    labelled = tuple(s for s in solvers if s.selector and s.selector.match_labels)
    general = tuple(s for s in solvers if not s.selector or not _restricts(s))
    return exact or zoned or labelled + general


def _restricts(solver: Solver) -> bool:
    chosen = solver.selector
    return bool(chosen and (chosen.dns_names or chosen.dns_zones or chosen.match_labels))


def uses_http01_only(issuer: Issuer | ClusterIssuer | None, name: str) -> bool:
    """Whether an issuer has nothing but HTTP-01 for a name."""
    solvers = solvers_for(issuer, name)
    return bool(solvers) and all(each.http01 and not each.dns01 for each in solvers)


def wildcards_by_http01(
    certificate: Certificate, issuer: Issuer | ClusterIssuer | None
) -> tuple[str, ...]:
    """Return the wildcards for which an issuer has only HTTP-01: ACME issues none by it."""
    names = certificate.spec.dns_names
    return tuple(n for n in names if n.startswith("*.") and uses_http01_only(issuer, n))
