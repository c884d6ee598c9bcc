"""What a scheduled scan needs: an account, exactly the rights its checks need, a CronJob."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from istiodoctor.model.kind import CORE, OF_ENVOY, RBAC, Kind

NAME = "istiodoctor"
STAND_IN_IMAGE = "istiodoctor:latest"
"""Where no image is named: one that nobody publishes."""
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
    name: str = NAME
    """What tells this installation from others in its namespace."""
    namespace: str = NAME
    gateway_namespaces: tuple[str, ...] = ("istio-system",)
    """Where gateway pods run: their Secrets, logs and Envoys are read. A Gateway of the Gateway
    API has pods in its own namespace."""
    secret_namespaces: tuple[str, ...] = ()
    """Where else there are Secrets, and ConfigMaps with client CAs, that Gateways name."""
    control_plane_namespace: str = "istio-system"
    """Where istiod runs: its logs and the mesh configuration are read."""
    arguments: tuple[str, ...] = ()
    """Further arguments of the scan: the selection of checks."""
    fail_on: str = ""
    """The severity at which a Job fails; empty for none: a finding lasts, and so would failure."""
    secret_inventory: bool = False

    @property
    def role(self) -> str:
        """The name of roles and bindings, which no other installation has: `:` is in no other."""
        return f"{NAME}:{self.namespace}:{self.name}"

    @property
    def labels(self) -> dict[str, str]:
        """The labels of everything that belongs to this installation alone."""
        return {
            "app.kubernetes.io/name": NAME,
            "app.kubernetes.io/instance": self.name,
        }


def manifests(kinds: frozenset[Kind], deployment: Deployment) -> tuple[Manifest, ...]:
    """Return the manifests for scans that need these kinds, in the order to apply them."""
    where = deployment.namespace
    return (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": where}},
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {
                "name": deployment.name,
                "namespace": where,
                "labels": deployment.labels,
            },
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
    lending = set(deployment.secret_namespaces)
    both = gateways | {deployment.control_plane_namespace}
    places = {
        Kind.SECRET: gateways | lending,
        Kind.POD_LOG: both,
        **dict.fromkeys(OF_ENVOY, gateways),
        Kind.CONFIG_MAP: {deployment.control_plane_namespace, *lending},
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
        for namespace in sorted(both | lending | {CLUSTER_EVENTS})
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
    role: Manifest = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": deployment.role, "labels": deployment.labels},
        "rules": rules,
    }
    return role, _binding("ClusterRoleBinding", "ClusterRole", role["metadata"], deployment)


def _in_namespaces(kinds: frozenset[Kind], deployment: Deployment) -> tuple[Manifest, ...]:
    found: list[Manifest] = []
    for namespace, rules in namespaced_rules(kinds, deployment).items():
        if rules:
            metadata = {
                "name": deployment.role,
                "namespace": namespace,
                "labels": deployment.labels,
            }
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
        "roleRef": {"apiGroup": RBAC, "kind": role, "name": deployment.role},
        "subjects": [
            {
                "kind": "ServiceAccount",
                "name": deployment.name,
                "namespace": deployment.namespace,
            }
        ],
    }


def _cron_job(deployment: Deployment) -> Manifest:
    """Return the CronJob: a Job fails where nothing could be scanned, and is not tried again."""
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {
            "name": deployment.name,
            "namespace": deployment.namespace,
            "labels": deployment.labels,
        },
        "spec": {
            "schedule": deployment.schedule,
            "concurrencyPolicy": "Forbid",
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "spec": {
                    "backoffLimit": 0,
                    "activeDeadlineSeconds": 300,
                    "template": {
                        "metadata": {"labels": deployment.labels},
                        "spec": _pod(deployment),
                    },
                }
            },
        },
    }


def _pod(deployment: Deployment) -> Manifest:
    inventory = ["--secret-inventory"] if deployment.secret_inventory else []
    ending = ["--fail-on", deployment.fail_on] if deployment.fail_on else ["--exit-zero"]
    return {
        "serviceAccountName": deployment.name,
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
                "args": ["scan", "--output", "json", *ending, *inventory, *deployment.arguments],
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


def note(deployment: Deployment) -> str:
    """Return what somebody has to know who applies it: comments, before everything else."""
    where = (*deployment.gateway_namespaces, *deployment.secret_namespaces)
    spaces = ", ".join(dict.fromkeys(where))
    lines = [
        f"Secrets are read in these namespaces: {spaces}. Name each other one that has",
        "Gateways of the Gateway API by --gateway-namespace (their pods run there), and each one",
        "that lends Secrets to Gateways by a ReferenceGrant by --secret-namespace; else what is",
        "there is reported as unread.",
        "The report of a scan is the log of its pod, as JSON:",
        f"  kubectl logs -n {deployment.namespace} --tail=-1"
        f" -l app.kubernetes.io/instance={deployment.name}",
        f"A Job fails where nothing could be scanned{_failing(deployment)}.",
    ]
    if deployment.image == STAND_IN_IMAGE:
        lines.append(f"{STAND_IN_IMAGE} is a stand-in, none is published: name yours by --image.")
    inventory = _NOTE_INVENTORY if deployment.secret_inventory else _NOTE
    return inventory + "".join(f"# {line}\n" for line in lines)


def _failing(deployment: Deployment) -> str:
    if not deployment.fail_on:
        return ", whatever is found: --fail-job-on changes that"
    return f", and at problems that are {deployment.fail_on} or worse"


_NOTE = """\
# Secrets are read by name in the namespaces of the gateways only, and keys are dropped at once.
# A Secret that lies in a wrong namespace is then reported as missing. --secret-inventory finds it,
# at a price: RBAC cannot grant names without contents, so it lets this account list all Secrets.
"""
_NOTE_INVENTORY = """\
# --secret-inventory: this account may list every Secret of the cluster, contents included, since
# RBAC cannot grant names alone. istiodoctor asks for metadata only; whoever holds the account's
# token could ask for more. Leave the option out to grant single Secrets of the gateways only.
"""
