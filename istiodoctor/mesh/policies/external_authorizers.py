"""External authorizers that refuse everything they are asked: unusable, or not answering.

Source: `processExtensionProvider`, `getExtAuthz`, `buildExtAuthzHTTP`
(pilot/pkg/security/authz/builder/extauthz.go:60, 127, 153), `LookupCluster`
(pilot/pkg/model/telemetry_logging.go:545), and Envoy's
source/extensions/filters/http/ext_authz/ext_authz.cc (`onComplete`: an error is answered with
`statusOnError`, 403 by default, unless failures are let through).
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec.structs import replace

from istiodoctor.mesh.configuration.cluster import Cluster, ClusterState
from istiodoctor.mesh.configuration.clusters import cluster
from istiodoctor.mesh.configuration.registry_service import RegistryService
from istiodoctor.mesh.configuration.scope import Scope, scope_of
from istiodoctor.mesh.configuration.service_registry import services_of_hostname, unread_service
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.policies.authorization import ApplyingPolicies, is_dry_run, provider_of
from istiodoctor.mesh.policies.authorization_policies import applying_policies
from istiodoctor.mesh.policies.authorization_rules import PolicyAction
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import control_plane_of, mesh_config
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.authorization import AuthorizationPolicy
from istiodoctor.model.meshconfig import ProviderService
from istiodoctor.model.ref import Ref
from istiodoctor.model.value import Value

SEVERAL_VARIABLE = "PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS"
"""Without it, several different providers at one workload are refused (builder.go:347-358)."""
NARROWED = (1, 20, 0)
"""Before that, one provider that it cannot use makes istiod deny every request (pull request
46968)."""
DEFAULT_STATUS = 403
OUTBOUND = "outbound|{port}||{host}"


class AuthorizerFault(StrEnum):
    """Why an external authorizer refuses all that it would be asked."""

    UNDEFINED = "undefined"
    """The mesh configuration has no external authorizer of that name."""
    SEVERAL = "several"
    """Policies with different providers apply, which istiod was not told to take."""
    NO_SERVICE = "no-service"
    """istiod knows no service of the provider's name: it refuses the provider."""
    NO_ENDPOINT = "no-endpoint"
    """Envoy has nobody to ask, and does not let requests pass for that."""


DENIED_BY_ISTIOD = frozenset(
    {AuthorizerFault.UNDEFINED, AuthorizerFault.SEVERAL, AuthorizerFault.NO_SERVICE}
)
"""Faults for which istiod itself writes rules that deny; policies that are tried only deny
nothing then."""


class BadAuthorizer(Value, frozen=True, kw_only=True, eq=False):
    """An external authorizer at a gateway workload that refuses all that it is asked."""

    name: str
    """Of the provider; empty where the policies name none."""
    fault: AuthorizerFault
    reason: str
    """A clause without a full stop."""
    denies_all: bool = False
    """Whether istiod denies every request for it, whatever the policies take (before 1.20)."""
    policies: tuple[AuthorizationPolicy, ...]
    """Those whose requests it refuses."""
    status: int = DEFAULT_STATUS
    service: Ref | None = None
    is_certain: bool = True
    """False where which istiod configures the gateway, and so its mesh configuration, is not
    known."""

    @property
    def takes_everything(self) -> bool:
        """Whether every request is refused, or some rule of the policies takes every one."""
        if self.denies_all:
            return True
        rules = (rule for each in self.policies for rule in each.spec.rules)
        return any(not (rule.origins or rule.operations or rule.when) for rule in rules)


