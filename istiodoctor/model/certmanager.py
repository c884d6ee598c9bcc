"""cert-manager's objects (API reference: cert-manager.io/docs/reference/api-docs)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

import msgspec

from istiodoctor.model.kind import CERT_MANAGER, Kind
from istiodoctor.model.metadata import Condition, Fields, Resource


class IssuerReference(Fields, frozen=True, kw_only=True):
    """`issuerRef`; kind and group have defaults that surprise people."""

    name: str = ""
    kind: str = ""
    group: str = ""

    @property
    def effective_kind(self) -> str:
        """The kind in force: `Issuer` unless said otherwise."""
        return self.kind or "Issuer"

    @property
    def is_cert_manager(self) -> bool:
        """Whether cert-manager itself serves this issuer, not an external controller."""
        return self.group in ("", CERT_MANAGER)


class PrivateKeyOptions(Fields, frozen=True, kw_only=True):
    """`spec.privateKey`."""

    algorithm: str = ""
    size: int = 0


class CertificateSpec(Fields, frozen=True, kw_only=True):
    """`Certificate.spec`."""

    secret_name: str = ""
    dns_names: tuple[str, ...] = ()
    common_name: str = ""
    ip_addresses: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    email_addresses: tuple[str, ...] = ()
    other_names: tuple[Any, ...] = ()
    literal_subject: str = ""
    issuer_ref: IssuerReference = IssuerReference()
    private_key: PrivateKeyOptions | None = None
    duration: str = ""
    renew_before: str = ""
    secret_template: Any = None

    @property
    def has_names(self) -> bool:
        """Whether it asks for anything that a certificate could be for.

        Source: `ValidateCertificateSpec` of cert-manager
        (internal/apis/certmanager/validation/certificate.go).
        """
        named = (self.dns_names, self.ip_addresses, self.uris, self.email_addresses)
        return any((*named, self.other_names, self.common_name, self.literal_subject))


class CertificateStatus(Fields, frozen=True, kw_only=True):
    """`Certificate.status`."""

    conditions: tuple[Condition, ...] = ()
    not_before: datetime | None = None
    not_after: datetime | None = None
    renewal_time: datetime | None = None
    last_failure_time: datetime | None = None
    failed_issuance_attempts: int = 0


class Certificate(Resource, frozen=True, kw_only=True):
    """A cert-manager Certificate."""

    KIND: ClassVar[Kind] = Kind.CERTIFICATE
    spec: CertificateSpec = CertificateSpec()
    status: CertificateStatus = CertificateStatus()


class CertificateRequestSpec(Fields, frozen=True, kw_only=True):
    """`CertificateRequest.spec`; the request itself is left out."""

    issuer_ref: IssuerReference = IssuerReference()


class CertificateRequestStatus(Fields, frozen=True, kw_only=True):
    """`CertificateRequest.status`; the issued certificate is left out."""

    conditions: tuple[Condition, ...] = ()


class CertificateRequest(Resource, frozen=True, kw_only=True):
    """A cert-manager CertificateRequest."""

    KIND: ClassVar[Kind] = Kind.CERTIFICATE_REQUEST
    spec: CertificateRequestSpec = CertificateRequestSpec()
    status: CertificateRequestStatus = CertificateRequestStatus()


class Http01Ingress(Fields, frozen=True, kw_only=True):
    """The Ingress form of the HTTP-01 solver; `class` is its old field."""

    ingress_class: str = msgspec.field(default="", name="class")
    ingress_class_name: str = ""
    name: str = ""


class Http01(Fields, frozen=True, kw_only=True):
    """How HTTP-01 challenges are answered."""

    ingress: Http01Ingress | None = None


class SolverSelector(Fields, frozen=True, kw_only=True):
    """Which names a solver takes; empty takes all."""

    dns_names: tuple[str, ...] = ()
    dns_zones: tuple[str, ...] = ()
    match_labels: Mapping[str, str] = msgspec.field(default_factory=dict)


class Solver(Fields, frozen=True, kw_only=True):
    """One ACME challenge solver."""

    selector: SolverSelector | None = None
    http01: Http01 | None = None
    dns01: Any = None


class AcmeIssuer(Fields, frozen=True, kw_only=True):
    """`spec.acme`."""

    server: str = ""
    solvers: tuple[Solver, ...] = ()


class IssuerSpec(Fields, frozen=True, kw_only=True):
    """`Issuer.spec`, of which only an ACME issuer is looked into."""

    acme: AcmeIssuer | None = None


class IssuerStatus(Fields, frozen=True, kw_only=True):
    """`Issuer.status`."""

    conditions: tuple[Condition, ...] = ()


class Issuer(Resource, frozen=True, kw_only=True):
    """A namespaced cert-manager Issuer."""

    KIND: ClassVar[Kind] = Kind.ISSUER
    spec: IssuerSpec = IssuerSpec()
    status: IssuerStatus = IssuerStatus()


class ClusterIssuer(Resource, frozen=True, kw_only=True):
    """A cluster-scoped cert-manager issuer."""

    KIND: ClassVar[Kind] = Kind.CLUSTER_ISSUER
    spec: IssuerSpec = IssuerSpec()
    status: IssuerStatus = IssuerStatus()


class OrderSpec(Fields, frozen=True, kw_only=True):
    """`Order.spec`."""

    dns_names: tuple[str, ...] = ()
    issuer_ref: IssuerReference = IssuerReference()


class OrderStatus(Fields, frozen=True, kw_only=True):
    """`Order.status`."""

    state: str = ""
    reason: str = ""


class Order(Resource, frozen=True, kw_only=True):
    """An ACME Order."""

    KIND: ClassVar[Kind] = Kind.ORDER
    spec: OrderSpec = OrderSpec()
    status: OrderStatus = OrderStatus()


class ChallengeSpec(Fields, frozen=True, kw_only=True):
    """`Challenge.spec` without its key, which is a secret: it proves control of the name."""

    type: str = ""
    dns_name: str = ""
    token: str = ""
    """The last part of the path that the issuer asks for: whoever asks for it may know it."""
    issuer_ref: IssuerReference = IssuerReference()
    solver: Solver | None = None


class ChallengeStatus(Fields, frozen=True, kw_only=True):
    """`Challenge.status`."""

    state: str = ""
    reason: str = ""


class Challenge(Resource, frozen=True, kw_only=True):
    """An ACME Challenge."""

    KIND: ClassVar[Kind] = Kind.CHALLENGE
    spec: ChallengeSpec = ChallengeSpec()
    status: ChallengeStatus = ChallengeStatus()
