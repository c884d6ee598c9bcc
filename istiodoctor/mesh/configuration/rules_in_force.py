"""Which DestinationRule is in force for a service at a gateway workload.

Source: `setDestinationRules`, `destinationRule` (pilot/pkg/model/push_context.go:2067, 1259),
`SidecarScope.DestinationRule` (pilot/pkg/model/sidecar.go:713).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from enum import StrEnum

from istiodoctor.mesh.configuration.backend_tls_policies import policy_rules
from istiodoctor.mesh.configuration.consolidated_rules import (
    ConsolidatedRule,
    consolidated,
    in_order,
    most_specific,
    rule_exports,
)
from istiodoctor.mesh.configuration.registry_service import (
    EVERY_NAMESPACE,
    OWN_NAMESPACE,
    RegistryService,
)
from istiodoctor.mesh.configuration.scope import Scope, scope_of
from istiodoctor.mesh.hosts import parents
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.names import CLUSTER_DOMAIN, resolved_host
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import DestinationRule
from istiodoctor.model.kind import Kind
from istiodoctor.model.value import Value


class Pool(StrEnum):
    """One of istiod's indexes of DestinationRules (push_context.go:2127)."""

    LOCAL = "local"
    """For proxies of the rules' own namespace."""
    EXPORTED = "exported"
    """For proxies elsewhere."""
    ROOT_LOCAL = "root-local"
    """Of the root namespace, for its own proxies only."""


class RuleSettings(Value, frozen=True, kw_only=True):
    """What the indexes depend on: equal for workloads of one istiod."""

    domain_suffix: str
    root_namespace: str
    is_private_by_default: bool
    hidden_namespaces: frozenset[str]
    has_backend_policies: bool = True


def rule_settings(scope: Scope) -> RuleSettings:
    """Return what the indexes of DestinationRules depend on."""
    return RuleSettings(
        domain_suffix=scope.domain_suffix,
        root_namespace=scope.root_namespace,
        is_private_by_default=OWN_NAMESPACE in scope.destination_rule_export_to,
        hidden_namespaces=scope.hidden_namespaces,
        has_backend_policies=scope.has_backend_policies,
    )


Hosts = Mapping[str, tuple[DestinationRule, ...]]


@question(Kind.DESTINATION_RULE, evidence=[policy_rules])
def rules_by_host(mesh: Mesh, settings: RuleSettings) -> Mapping[tuple[Pool, str], Hosts]:
    """Return the DestinationRules by index, namespace and host, in istiod's order."""
    found: dict[tuple[Pool, str], dict[str, list[DestinationRule]]] = defaultdict(
        lambda: defaultdict(list)
    )
    made = policy_rules(mesh, settings.domain_suffix) if settings.has_backend_policies else ()
    for rule in in_order((*made, *mesh.all(DestinationRule))):
        if rule.namespace not in settings.hidden_namespaces:
            host = resolved_host(rule.spec.host, rule.namespace, settings.domain_suffix)
            for pool in pools(rule, settings):
                found[pool, rule.namespace][host].append(rule)
    return {
        key: {host: tuple(rules) for host, rules in hosts.items()} for key, hosts in found.items()
    }


def pools(rule: DestinationRule, settings: RuleSettings) -> Iterator[Pool]:
    """Yield the indexes that a rule stands in (push_context.go:2094-2124)."""
    exports = rule_exports(rule)
    own = {OWN_NAMESPACE, rule.namespace}
    if not exports or exports & {EVERY_NAMESPACE, *own}:
        yield Pool.LOCAL
    is_private = len(exports) == 1 and exports <= own
    if not (is_private or (not exports and settings.is_private_by_default)):
        yield Pool.EXPORTED
    elif rule.namespace == settings.root_namespace:
        yield Pool.ROOT_LOCAL


@question
def rules_for(mesh: Mesh, scope: Scope, service: RegistryService) -> tuple[ConsolidatedRule, ...]:
    """Return the rules of a service that proxies of a namespace choose from.

    Of the proxies' own namespace first, then the service's, then the root namespace; in each the
    ones with the most specific host alone.
    """
    own = Pool.ROOT_LOCAL if scope.namespace == scope.root_namespace else Pool.LOCAL
    found = _most_specific(mesh, scope, own, scope.namespace, service.hostname)
    if found:
        return found
    for namespace in dict.fromkeys((service.namespace, scope.root_namespace)):
        exported = tuple(
            each
            for each in _most_specific(mesh, scope, Pool.EXPORTED, namespace, service.hostname)
            if not each.export_to or each.export_to & {EVERY_NAMESPACE, scope.namespace}
        )
        if exported:
            return exported
    return ()


def rule_in_force(
    mesh: Mesh, workload: Workload, service: RegistryService
) -> ConsolidatedRule | None:
    """Return the rule that clusters of a service are made with at a workload.

    One whose workloadSelector takes the workload, which counts in its own namespace only, else
    the last one without a workloadSelector.
    """
    everywhere: ConsolidatedRule | None = None
    for each in rules_for(mesh, scope_of(mesh, workload), service):
        if each.selector is None:
            everywhere = each
        elif each.namespace == workload.namespace and (
            each.selector.items() <= workload.labels.items()
        ):
            return each
    return everywhere


@question(Kind.DESTINATION_RULE, evidence=[policy_rules])
def are_there_rules(mesh: Mesh) -> bool:
    """Whether there is any DestinationRule, or one that istiod makes."""
    return bool(mesh.all(DestinationRule) or policy_rules(mesh, CLUSTER_DOMAIN))


@question(Kind.DESTINATION_RULE)
def rules_are_known(mesh: Mesh) -> bool:
    """Whether a DestinationRule that is not here does not exist."""
    return mesh.is_complete(Kind.DESTINATION_RULE)


@question(Kind.DESTINATION_RULE)
def rules_of_host(
    mesh: Mesh, settings: RuleSettings, hostname: str
) -> tuple[DestinationRule, ...]:
    """Return every DestinationRule that names a host, wherever it is and whoever may see it."""
    return _rules_by_name(mesh, settings.domain_suffix).get(hostname, ())


@question(Kind.DESTINATION_RULE)
def _rules_by_name(mesh: Mesh, domain_suffix: str) -> Hosts:
    found: dict[str, list[DestinationRule]] = defaultdict(list)
    for rule in mesh.all(DestinationRule):
        found[resolved_host(rule.spec.host, rule.namespace, domain_suffix)].append(rule)
    return {host: tuple(rules) for host, rules in found.items()}


@question
def rules_over_host(
    mesh: Mesh, settings: RuleSettings, hostname: str
) -> tuple[DestinationRule, ...]:
    """Return every DestinationRule that names a host, then those with a wildcard over it."""
    by_name = _rules_by_name(mesh, settings.domain_suffix)
    return tuple(rule for each in (hostname, *parents(hostname)) for rule in by_name.get(each, ()))


def _most_specific(
    mesh: Mesh, scope: Scope, pool: Pool, namespace: str, hostname: str
) -> tuple[ConsolidatedRule, ...]:
    hosts = rules_by_host(mesh, rule_settings(scope)).get((pool, namespace), {})
    found = most_specific(hostname, hosts)
    if not found:
        return ()
    return consolidated(found, hostname, user_rules_win=scope.rules_override_policies)