@question(evidence=[cluster, services_of_hostname, unread_service])
def bad_authorizers(mesh: Mesh, workload: Workload) -> tuple[BadAuthorizer, ...]:
    """Return the external authorizers of a gateway that refuse all that they are asked.

    None of those of which that is not known: their mesh configuration or service was not read.
    """
    applying = applying_policies(mesh, workload)
    custom = [each for each in applying.of(PolicyAction.CUSTOM) if each.spec.rules]
    if not custom or applying.providers is None:
        return ()
    plane = control_plane_of(mesh, workload)
    by_name: dict[str, list[AuthorizationPolicy]] = {}
    for policy in custom:
        by_name.setdefault(provider_of(policy), []).append(policy)
    found: list[BadAuthorizer | None]
    if len(by_name) > 1 and (plane is None or not plane.setting(SEVERAL_VARIABLE)):
        found = [_several(custom, sorted(by_name))]
    else:
        found = [
            _bad(mesh, workload, applying, name, policies) for name, policies in by_name.items()
        ]
    is_old = bool(plane and plane.version and not plane.version.has(NARROWED))
    return tuple(
        replace(
            each,
            is_certain=plane is not None,
            denies_all=is_old and each.fault in DENIED_BY_ISTIOD,
        )
        for each in found
        if each
    )


@question
def refusing_authorizers(mesh: Mesh, workload: Workload) -> Mapping[str, str]:
    """Return by the name of a provider why istiod or Envoy refuses what it would be asked."""
    return {
        name: each.reason
        for each in bad_authorizers(mesh, workload)
        if each.is_certain
        for name in dict.fromkeys(provider_of(policy) for policy in each.policies)
    }


def _several(custom: list[AuthorizationPolicy], names: list[str]) -> BadAuthorizer | None:
    reason = (
        f"policies with {len(names)} different providers apply, which istiod takes only with"
        f" {SEVERAL_VARIABLE}=true"
    )
    return _denied_by_istiod(", ".join(names), AuthorizerFault.SEVERAL, reason, custom)


def _denied_by_istiod(
    name: str, fault: AuthorizerFault, reason: str, policies: list[AuthorizationPolicy]
) -> BadAuthorizer | None:
    """Return it, unless its policies are tried only: of those istiod makes nothing then."""
    enforced = tuple(each for each in policies if not is_dry_run(each))
    if not enforced:
        return None
    return BadAuthorizer(name=name, fault=fault, reason=reason, policies=enforced)


def _bad(
    mesh: Mesh,
    workload: Workload,
    applying: ApplyingPolicies,
    name: str,
    policies: list[AuthorizationPolicy],
) -> BadAuthorizer | None:
    if name not in (applying.providers or ()):
        reason = f"the mesh configuration has no external authorizer {name!r}"
        return _denied_by_istiod(name, AuthorizerFault.UNDEFINED, reason, policies)
    provider = _provider(mesh, workload, name)
    if provider is None:
        return None
    namespace, _, hostname = provider.service.rpartition("/")
    scope = scope_of(mesh, workload)
    services = _services(mesh, scope, hostname, namespace)
    if not services:
        if unread_service(mesh, workload, hostname) or not scope.domain_is_known:
            return None
        reason = f"istiod knows no service {provider.service or '(not named)'}"
        return _denied_by_istiod(name, AuthorizerFault.NO_SERVICE, reason, policies)
    found = cluster(mesh, workload, OUTBOUND.format(port=provider.port, host=hostname))
    if provider.fail_open or not _is_dead(found):
        return None
    status = provider.status_on_error
    return BadAuthorizer(
        name=name,
        fault=AuthorizerFault.NO_ENDPOINT,
        reason=found.reason,
        policies=tuple(policies),
        status=int(status) if status.isdecimal() and len(status) == 3 else DEFAULT_STATUS,
        service=found.service or services[0].ref,
    )


def _services(
    mesh: Mesh, scope: Scope, hostname: str, namespace: str
) -> tuple[RegistryService, ...]:
    found = services_of_hostname(mesh, scope, hostname)
    return tuple(each for each in found if not namespace or each.namespace == namespace)


def _provider(mesh: Mesh, workload: Workload, name: str) -> ProviderService | None:
    config = mesh_config(mesh, workload)
    for each in config.extension_providers if config else ():
        if each.name == name:
            return each.authorizer
    return None


def _is_dead(found: Cluster) -> bool:
    return found.state in (ClusterState.NO_CLUSTER, ClusterState.NO_ENDPOINT)
