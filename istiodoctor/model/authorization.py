"""Who may call and with what token: AuthorizationPolicy and RequestAuthentication.

Source: istio.io/latest/docs/reference/config/security.
"""

from typing import ClassVar

import msgspec

from istiodoctor.model.istio import WorkloadSelector
from istiodoctor.model.kind import Kind
from istiodoctor.model.metadata import Fields, Resource


class PolicyTarget(Fields, frozen=True, kw_only=True):
    """`PolicyTargetReference`: what a policy is attached to."""

    group: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""


class Source(Fields, frozen=True, kw_only=True):
    """`Source`: who calls. Every field that is given must fit."""

    principals: tuple[str, ...] = ()
    not_principals: tuple[str, ...] = ()
    request_principals: tuple[str, ...] = ()
    not_request_principals: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    not_namespaces: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()
    not_service_accounts: tuple[str, ...] = ()
    trust_domains: tuple[str, ...] = ()
    not_trust_domains: tuple[str, ...] = ()
    ip_blocks: tuple[str, ...] = ()
    not_ip_blocks: tuple[str, ...] = ()
    remote_ip_blocks: tuple[str, ...] = ()
    not_remote_ip_blocks: tuple[str, ...] = ()


class Operation(Fields, frozen=True, kw_only=True):
    """`Operation`: what is called. Every field that is given must fit."""

    hosts: tuple[str, ...] = ()
    not_hosts: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    not_ports: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    not_methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    not_paths: tuple[str, ...] = ()


class RuleFrom(Fields, frozen=True, kw_only=True):
    """One entry of a rule's `from`."""

    source: Source | None = None


class RuleTo(Fields, frozen=True, kw_only=True):
    """One entry of a rule's `to`."""

    operation: Operation | None = None


class RuleCondition(Fields, frozen=True, kw_only=True):
    """One entry of a rule's `when`."""

    key: str = ""
    values: tuple[str, ...] = ()
    not_values: tuple[str, ...] = ()


class AuthorizationRule(Fields, frozen=True, kw_only=True):
    """`Rule`: one of `from`, one of `to` and all of `when` must fit."""

    origins: tuple[RuleFrom, ...] = msgspec.field(default=(), name="from")
    operations: tuple[RuleTo, ...] = msgspec.field(default=(), name="to")
    when: tuple[RuleCondition, ...] = ()


class PolicyProvider(Fields, frozen=True, kw_only=True):
    """`AuthorizationPolicy.ExtensionProvider`: who decides for the action CUSTOM."""

    name: str = ""


class AuthorizationPolicySpec(Fields, frozen=True, kw_only=True):
    """`AuthorizationPolicy.spec`."""

    selector: WorkloadSelector | None = None
    target_ref: PolicyTarget | None = None
    target_refs: tuple[PolicyTarget, ...] = ()
    action: str = "ALLOW"
    provider: PolicyProvider | None = None
    rules: tuple[AuthorizationRule, ...] = ()


class AuthorizationPolicy(Resource, frozen=True, kw_only=True):
    """A `security.istio.io` AuthorizationPolicy."""

    KIND: ClassVar[Kind] = Kind.AUTHORIZATION_POLICY
    spec: AuthorizationPolicySpec = AuthorizationPolicySpec()


class TokenHeader(Fields, frozen=True, kw_only=True):
    """`JWTHeader`: a header that a token is looked for in."""

    name: str = ""
    prefix: str = ""


class JwtRule(Fields, frozen=True, kw_only=True):
    """`JWTRule`, as far as it says where a token is looked for and what it is checked with."""

    issuer: str = ""
    jwks_uri: str = ""
    """Where istiod fetches the issuer's keys; empty where it asks the issuer for the address."""
    jwks: str = ""
    """The keys themselves."""
    from_headers: tuple[TokenHeader, ...] = ()
    from_params: tuple[str, ...] = ()
    from_cookies: tuple[str, ...] = ()


class RequestAuthenticationSpec(Fields, frozen=True, kw_only=True):
    """`RequestAuthentication.spec`."""

    selector: WorkloadSelector | None = None
    target_ref: PolicyTarget | None = None
    target_refs: tuple[PolicyTarget, ...] = ()
    jwt_rules: tuple[JwtRule, ...] = ()


class RequestAuthentication(Resource, frozen=True, kw_only=True):
    """A `security.istio.io` RequestAuthentication."""

    KIND: ClassVar[Kind] = Kind.REQUEST_AUTHENTICATION
    spec: RequestAuthenticationSpec = RequestAuthenticationSpec()
