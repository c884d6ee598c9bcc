"""External authorizers that refuse everything they are asked: unusable, or not answering.

Source: `processExtensionProvider`, `getExtAuthz`, `buildExtAuthzHTTP`
(pilot/pkg/security/authz/builder/extauthz.go:60, 127, 153), `LookupCluster`
(pilot/pkg/model/telemetry_logging.go:545), and Envoy's
source/extensions/filters/http/ext_authz/ext_authz.cc (`onComplete`: an error is answered with
`statusOnError`, 403 by default, unless failures are let through).
"""

from collections.abc import Collection, Mapping
from enum import StrEnum

from msgspec.structs import replace

from istiodoctor.mesh.configuration.cluster import ClusterState
from istiodoctor.mesh.configuration.clusters import cluster
from istiodoctor.mesh.configuration.registry_service import RegistryService
from istiodoctor.mesh.configuration.scope import scope_of
from istiodoctor.mesh.configuration.service_registry import services_of_hostname, unread_service
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.policies.authorization import is_dry_run, provider_of
from istiodoctor.mesh.policies.authorization_policies import applying_policies
from istiodoctor.mesh.policies.authorization_rules import PolicyAction
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import (
    ControlPlane,
    control_plane_of,
    mesh_config,
)
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.authorization import AuthorizationPolicy
from istiodoctor.model.kind import Kind
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


def bad_authorizers(mesh: Mesh, workload: Workload) -> tuple[BadAuthorizer, ...]:
    """Return the external authorizers of a gateway that refuse all that they are asked.

    None of those of which that is not known: their mesh configuration or service was not read.
    """
    return (
        *authorizers_denied_by_istiod(mesh, workload),
        *authorizers_without_endpoints(mesh, workload),
    )


@question(Kind.SERVICE_ENTRY)
def authorizers_denied_by_istiod(mesh: Mesh, workload: Workload) -> tuple[BadAuthorizer, ...]:
    """Return the external authorizers in whose place istiod writes rules that deny."""
    plane, by_name = control_plane_of(mesh, workload), _custom_policies(mesh, workload)
    found = [
        _several(by_name)
        if _are_too_many(plane, by_name)
        else [_unusable(mesh, workload, name, policies) for name, policies in by_name.items()]
    ]
    is_old = bool(plane and plane.version and not plane.version.has(NARROWED))
    return tuple(
        replace(each, is_certain=plane is not None, denies_all=is_old)
        for several in found
        for each in several
        if each
    )


@question(Kind.SERVICE_ENTRY, Kind.ENDPOINT_SLICE, Kind.WORKLOAD_ENTRY, Kind.NAMESPACE)
def authorizers_without_endpoints(mesh: Mesh, workload: Workload) -> tuple[BadAuthorizer, ...]:
    """Return the external authorizers that Envoy asks and nobody answers."""
    plane, by_name = control_plane_of(mesh, workload), _custom_policies(mesh, workload)
    if _are_too_many(plane, by_name):
        return ()
    return tuple(
        replace(each, is_certain=plane is not None)
        for name, policies in by_name.items()
        if (each := _unanswered(mesh, workload, name, policies))
    )


def _custom_policies(
    mesh: Mesh, workload: Workload
) -> Mapping[str, tuple[AuthorizationPolicy, ...]]:
    """Return the policies of the action CUSTOM that take anything, by their provider.

    None where the mesh configuration was not read.
    """
    applying = applying_policies(mesh, workload)
    if applying.providers is None:
        return {}
    found: dict[str, list[AuthorizationPolicy]] = {}
    for each in applying.of(PolicyAction.CUSTOM):
        if each.spec.rules:
            found.setdefault(provider_of(each), []).append(each)
    return {name: tuple(policies) for name, policies in found.items()}


def _are_too_many(plane: ControlPlane | None, by_name: Collection[str]) -> bool:
    return len(by_name) > 1 and (plane is None or not plane.setting(SEVERAL_VARIABLE))


@question
def refusing_authorizers(mesh: Mesh, workload: Workload) -> Mapping[str, str]:
    """Return by the name of a provider why istiod or Envoy refuses what it would be asked."""
    return {
        name: each.reason
        for each in bad_authorizers(mesh, workload)
        if each.is_certain
        for name in dict.fromkeys(provider_of(policy) for policy in each.policies)
    }


def _several(
    by_name: Mapping[str, tuple[AuthorizationPolicy, ...]],
) -> list[BadAuthorizer | None]:
    reason = (
        f"policies with {len(by_name)} different providers apply, which istiod takes only with"
        f" {SEVERAL_VARIABLE}=true"
    )
    policies = tuple(each for of_one in by_name.values() for each in of_one)
    names = ", ".join(sorted(by_name))
    return [_denied_by_istiod(names, AuthorizerFault.SEVERAL, reason, policies)]


def _denied_by_istiod(
    name: str, fault: AuthorizerFault, reason: str, policies: tuple[AuthorizationPolicy, ...]
) -> BadAuthorizer | None:
    """Return it, unless its policies are tried only: of those istiod makes nothing then."""
    enforced = tuple(each for each in policies if not is_dry_run(each))
    if not enforced:
        return None
    return BadAuthorizer(name=name, fault=fault, reason=reason, policies=enforced)


def _unusable(
    mesh: Mesh, workload: Workload, name: str, policies: tuple[AuthorizationPolicy, ...]
) -> BadAuthorizer | None:
    if name not in (applying_policies(mesh, workload).providers or ()):
        reason = f"the mesh configuration has no external authorizer {name!r}"
        return _denied_by_istiod(name, AuthorizerFault.UNDEFINED, reason, policies)
    provider = _provider(mesh, workload, name)
    if provider is None or _services(mesh, workload, provider):
        return None
    hostname = provider.service.rpartition("/")[2]
    if unread_service(mesh, workload, hostname) or not scope_of(mesh, workload).domain_is_known:
        return None
    reason = f"istiod knows no service {provider.service or '(not named)'}"
    return _denied_by_istiod(name, AuthorizerFault.NO_SERVICE, reason, policies)


def _unanswered(
    mesh: Mesh, workload: Workload, name: str, policies: tuple[AuthorizationPolicy, ...]
) -> BadAuthorizer | None:
    provider = _provider(mesh, workload, name)
    services = _services(mesh, workload, provider) if provider else ()
    if provider is None or provider.fail_open or not services:
        return None
    hostname = provider.service.rpartition("/")[2]
    found = cluster(mesh, workload, OUTBOUND.format(port=provider.port, host=hostname))
    if found.state not in (ClusterState.NO_CLUSTER, ClusterState.NO_ENDPOINT):
        return None
    status = provider.status_on_error
    return BadAuthorizer(
        name=name,
        fault=AuthorizerFault.NO_ENDPOINT,
        reason=found.reason,
        policies=policies,
        status=int(status) if status.isdecimal() and len(status) == 3 else DEFAULT_STATUS,
        service=found.service or services[0].ref,
    )


def _services(
    mesh: Mesh, workload: Workload, provider: ProviderService
) -> tuple[RegistryService, ...]:
    """Return the services of a provider's name, in its namespace if it says one."""
    namespace, _, hostname = provider.service.rpartition("/")
    found = services_of_hostname(mesh, scope_of(mesh, workload), hostname)
    return tuple(each for each in found if not namespace or each.namespace == namespace)


def _provider(mesh: Mesh, workload: Workload, name: str) -> ProviderService | None:
    config = mesh_config(mesh, workload)
    for each in config.extension_providers if config else ():
        if each.name == name:
            return each.authorizer
    return None
