"""Permissions of the Gateway API: ReferenceGrants and label selectors."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.gatewayapi import ReferenceGrant
from istiodoctor.model.kind import GATEWAY_API, Kind
from istiodoctor.model.kubernetes import LabelSelector
from istiodoctor.model.ref import Ref


@question(Kind.REFERENCE_GRANT)
def _grants_by_namespace(mesh: Mesh) -> Mapping[str, tuple[ReferenceGrant, ...]]:
    found: dict[str, list[ReferenceGrant]] = defaultdict(list)
    for grant in mesh.all(ReferenceGrant):
        found[grant.namespace].append(grant)
    return {namespace: tuple(grants) for namespace, grants in found.items()}


@question(Kind.REFERENCE_GRANT)
def has_grant(mesh: Mesh, origin: Ref, target: Ref) -> bool | None:
    """Whether a ReferenceGrant admits a reference; None when one may exist unseen."""
    for grant in _grants_by_namespace(mesh).get(target.namespace, ()):
        if any(
            each.kind == origin.kind
            and each.group == origin.group
            and each.namespace == origin.namespace
            for each in grant.spec.from_
        ) and any(
            each.kind == target.kind
            and each.group == target.group
            and each.name in ("", target.name)
            for each in grant.spec.to
        ):
            return True
    return False if mesh.is_complete(Kind.REFERENCE_GRANT, target.namespace) else None


@question
def is_granted(mesh: Mesh, origin: Ref, target: Ref) -> bool | None:
    """Whether an object may refer to another: in its own namespace always.

    Across namespaces with a ReferenceGrant; None when one may exist unseen.
    """
    return origin.namespace == target.namespace or has_grant(mesh, origin, target)


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes these labels (Kubernetes API conventions)."""
    if any(labels.get(key) != value for key, value in selector.match_labels.items()):
        return False
    return all(
        _requirement_holds(each.operator, each.key, each.values, labels)
        for each in selector.match_expressions
    )


def _requirement_holds(
    operator: str, key: str, values: Iterable[str], labels: Mapping[str, str]
) -> bool:
    match operator:
        case "In":
            return labels.get(key) in set(values)
        case "NotIn":
            return labels.get(key) not in set(values)
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False


def gateway_ref(namespace: str, name: str) -> Ref:
    """Return the name of a Gateway API Gateway."""
    return Ref(GATEWAY_API, "Gateway", namespace, name)
