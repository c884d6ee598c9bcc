"""cert-manager's chain: Certificate → CertificateRequest → Order → Challenge; its issuer."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.certmanager import (
    Certificate,
    CertificateRequest,
    Challenge,
    ClusterIssuer,
    Issuer,
    IssuerReference,
    Order,
)
from istiodoctor.model.kind import CERT_MANAGER, Kind
from istiodoctor.model.metadata import Condition, Resource, condition
from istiodoctor.model.ref import Ref

CERTIFICATE_NAME = "cert-manager.io/certificate-name"
FIRST_RETRY = timedelta(hours=1)
LONGEST_RETRY = timedelta(hours=32)
ONGOING = frozenset({"", "pending", "processing", "ready"})


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerResolution:
    """What an `issuerRef` leads to."""

    reference: IssuerReference
    ref: Ref
    """The issuer looked for."""
    issuer: Issuer | ClusterIssuer | None
    exists: bool | None
    """None when it cannot be told, or the issuer is another controller's."""
    other_kind: Ref | None = None
    """An issuer of the same name of the other kind, in another namespace, or of cert-manager
    itself where the group is another's."""

    @property
    def ready(self) -> Condition | None:
        """The issuer's Ready condition."""
        return condition(self.issuer.status.conditions, "Ready") if self.issuer else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuance:
    """A Certificate's newest CertificateRequest, Order and Challenges, and its issuer."""

    certificate: Certificate
    request: CertificateRequest | None
    order: Order | None
    challenges: tuple[Challenge, ...]
    issuer: IssuerResolution


def is_ready(certificate: Certificate) -> bool | None:
    """Whether a Certificate says Ready; None without the condition."""
    ready = condition(certificate.status.conditions, "Ready")
    return None if ready is None else ready.status == "True"


def is_issuing(certificate: Certificate) -> bool:
    """Whether an issuance is under way."""
    issuing = condition(certificate.status.conditions, "Issuing")
    return issuing is not None and issuing.status == "True"


def next_attempt(certificate: Certificate) -> datetime | None:
    """When cert-manager tries again by itself: 1 h · 2^(attempts-1) after the failure.

    At most 32 h.
    """
    failed, attempts = (
        certificate.status.last_failure_time,
        certificate.status.failed_issuance_attempts,
    )
    if failed is None:
        return None
    doublings = min(max(attempts - 1, 0), 5)
    return failed + min(FIRST_RETRY * (1 << doublings), LONGEST_RETRY)


@question(Kind.CERTIFICATE)
def certificates(mesh: Mesh) -> tuple[Certificate, ...]:
    """Return every cert-manager Certificate."""
    return mesh.all(Certificate)


@question(Kind.CERTIFICATE)
def certificate(mesh: Mesh, namespace: str, name: str) -> Certificate | None:
    """Return one Certificate."""
    return mesh.get(Certificate, namespace, name)


@question
def _certificates_by_secret(mesh: Mesh) -> Mapping[tuple[str, str], tuple[Certificate, ...]]:
    found: dict[tuple[str, str], list[Certificate]] = defaultdict(list)
    for each in certificates(mesh):
        found[each.namespace, each.spec.secret_name].append(each)
    return {key: tuple(certificates) for key, certificates in found.items()}


@question
def certificates_for(mesh: Mesh, namespace: str, secret_name: str) -> tuple[Certificate, ...]:
    """Return the Certificates that write a Secret; more than one fight over it."""
    return _certificates_by_secret(mesh).get((namespace, secret_name), ())


@question(Kind.CERTIFICATE)
def knows_certificates(mesh: Mesh, namespace: str) -> bool:
    """Whether every Certificate of a namespace was read."""
    return mesh.is_complete(Kind.CERTIFICATE, namespace)


@question
def certificates_naming(mesh: Mesh, secret_name: str) -> tuple[Certificate, ...]:
    """Return the Certificates with this secretName, in any namespace."""
    return _certificates_by_secret_name(mesh).get(secret_name, ())


@question
def _certificates_by_secret_name(mesh: Mesh) -> Mapping[str, tuple[Certificate, ...]]:
    found: dict[str, list[Certificate]] = defaultdict(list)
    for each in certificates(mesh):
        found[each.spec.secret_name].append(each)
    return {name: tuple(certificates) for name, certificates in found.items()}


@question
def _certificates_by_dns_name(mesh: Mesh) -> Mapping[str, tuple[Certificate, ...]]:
    found: dict[str, list[Certificate]] = defaultdict(list)
    for each in certificates(mesh):
        for name in each.spec.dns_names:
            found[name.lower()].append(each)
    return {name: tuple(certificates) for name, certificates in found.items()}


@question
def certificates_covering(mesh: Mesh, host: str) -> tuple[Certificate, ...]:
    """Return the Certificates whose dnsNames are valid for a host, exact names first."""
    index = _certificates_by_dns_name(mesh)
    parent = host.lower().partition(".")[2]
    wild = index.get(f"*.{parent}", ()) if not host.startswith("*") else ()
    return tuple({each.ref: each for each in (*index.get(host.lower(), ()), *wild)}.values())


