"""EnvoyFilters that add clusters to a gateway workload or take some away."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from istiodoctor.mesh.configuration.cluster import ClusterName
from istiodoctor.mesh.configuration.scope import scope_of
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.istio import EnvoyFilter
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref

CONTEXTS = frozenset({"", "ANY", "GATEWAY"})
ADD = "ADD"
REMOVE = "REMOVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPatch:
    """One patch of an EnvoyFilter that makes a cluster, or takes clusters away."""

    made_by: Ref
    operation: str
    name: str = ""
    """Of the one cluster that is added, or that alone is removed."""
    service: str = ""
    """The host whose clusters alone are removed."""

    def touches(self, name: str, *, exists: bool) -> bool:
        """Whether a cluster is there by this patch, or is not."""
        if self.operation == ADD:
            return not exists and self.name in ("", name)
        parts = ClusterName.parsed(name)
        is_of_service = not self.service or (parts is not None and parts.host == self.service)
        return exists and is_of_service and self.name in ("", name)


@question(Kind.ENVOY_FILTER)
def cluster_patches(mesh: Mesh, workload: Workload) -> tuple[ClusterPatch, ...]:
    """Return the patches of EnvoyFilters that add or remove clusters of a workload.

    Those of its namespace and of the root namespace count (model/push_context.go:2323).
    """
    namespaces = {workload.namespace, scope_of(mesh, workload).root_namespace}
    return tuple(
        patch
        for each in mesh.all(EnvoyFilter)
        if each.namespace in namespaces and _selects(each, workload)
        for patch in _patches(each)
    )


def _selects(source: EnvoyFilter, workload: Workload) -> bool:
    labels = _mapping(_mapping(source.spec.workload_selector).get("labels"))
    return all(workload.labels.get(key) == value for key, value in labels.items())


def _patches(source: EnvoyFilter) -> Iterator[ClusterPatch]:
    for each in map(_mapping, source.spec.config_patches):
        patch, match = _mapping(each.get("patch")), _mapping(each.get("match"))
        operation = patch.get("operation")
        context = match.get("context", "")
        if each.get("applyTo") != "CLUSTER" or operation not in (ADD, REMOVE):
            continue
        if isinstance(context, str) and context not in CONTEXTS:
            continue
        chosen = _mapping(match.get("cluster"))
        named = _mapping(patch.get("value")) if operation == ADD else chosen
        yield ClusterPatch(
            made_by=source.ref,
            operation=operation,
            name=_text(named.get("name")),
            service=_text(chosen.get("service")) if operation == REMOVE else "",
        )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
