"""Which objects that select pods, or name a Gateway, are for a gateway workload.

Source: pilot/pkg/model/policyattachment.go:117-190 (`ShouldAttachPolicy`).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.kind import GATEWAY_API

GATEWAY_LABEL = "gateway.networking.k8s.io/gateway-name"
"""On the pods that istiod makes for a Gateway of the Gateway API."""


def attaches(
    workload: Workload, namespace: str, selector: Any, target_refs: Iterable[Any]
) -> bool:
    """Whether an object of a namespace is for the pods of a workload.

    `selector` are the labels that it asks for, None without a selector. One that names targets is
    for the pods of Gateways of the Gateway API alone, and only in their own namespace.
    """
    targets = [each for each in target_refs if isinstance(each, dict)]
    gateway = workload.labels.get(GATEWAY_LABEL)
    if not targets:
        return _selects(selector, workload)
    if gateway is None or namespace != workload.namespace:
        return False
    return any(_is_gateway(each, gateway, namespace) for each in targets)


def _selects(selector: Any, workload: Workload) -> bool:
    labels = selector if isinstance(selector, dict) else {}
    return all(workload.labels.get(key) == value for key, value in labels.items())


def _is_gateway(target: Mapping[str, Any], name: str, namespace: str) -> bool:
    return (
        target.get("kind") == "Gateway"
        and target.get("group") == GATEWAY_API
        and target.get("name") == name
        and target.get("namespace", "") in ("", namespace)
    )
