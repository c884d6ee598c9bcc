"""What a scheduled scan needs: an account, exactly the rights its checks need, a CronJob."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from istiodoctor.model.kind import CORE, OF_ENVOY, RBAC, Kind

NAME = "istiodoctor"
NAMED_READS = frozenset({Kind.SECRET, Kind.POD_LOG, Kind.CONFIG_MAP, Kind.EVENT, *OF_ENVOY})
"""Kinds read by name in a few namespaces: a Role there is enough."""
NAMED_CLUSTER_WIDE = frozenset({Kind.NODE})
"""Kinds without a namespace of which single objects are read by name."""
CLUSTER_EVENTS = "default"
"""Where Kubernetes keeps the Events of objects without a namespace: those of a ClusterIssuer."""

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Where and how the scheduled scan runs."""

    image: str
    schedule: str
    namespace: str = NAME
    gateway_namespaces: tuple[str, ...] = ("istio-system",)
    """Where gateway pods run: their Secrets, logs and Envoys are read."""
    control_plane_namespace: str = "istio-system"
    """Where istiod runs: its logs and the mesh configuration are read."""
    arguments: tuple[str, ...] = ()
    """Further arguments of the scan: the selection of checks."""
    secret_inventory: bool = False


def manifests(kinds: frozenset[Kind], deployment: Deployment) -> tuple[Manifest, ...]:
    """Return the manifests for scans that need these kinds, in the order to apply them."""
    where = deployment.namespace
    return (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": where}},
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": NAME, "namespace": where},
        },
        *_cluster_wide(kinds, deployment),
        *_in_namespaces(kinds, deployment),
        _cron_job(deployment),
    )


def cluster_rules(kinds: Iterable[Kind]) -> list[Manifest]:
    """Return the rules for kinds that are listed over the whole cluster, or have no namespace."""
    by_group: dict[str, set[str]] = defaultdict(set)
    for kind in kinds:
        if kind.listed:
            by_group[kind.group].add(kind.resource)
    named = sorted(kind.resource for kind in set(kinds) & NAMED_CLUSTER_WIDE)
    return [
        *(
            {"apiGroups": [group], "resources": sorted(resources), "verbs": ["list"]}
            for group, resources in sorted(by_group.items())
        ),
        *({"apiGroups": [CORE], "resources": [each], "verbs": ["get"]} for each in named),
    ]


def namespaced_rules(
    kinds: frozenset[Kind], deployment: Deployment
) -> Mapping[str, list[Manifest]]:
    """Return the rules for each namespace in which single objects and logs are read.

    Events cannot be had by name, only by a list of those about one object. They are wanted of
    what stands beside the gateways (pods, Services, Certificates) and of ClusterIssuers: no check
    needs the right to list those of the whole cluster.
    """
    gateways = set(deployment.gateway_namespaces)
    both = gateways | {deployment.control_plane_namespace}
    places = {
        Kind.SECRET: gateways,
        Kind.POD_LOG: both,
        **dict.fromkeys(OF_ENVOY, gateways),
        Kind.CONFIG_MAP: {deployment.control_plane_namespace},
        Kind.EVENT: {*gateways, CLUSTER_EVENTS},
    }
    return {
        namespace: [
            {"apiGroups": [CORE], "resources": [resource], "verbs": list(verbs)}
            for resource, verbs in dict.fromkeys(
                (kind.resource, _verbs(kind))
                for kind in sorted(kinds & NAMED_READS, key=lambda each: each.resource)
                if namespace in places[kind]
            )
        ]
        for namespace in sorted(both | {CLUSTER_EVENTS})
    }


def _verbs(kind: Kind) -> tuple[str, ...]:
    """Return what is done: a port-forward is `create` too, since Kubernetes 1.35."""
    if kind in OF_ENVOY:
        return "create", "get"
    return ("list",) if kind is Kind.EVENT else ("get",)


def _cluster_wide(kinds: frozenset[Kind], deployment: Deployment) -> tuple[Manifest, ...]:
    rules = cluster_rules(kinds)
    if deployment.secret_inventory:
        rules.append({"apiGroups": [CORE], "resources": ["secrets"], "verbs": ["list"]})
    role = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": NAME},
        "rules": rules,
    }
    return role, _binding("ClusterRoleBinding", "ClusterRole", {"name": NAME}, deployment)


def _in_namespaces(kinds: frozenset[Kind], deployment: Deployment) -> tuple[Manifest, ...]:
    found: list[Manifest] = []
    for namespace, rules in namespaced_rules(kinds, deployment).items():
        if rules:
            metadata = {"name": NAME, "namespace": namespace}
            found += [
                {
                    "apiVersion": f"{RBAC}/v1",
                    "kind": "Role",
                    "metadata": metadata,
                    "rules": rules,
                },
                _binding("RoleBinding", "Role", metadata, deployment),
            ]
    return tuple(found)


def _binding(kind: str, role: str, metadata: Manifest, deployment: Deployment) -> Manifest:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": role, "name": NAME},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": deployment.namespace}],
    }


def _cron_job(deployment: Deployment) -> Manifest:
    """Return the CronJob: a scan that found problems has failed, and is not tried again."""
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": NAME, "namespace": deployment.namespace},
        "spec": {
            "schedule": deployment.schedule,
            "concurrencyPolicy": "Forbid",
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "spec": {
                    "backoffLimit": 0,
                    "activeDeadlineSeconds": 300,
                    "template": {"spec": _pod(deployment)},
                }
            },
        },
    }


def _pod(deployment: Deployment) -> Manifest:
    inventory = ["--secret-inventory"] if deployment.secret_inventory else []
    return {
        "serviceAccountName": NAME,
        "restartPolicy": "Never",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": NAME,
                "image": deployment.image,
                "args": ["scan", "--output", "json", *inventory, *deployment.arguments],
                "resources": {
                    "requests": {"cpu": "100m", "memory": "128Mi"},
                    "limits": {"memory": "512Mi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [{"name": "temporary", "mountPath": "/tmp"}],
            }
        ],
        "volumes": [{"name": "temporary", "emptyDir": {}}],
    }
