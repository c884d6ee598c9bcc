"""cert-manager's chain: Certificate → CertificateRequest → Order → Challenge; its issuer."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from istiodoctor.mesh.methods import question
from istiodoctor.mesh.redirects import RedirectQuestions
from istiodoctor.model.certmanager import (
    Certificate,
    CertificateRequest,
    Challenge,
    ClusterIssuer,
    Issuer,
    IssuerReference,
    Order,
)
from istiodoctor.model.credential import Credential
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
    """An issuer of the same name of the other kind, or in another namespace."""

    @property
    def ready(self) -> Condition | None:
        """The issuer's Ready condition."""
        return condition(self.issuer.status.conditions, "Ready") if self.issuer else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuance:
    """How far a Certificate's issuance has come: the newest of each layer."""

    certificate: Certificate
    request: CertificateRequest | None
    order: Order | None
    challenges: tuple[Challenge, ...]
    issuer: IssuerResolution

    @property
    def pending_challenges(self) -> tuple[Challenge, ...]:
        """Challenges that are neither valid nor failed for good."""
        return tuple(each for each in self.challenges if each.status.state in ONGOING)


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


class IssuanceQuestions(RedirectQuestions):
    """Certificates and what makes them."""

    @property
    def taken_at(self) -> datetime:
        """The one clock: when the snapshot was taken."""
        return self._snapshot.taken_at

    @question(Kind.CERTIFICATE)
    def certificates(self) -> tuple[Certificate, ...]:
        """Return every cert-manager Certificate."""
        return self._all(Certificate)

    @question(Kind.CERTIFICATE)
    def certificate(self, namespace: str, name: str) -> Certificate | None:
        """Return one Certificate."""
        return self._get(Certificate, namespace, name)

    @question(rests_on=[certificates])
    def _certificates_by_secret(self) -> Mapping[tuple[str, str], tuple[Certificate, ...]]:
        found: dict[tuple[str, str], list[Certificate]] = defaultdict(list)
        for each in self.certificates():
            found[each.namespace, each.spec.secret_name].append(each)
        return {key: tuple(certificates) for key, certificates in found.items()}

    @question(rests_on=[_certificates_by_secret])
    def certificates_for(self, namespace: str, secret_name: str) -> tuple[Certificate, ...]:
        """Return the Certificates that write a Secret; more than one fight over it."""
        return self._certificates_by_secret().get((namespace, secret_name), ())

    @question(Kind.CERTIFICATE)
    def knows_certificates(self, namespace: str) -> bool:
        """Whether every Certificate of a namespace was read."""
        return self._is_complete(Kind.CERTIFICATE, namespace)

    @question(rests_on=[_certificates_by_secret])
    def certificates_naming(self, secret_name: str) -> tuple[Certificate, ...]:
        """Return the Certificates with this secretName, in any namespace."""
        return self._certificates_by_secret_name().get(secret_name, ())

    @question(rests_on=[certificates])
    def _certificates_by_secret_name(self) -> Mapping[str, tuple[Certificate, ...]]:
        found: dict[str, list[Certificate]] = defaultdict(list)
        for each in self.certificates():
            found[each.spec.secret_name].append(each)
        return {name: tuple(certificates) for name, certificates in found.items()}

    @question(rests_on=[certificates])
    def _certificates_by_dns_name(self) -> Mapping[str, tuple[Certificate, ...]]:
        found: dict[str, list[Certificate]] = defaultdict(list)
        for each in self.certificates():
            for name in each.spec.dns_names:
                found[name.lower()].append(each)
        return {name: tuple(certificates) for name, certificates in found.items()}

    @question(rests_on=[_certificates_by_dns_name])
    def certificates_covering(self, host: str) -> tuple[Certificate, ...]:
        """Return the Certificates whose dnsNames are valid for a host, exact names first."""
        index = self._certificates_by_dns_name()
        parent = host.lower().partition(".")[2]
        wild = index.get(f"*.{parent}", ()) if not host.startswith("*") else ()
        return tuple({each.ref: each for each in (*index.get(host.lower(), ()), *wild)}.values())

    @question(rests_on=[certificates])
    def owner_of(self, credential: Credential) -> Certificate | None:
        """Return the Certificate in the same namespace that cert-manager says wrote a Secret."""
        name = credential.annotations.get(CERTIFICATE_NAME, "")
        return self._get(Certificate, credential.namespace, name)

    @question(Kind.ISSUER, Kind.CLUSTER_ISSUER)
    def _issuers_by_name(self) -> Mapping[str, Ref]:
        """Return one issuer of each name; a ClusterIssuer where there is one."""
        every: tuple[Resource, ...] = (*self._all(ClusterIssuer), *self._all(Issuer))
        return {each.name: each.ref for each in reversed(every)}

    @question(Kind.ISSUER, Kind.CLUSTER_ISSUER, rests_on=[_issuers_by_name])
    def issuer_of(self, certificate: Certificate) -> IssuerResolution:
        """Return what a Certificate's `issuerRef` leads to."""
        reference = certificate.spec.issuer_ref
        cluster_wide = reference.effective_kind == "ClusterIssuer"
        namespace = "" if cluster_wide else certificate.namespace
        kind = Kind.CLUSTER_ISSUER if cluster_wide else Kind.ISSUER
        ref = Ref(
            reference.group or CERT_MANAGER, reference.effective_kind, namespace, reference.name
        )
        if not reference.is_cert_manager:
            return IssuerResolution(reference=reference, ref=ref, issuer=None, exists=None)
        found: Issuer | ClusterIssuer | None = (
            self._get(ClusterIssuer, "", reference.name)
            if cluster_wide
            else self._get(Issuer, namespace, reference.name)
        )
        exists = (
            True
            if found
            else (False if self._is_complete(kind, namespace, reference.name) else None)
        )
        return IssuerResolution(
            reference=reference,
            ref=ref,
            issuer=found,
            exists=exists,
            other_kind=None if found else self._issuers_by_name().get(reference.name),
        )

    @question(Kind.CERTIFICATE_REQUEST)
    def _requests_by_certificate(self) -> Mapping[tuple[str, str], tuple[CertificateRequest, ...]]:
        found: dict[tuple[str, str], list[CertificateRequest]] = defaultdict(list)
        for each in self._all(CertificateRequest):
            name = each.metadata.annotations.get(CERTIFICATE_NAME) or _owner(each, "Certificate")
            found[each.namespace, name].append(each)
        return {key: tuple(sorted(each, key=_revision)) for key, each in found.items()}

    @question(Kind.ORDER)
    def _orders_by_request(self) -> Mapping[tuple[str, str], tuple[Order, ...]]:
        found: dict[tuple[str, str], list[Order]] = defaultdict(list)
        for each in self._all(Order):
            name = _owner(each, "CertificateRequest")
            found[each.namespace, name].append(each)
        return {key: tuple(sorted(each, key=lambda o: o.age_order)) for key, each in found.items()}

    @question(Kind.CHALLENGE)
    def challenges(self) -> tuple[Challenge, ...]:
        """Return every ACME Challenge."""
        return self._all(Challenge)

    @question(rests_on=[challenges])
    def _challenges_by_key(self) -> Mapping[tuple[str, str, str], tuple[Challenge, ...]]:
        """Return Challenges by namespace and either `order` or `host` with its name."""
        found: dict[tuple[str, str, str], list[Challenge]] = defaultdict(list)
        for each in self.challenges():
            found[each.namespace, "order", _owner(each, "Order")].append(each)
            found[each.namespace, "host", each.spec.dns_name.lower()].append(each)
        return {key: tuple(challenges) for key, challenges in found.items()}

    @question(rests_on=[_challenges_by_key])
    def challenges_for(self, namespace: str, dns_name: str) -> tuple[Challenge, ...]:
        """Return the Challenges in a namespace for a DNS name (without `*.`)."""
        wanted = dns_name.lower().removeprefix("*.")
        return self._challenges_by_key().get((namespace, "host", wanted), ())

    @question(
        rests_on=[issuer_of, _requests_by_certificate, _orders_by_request, _challenges_by_key]
    )
    def issuance(self, certificate: Certificate) -> Issuance:
        """Return how far a Certificate's issuance has come."""
        key = (certificate.namespace, certificate.name)
        request = next(reversed(self._requests_by_certificate().get(key, ())), None)
        orders = (
            self._orders_by_request().get((request.namespace, request.name), ()) if request else ()
        )
        order = next(reversed(orders), None)
        owned: tuple[Challenge, ...] = ()
        if order:
            owned = self._challenges_by_key().get((order.namespace, "order", order.name), ())
        if not owned and (not is_ready(certificate) or is_issuing(certificate)):
            owned = tuple(
                each
                for name in certificate.spec.dns_names
                for each in self.challenges_for(certificate.namespace, name)
            )
        return Issuance(
            certificate=certificate,
            request=request,
            order=order,
            challenges=owned,
            issuer=self.issuer_of(certificate),
        )


def _owner(resource: Resource, kind: str) -> str:
    owners = (each.name for each in resource.metadata.owner_references if each.kind == kind)
    return next(owners, "")


def _revision(request: CertificateRequest) -> tuple[int, tuple[str, str, str]]:
    written = request.metadata.annotations.get("cert-manager.io/certificate-revision", "")
    return (int(written) if written.isdecimal() and len(written) < 10 else 0, request.age_order)