@question(Kind.ISSUER, Kind.CLUSTER_ISSUER)
def _issuers_by_name(mesh: Mesh) -> Mapping[str, Ref]:
    """Return one issuer of each name; a ClusterIssuer where there is one."""
    every: tuple[Resource, ...] = (*mesh.all(ClusterIssuer), *mesh.all(Issuer))
    return {each.name: each.ref for each in reversed(every)}


@question(Kind.ISSUER, Kind.CLUSTER_ISSUER)
def issuer_of(mesh: Mesh, certificate: Certificate) -> IssuerResolution:
    """Return what a Certificate's `issuerRef` leads to."""
    reference = certificate.spec.issuer_ref
    cluster_wide = reference.effective_kind == "ClusterIssuer"
    namespace = "" if cluster_wide else certificate.namespace
    kind = Kind.CLUSTER_ISSUER if cluster_wide else Kind.ISSUER
    ref = Ref(reference.group or CERT_MANAGER, reference.effective_kind, namespace, reference.name)
    if not reference.is_cert_manager:
        return IssuerResolution(
            reference=reference,
            ref=ref,
            issuer=None,
            exists=None,
            other_kind=_issuers_by_name(mesh).get(reference.name),
        )
    found: Issuer | ClusterIssuer | None = (
        mesh.get(ClusterIssuer, "", reference.name)
        if cluster_wide
        else mesh.get(Issuer, namespace, reference.name)
    )
    exists = (
        True if found else (False if mesh.is_complete(kind, namespace, reference.name) else None)
    )
    return IssuerResolution(
        reference=reference,
        ref=ref,
        issuer=found,
        exists=exists,
        other_kind=None if found else _issuers_by_name(mesh).get(reference.name),
    )


@question(Kind.CERTIFICATE_REQUEST)
def _requests_by_certificate(
    mesh: Mesh,
) -> Mapping[tuple[str, str], tuple[CertificateRequest, ...]]:
    found: dict[tuple[str, str], list[CertificateRequest]] = defaultdict(list)
    for each in mesh.all(CertificateRequest):
        name = each.metadata.annotations.get(CERTIFICATE_NAME) or _owner(each, "Certificate")
        found[each.namespace, name].append(each)
    return {key: tuple(sorted(each, key=_revision)) for key, each in found.items()}


@question(Kind.ORDER)
def _orders_by_request(mesh: Mesh) -> Mapping[tuple[str, str], tuple[Order, ...]]:
    found: dict[tuple[str, str], list[Order]] = defaultdict(list)
    for each in mesh.all(Order):
        name = _owner(each, "CertificateRequest")
        found[each.namespace, name].append(each)
    return {key: tuple(sorted(each, key=lambda o: o.age_order)) for key, each in found.items()}


@question(Kind.CHALLENGE)
def challenges(mesh: Mesh) -> tuple[Challenge, ...]:
    """Return every ACME Challenge."""
    return mesh.all(Challenge)


@question
def _challenges_by_key(mesh: Mesh) -> Mapping[tuple[str, str, str], tuple[Challenge, ...]]:
    """Return Challenges by namespace and either `order` or `host` with its name."""
    found: dict[tuple[str, str, str], list[Challenge]] = defaultdict(list)
    for each in challenges(mesh):
        found[each.namespace, "order", _owner(each, "Order")].append(each)
        found[each.namespace, "host", each.spec.dns_name.lower()].append(each)
    return {key: tuple(challenges) for key, challenges in found.items()}


@question
def challenges_for(mesh: Mesh, namespace: str, dns_name: str) -> tuple[Challenge, ...]:
    """Return the Challenges in a namespace for a DNS name (without `*.`)."""
    wanted = dns_name.lower().removeprefix("*.")
    return _challenges_by_key(mesh).get((namespace, "host", wanted), ())


@question
def issuance(mesh: Mesh, certificate: Certificate) -> Issuance:
    """Return a Certificate's newest CertificateRequest, Order and Challenges, and its issuer."""
    key = (certificate.namespace, certificate.name)
    request = next(reversed(_requests_by_certificate(mesh).get(key, ())), None)
    orders = _orders_by_request(mesh).get((request.namespace, request.name), ()) if request else ()
    order = next(reversed(orders), None)
    owned: tuple[Challenge, ...] = ()
    if order:
        owned = _challenges_by_key(mesh).get((order.namespace, "order", order.name), ())
    if not owned and (not is_ready(certificate) or is_issuing(certificate)):
        owned = tuple(
            each
            for name in certificate.spec.dns_names
            for each in challenges_for(mesh, certificate.namespace, name)
        )
    return Issuance(
        certificate=certificate,
        request=request,
        order=order,
        challenges=owned,
        issuer=issuer_of(mesh, certificate),
    )


def _owner(resource: Resource, kind: str) -> str:
    owners = (each.name for each in resource.metadata.owner_references if each.kind == kind)
    return next(owners, "")


def _revision(request: CertificateRequest) -> tuple[int, tuple[str, str, str]]:
    written = request.metadata.annotations.get("cert-manager.io/certificate-revision", "")
    return (int(written) if written.isdecimal() and len(written) < 10 else 0, request.age_order)
