"""What controllers make in a cluster: pods of Deployments and endpoints of Services."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Raw = dict[str, Any]

PODS = "pods"
"""The field of a Deployment in `manifests/` that names its pods; logs are told by these names."""


def derived(objects: Iterable[Raw]) -> Iterator[Raw]:
    """Yield the objects as they are in a cluster, with those that its controllers add."""
    pods: list[Raw] = []
    services: list[Raw] = []
    for each in objects:
        if each["kind"] == "Deployment":
            made = [_pod(each, name, len(pods) + index) for index, name in enumerate(each[PODS])]
            pods += made
            yield {key: value for key, value in each.items() if key != PODS} | _running(len(made))
        elif each["kind"] == "Pod":
            pods.append(each)
        else:
            yield each
        if each["kind"] == "Service":
            services.append(each)
    yield from pods
    for service in services:
        if service["spec"].get("selector"):
            yield _endpoints(service, pods)


def _running(pods: int) -> Raw:
    return {"status": {"replicas": pods, "readyReplicas": pods, "availableReplicas": pods}}


def _pod(deployment: Raw, name: str, number: int) -> Raw:
    metadata, template = deployment["metadata"], deployment["spec"]["template"]
    replica_set = name.rpartition("-")[0]
    made_by = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": replica_set,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    labels = template["metadata"]["labels"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **template["metadata"],
            "name": name,
            "namespace": metadata["namespace"],
            "creationTimestamp": metadata["creationTimestamp"],
            "labels": {**labels, "pod-template-hash": replica_set.rpartition("-")[2]},
            "ownerReferences": [made_by],
        },
        "spec": {**template["spec"], "nodeName": f"worker-{number % 3 + 1}"},
        "status": {
            "phase": "Running",
            "podIP": f"10.244.{number % 3 + 1}.{number + 10}",
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def _endpoints(service: Raw, pods: Iterable[Raw]) -> Raw:
    namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
    selector = service["spec"]["selector"].items()
    chosen = [
        pod
        for pod in pods
        if pod["metadata"]["namespace"] == namespace
        and selector <= pod["metadata"]["labels"].items()
    ]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-{hashlib.sha256(name.encode()).hexdigest()[:5]}",
            "namespace": namespace,
            "creationTimestamp": service["metadata"]["creationTimestamp"],
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "ports": [_port(port) for port in service["spec"]["ports"]],
        "endpoints": [
            {"addresses": [pod["status"]["podIP"]], "conditions": {"ready": True}}
            for pod in chosen
        ],
    }


def _port(port: Mapping[str, Any]) -> Raw:
    """Return the port in the pod; the demo names no target by name."""
    target = port.get("targetPort", port["port"])
    return {"name": port.get("name", ""), "port": target, "protocol": port.get("protocol", "TCP")}
