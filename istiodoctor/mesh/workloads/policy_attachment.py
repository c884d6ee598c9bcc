"""Which objects that select pods, or name a Gateway, are for a gateway workload.

Source: pilot/pkg/model/policyattachment.go:104-190 (`ShouldAttachPolicy`).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.authorization import PolicyTarget
from istiodoctor.model.kind import GATEWAY_API, Kind

GATEWAY_LABEL = "gateway.networking.k8s.io/gateway-name"
"""On the pods that istiod makes for a Gateway of the Gateway API."""
_FIELDS = ("group", "kind", "name", "namespace")


def attaches(
    workload: Workload,
    namespace: str,
    selector: Mapping[str, Any],
    targets: Iterable[PolicyTarget],
) -> bool:
    """Whether an object of a namespace is for the pods of a workload.

    `selector` are the labels that it asks for. One that names targets is for the pods of Gateways
    of the Gateway API alone, and only in their own namespace.
    """
    targets = tuple(targets)
    if not targets:
        return selector.items() <= workload.labels.items()
    name = workload.labels.get(GATEWAY_LABEL)
    return namespace == workload.namespace and any(
        (each.group, each.kind, each.name) == (GATEWAY_API, Kind.GATEWAY.value.kind, name)
        and each.namespace in ("", namespace)
        for each in targets
    )


def read_targets(written: Iterable[Any]) -> tuple[PolicyTarget, ...]:
    """Return the targets among what an object that was not decoded further has for them."""
    return tuple(
        PolicyTarget(**{name: str(each[name]) for name in _FIELDS if name in each})
        for each in written
        if isinstance(each, dict)
    )
