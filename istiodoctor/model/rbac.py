"""Roles and who has them."""

from typing import ClassVar

from istiodoctor.model.kind import Kind
from istiodoctor.model.kubernetes import LabelSelector
from istiodoctor.model.metadata import Fields, Resource


class PolicyRule(Fields, frozen=True, kw_only=True):
    """A rule of a Role or ClusterRole."""

    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()


class Role(Resource, frozen=True, kw_only=True):
    """An RBAC Role."""

    KIND: ClassVar[Kind] = Kind.ROLE
    rules: tuple[PolicyRule, ...] = ()


class AggregationRule(Fields, frozen=True, kw_only=True):
    """Which ClusterRoles are merged into one."""

    cluster_role_selectors: tuple[LabelSelector, ...] = ()


class ClusterRole(Resource, frozen=True, kw_only=True):
    """An RBAC ClusterRole."""

    KIND: ClassVar[Kind] = Kind.CLUSTER_ROLE
    rules: tuple[PolicyRule, ...] = ()
    aggregation_rule: AggregationRule | None = None


class RoleRef(Fields, frozen=True, kw_only=True):
    """The role that a binding grants."""

    kind: str = ""
    name: str = ""


class RbacSubject(Fields, frozen=True, kw_only=True):
    """Who is granted a role."""

    kind: str = ""
    name: str = ""
    namespace: str = ""


class RoleBinding(Resource, frozen=True, kw_only=True):
    """An RBAC RoleBinding."""

    KIND: ClassVar[Kind] = Kind.ROLE_BINDING
    role_ref: RoleRef = RoleRef()
    subjects: tuple[RbacSubject, ...] = ()


class ClusterRoleBinding(Resource, frozen=True, kw_only=True):
    """An RBAC ClusterRoleBinding."""

    KIND: ClassVar[Kind] = Kind.CLUSTER_ROLE_BINDING
    role_ref: RoleRef = RoleRef()
    subjects: tuple[RbacSubject, ...] = ()
