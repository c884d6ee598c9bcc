"""BackendTLSPolicy (API reference: gateway-api.sigs.k8s.io/reference/spec)."""

from typing import ClassVar

import msgspec

from istiodoctor.model.kind import Kind
from istiodoctor.model.metadata import Condition, Fields, Resource
from istiodoctor.model.routefilters import ObjectReference


class BackendTarget(Fields, frozen=True, kw_only=True):
    """`targetRefs[]`: a backend of the policy's namespace, or a port of it."""

    group: str = ""
    kind: str = ""
    name: str = ""
    section_name: str = ""


class BackendAlternativeName(Fields, frozen=True, kw_only=True):
    """`validation.subjectAltNames[]`."""

    type: str = ""
    hostname: str = ""
    uri: str = ""


class BackendValidation(Fields, frozen=True, kw_only=True):
    """`validation`: what the backend's certificate has to prove."""

    ca_certificate_refs: tuple[ObjectReference, ...] = ()
    well_known_ca_certificates: str | None = msgspec.field(
        default=None, name="wellKnownCACertificates"
    )
    hostname: str = ""
    subject_alt_names: tuple[BackendAlternativeName, ...] = ()


class BackendTlsPolicySpec(Fields, frozen=True, kw_only=True):
    """`BackendTLSPolicy.spec`."""

    target_refs: tuple[BackendTarget, ...] = ()
    validation: BackendValidation = BackendValidation()


class PolicyAncestorStatus(Fields, frozen=True, kw_only=True):
    """What a controller says of a policy for one Gateway."""

    controller_name: str = ""
    conditions: tuple[Condition, ...] = ()


class PolicyStatus(Fields, frozen=True, kw_only=True):
    """`PolicyStatus`."""

    ancestors: tuple[PolicyAncestorStatus, ...] = ()


class BackendTlsPolicy(Resource, frozen=True, kw_only=True):
    """How gateways speak TLS to backends."""

    KIND: ClassVar[Kind] = Kind.BACKEND_TLS_POLICY
    spec: BackendTlsPolicySpec = BackendTlsPolicySpec()
    status: PolicyStatus = PolicyStatus()
