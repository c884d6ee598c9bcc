"""Why no DestinationRule in force defines a subset, in an operator's words."""

from istiodoctor.mesh.configuration.consolidated_rules import ConsolidatedRule
from istiodoctor.mesh.configuration.registry_service import RegistryService
from istiodoctor.mesh.configuration.rules_in_force import (
    rule_settings,
    rules_for,
    rules_of_host,
)
from istiodoctor.mesh.configuration.scope import Scope
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.istio import DestinationRule
from istiodoctor.model.kind import Kind

MOST_NAMED = 5


@question(Kind.DESTINATION_RULE)
def unread_rules(mesh: Mesh, scope: Scope, service: RegistryService, found_in: str | None) -> str:
    """Return what was not read and could define a subset; empty where nothing.

    `found_in` is the namespace of the rule in force: those that come after it do not matter.
    """
    for namespace in dict.fromkeys((scope.namespace, service.namespace, scope.root_namespace)):
        if not mesh.is_complete(Kind.DESTINATION_RULE, namespace):
            return f"not every DestinationRule in {namespace} was read"
        if namespace == found_in:
            return ""
    if scope.unread and rules_of_host(mesh, rule_settings(scope), service.hostname):
        return scope.unread
    return ""


def missing_subset(
    mesh: Mesh, scope: Scope, service: RegistryService, rule: ConsolidatedRule | None, subset: str
) -> str:
    """Return why a cluster has no subset of this name: one clause."""
    elsewhere = [
        each
        for each in rules_of_host(mesh, rule_settings(scope), service.hostname)
        if (rule is None or each not in rule.rules) and _defines(each, subset)
    ]
    if rule is not None:
        names = [each.subset.name for each in rule.subsets]
        only = ", ".join(names[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")
        text = f"{rule.rules[0].ref} has no subset {subset}{f', only {only}' if names else ''}"
        return (
            f"{text}; {elsewhere[0].ref} has it and does not count beside it"
            if elsewhere
            else text
        )
    if not elsewhere:
        return f"no DestinationRule defines subset {subset} of {service.hostname}"
    hiding = rules_for(mesh, scope, service)
    if hiding and elsewhere[0] not in hiding[0].rules:
        hidden_by = hiding[0].rules[0].ref
        return (
            f"{hidden_by} has a workloadSelector that does not take the gateway, and still hides"
            f" subset {subset} of {elsewhere[0].ref}"
        )
    return (
        f"no DestinationRule that {scope.namespace} sees defines subset {subset}:"
        f" {_why_not_taken(elsewhere[0], scope, service)}"
    )


def _defines(rule: DestinationRule, subset: str) -> bool:
    return any(each.name == subset for each in rule.spec.subsets)


def _why_not_taken(rule: DestinationRule, scope: Scope, service: RegistryService) -> str:
    if rule.spec.workload_selector is not None:
        return f"{rule.ref} has a workloadSelector that does not take the gateway"
    if rule.namespace in scope.hidden_namespaces:
        return f"{rule.ref} is in a namespace that no discoverySelector of the mesh selects"
    if rule.namespace in (service.namespace, scope.root_namespace, scope.namespace):
        return f"{rule.ref} is not exported to it"
    return f"{rule.ref} does, and is not taken from its namespace"
