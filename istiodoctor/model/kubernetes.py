"""Kubernetes objects that others refer to: Namespaces, ConfigMaps, ServiceAccounts, selectors."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from istiodoctor.model.kind import Kind
from istiodoctor.model.metadata import Fields, Resource


class Namespace(Resource, frozen=True, kw_only=True):
    """A Namespace; its labels decide discovery and injection."""

    KIND: ClassVar[Kind] = Kind.NAMESPACE


class NodeSpec(Fields, frozen=True, kw_only=True):
    """`Node.spec`, as far as it tells the cloud."""

    provider_id: str = msgspec.field(default="", name="providerID")


class Node(Resource, frozen=True, kw_only=True):
    """A Node: which cloud it is in."""

    KIND: ClassVar[Kind] = Kind.NODE
    spec: NodeSpec = NodeSpec()


class LabelRequirement(Fields, frozen=True, kw_only=True):
    """One entry of `matchExpressions`."""

    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class LabelSelector(Fields, frozen=True, kw_only=True):
    """A Kubernetes label selector."""

    match_labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    match_expressions: tuple[LabelRequirement, ...] = ()


class ConfigMap(Resource, frozen=True, kw_only=True):
    """A ConfigMap."""

    KIND: ClassVar[Kind] = Kind.CONFIG_MAP
    data: Mapping[str, str] = msgspec.field(default_factory=dict)


class ServiceAccount(Resource, frozen=True, kw_only=True):
    """A ServiceAccount."""

    KIND: ClassVar[Kind] = Kind.SERVICE_ACCOUNT
