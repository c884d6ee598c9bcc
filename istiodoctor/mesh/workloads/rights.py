"""What a ServiceAccount may do, worked out from the RBAC objects.

Source: kubernetes.io, Using RBAC Authorization.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.grants import selects
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.kind import Kind
from istiodoctor.model.rbac import (
    ClusterRole,
    ClusterRoleBinding,
    PolicyRule,
    RbacSubject,
    Role,
    RoleBinding,
    RoleRef,
)
from istiodoctor.model.ref import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """Whether a ServiceAccount may do something, and by what."""

    allowed: bool | None
    """None when RBAC objects that could grant it were not read."""
    by: Ref | None = None
    """The binding that grants it."""
    bindings: tuple[Ref, ...] = ()
    """Bindings that name the account, whether or not they help."""


@question(Kind.ROLE_BINDING)
def _bindings_in(mesh: Mesh) -> Mapping[str, tuple[RoleBinding, ...]]:
    found: dict[str, list[RoleBinding]] = defaultdict(list)
    for binding in mesh.all(RoleBinding):
        found[binding.namespace].append(binding)
    return {namespace: tuple(bindings) for namespace, bindings in found.items()}


@question(Kind.CLUSTER_ROLE)
def _cluster_rules(mesh: Mesh, name: str) -> tuple[PolicyRule, ...] | None:
    """Return a ClusterRole's rules with those aggregated into it.

    None when it was not read.
    """
    role = mesh.get(ClusterRole, "", name)
    if role is None:
        return () if mesh.is_complete(Kind.CLUSTER_ROLE, "", name) else None
    rules = role.rules
    if role.aggregation_rule:
        selectors = role.aggregation_rule.cluster_role_selectors
        for other in mesh.all(ClusterRole):
            if any(selects(selector, other.metadata.labels) for selector in selectors):
                rules += other.rules
    return rules


@question(Kind.ROLE)
def _rules(mesh: Mesh, role: RoleRef, namespace: str) -> tuple[PolicyRule, ...] | None:
    if role.kind == "ClusterRole":
        return _cluster_rules(mesh, role.name)
    found = mesh.get(Role, namespace, role.name)
    if found:
        return found.rules
    return () if mesh.is_complete(Kind.ROLE, namespace, role.name) else None


@question(Kind.ROLE_BINDING, Kind.CLUSTER_ROLE_BINDING)
def may_list_secrets(mesh: Mesh, namespace: str, service_account: str) -> Permission:
    """Tell whether istiod's access review for a gateway's ServiceAccount passes.

    (`list secrets`).
    """
    unknown = not (
        mesh.is_complete(Kind.ROLE_BINDING, namespace)
        and mesh.is_complete(Kind.CLUSTER_ROLE_BINDING)
    )
    named: list[Ref] = []
    bindings: tuple[RoleBinding | ClusterRoleBinding, ...] = (
        *_bindings_in(mesh).get(namespace, ()),
        *mesh.all(ClusterRoleBinding),
    )
    for binding in bindings:
        if not _names(binding.subjects, binding.namespace, namespace, service_account):
            continue
        named.append(binding.ref)
        rules = _rules(mesh, binding.role_ref, binding.namespace)
        if rules is None:
            unknown = True
        elif any(_lists_secrets(rule) for rule in rules):
            return Permission(allowed=True, by=binding.ref, bindings=tuple(named))
    return Permission(allowed=None if unknown else False, bindings=tuple(named))


@question
def may_read_credentials(mesh: Mesh, workload: Workload) -> Permission:
    """Tell whether istiod will give a gateway workload the Secrets of its namespace."""
    if not workload.is_known:
        return Permission(allowed=None)
    return may_list_secrets(mesh, workload.namespace, workload.service_account)


def _names(
    subjects: Iterable[RbacSubject], binding_namespace: str, namespace: str, account: str
) -> bool:
    groups = {
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace}",
        "system:authenticated",
    }
    for subject in subjects:
        match subject.kind:
            case "ServiceAccount":
                where = subject.namespace or binding_namespace
                if (where, subject.name) == (namespace, account):
                    return True
            case "User":
                if subject.name == f"system:serviceaccount:{namespace}:{account}":
                    return True
            case "Group":
                if subject.name in groups:
                    return True
    return False


def _lists_secrets(rule: PolicyRule) -> bool:
    return (
        bool({"list", "*"} & set(rule.verbs))
        and bool({"", "*"} & set(rule.api_groups))
        and bool({"secrets", "*"} & set(rule.resources))
        and not rule.resource_names
    )
