"""Which pods there are, grouped by what makes them, and what runs in them."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.labels import LabelIndex
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.version import Version
from istiodoctor.model.kind import APPS, CORE, Kind
from istiodoctor.model.metadata import condition
from istiodoctor.model.pods import Container, DaemonSet, Deployment, Pod, PodSpec
from istiodoctor.model.ref import Ref

PROXY_CONTAINER = "istio-proxy"
GATEWAY_NAME_LABELS = ("gateway.networking.k8s.io/gateway-name", "istio.io/gateway-name")
REVISION_LABEL = "istio.io/rev"
DEFAULT_REVISION = "default"
ENDED = frozenset({"Succeeded", "Failed"})
TEMPLATE_HASH_LABEL = "pod-template-hash"
_REPLICA_SET = re.compile(r"^(?P<name>.+)-[a-z0-9]{5,10}$")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Workload:
    """Pods that one controller makes, or the template it would make them from."""

    namespace: str
    owner: Ref
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: PodSpec
    pods: tuple[Pod, ...] = ()
    replicas: int | None = None
    """Of a template: how many pods are wanted."""
    selected_by: frozenset[tuple[str, str]] | None = None
    """Set on a stand-in for pods that manifests do not show: only the selector is known."""

    @property
    def name(self) -> str:
        """The controller's name."""
        return self.owner.name

    @property
    def is_known(self) -> bool:
        """Whether its namespace and containers are known; a stand-in's are not."""
        return self.selected_by is None

    @property
    def service_account(self) -> str:
        """The ServiceAccount its pods run as."""
        return self.spec.service_account_name or "default"

    @property
    def proxy(self) -> Container | None:
        """The container that runs Envoy."""
        every = (*self.spec.containers, *self.spec.init_containers)
        return next((each for each in every if each.name == PROXY_CONTAINER), None)

    @property
    def version(self) -> Version | None:
        """The proxy's version, from its image tag."""
        return Version.of_image(self.proxy.image) if self.proxy else None

    @property
    def revision(self) -> str:
        """The control plane revision that its pods were injected by.

        The injector writes it into annotations; the label may hold a tag for it.
        """
        return (
            _injected_revision(self.annotations)
            or self.annotations.get(REVISION_LABEL)
            or self.labels.get(REVISION_LABEL)
            or DEFAULT_REVISION
        )

    @property
    def is_unprivileged(self) -> bool:
        """Whether it told istiod that it cannot bind ports below 1024."""
        flag = self.proxy.environment("ISTIO_META_UNPRIVILEGED_POD") if self.proxy else None
        return flag == "true"

    @property
    def is_ready(self) -> bool:
        """Whether at least one pod takes traffic."""
        return any(pod_is_ready(pod) for pod in self.pods)

    def __str__(self) -> str:
        """`Deployment istio-system/istio-ingressgateway`."""
        return str(self.owner)


def pod_is_ready(pod: Pod) -> bool:
    """Whether the kubelet reports the pod Ready; without any status, it counts as ready."""
    ready = condition(pod.status.conditions, "Ready")
    return ready is None or ready.status == "True"


@question(Kind.POD, Kind.DEPLOYMENT, Kind.DAEMON_SET)
def workloads(mesh: Mesh) -> tuple[Workload, ...]:
    """Return every workload: from its pods, else from its template."""
    groups: dict[Ref, list[Pod]] = defaultdict(list)
    for pod in mesh.all(Pod):
        if pod.status.phase not in ENDED:
            groups[pod_owner(pod)].append(pod)
    found = {owner: _of_pods(owner, pods) for owner, pods in groups.items()}
    unowned = LabelIndex(each for each in found.values() if each.owner.kind == Pod.KIND.value.kind)
    templates: Iterable[Deployment | DaemonSet] = (
        *mesh.all(Deployment),
        *mesh.all(DaemonSet),
    )
    unborn = (
        _of_template(template)
        for template in templates
        if template.ref not in found and not _has_pods(template, unowned)
    )
    return (*found.values(), *unborn)


@question
def _workloads_by_label(mesh: Mesh) -> LabelIndex[Workload]:
    return LabelIndex(workloads(mesh))


@question
def selected(
    mesh: Mesh, selector: frozenset[tuple[str, str]], namespace: str
) -> tuple[Workload, ...]:
    """Return the workloads with all these labels; in every namespace when that is empty."""
    return tuple(_workloads_by_label(mesh).having(selector, namespace))


@question
def routers(mesh: Mesh) -> tuple[Workload, ...]:
    """Return the workloads that run Envoy as a gateway (`proxy router`)."""
    return tuple(each for each in workloads(mesh) if _is_router(each))


def pod_owner(pod: Pod) -> Ref:
    """Return what makes a pod: its Deployment (not the ReplicaSet between them), else itself."""
    owner = next((each for each in pod.metadata.owner_references if each.controller), None)
    if owner is None:
        return pod.ref
    if owner.kind == "ReplicaSet" and (stem := _deployment_name(owner.name, pod)):
        return Ref(APPS, "Deployment", pod.namespace, stem)
    group = APPS if owner.kind in ("DaemonSet", "StatefulSet", "ReplicaSet") else CORE
    return Ref(group, owner.kind, pod.namespace, owner.name)


def _deployment_name(replica_set: str, pod: Pod) -> str:
    """Return the Deployment of a ReplicaSet's pod, by the hash in its name; empty without one."""
    template_hash = pod.metadata.labels.get(TEMPLATE_HASH_LABEL)
    if template_hash:
        stem = replica_set.removesuffix(f"-{template_hash}")
        return stem if stem != replica_set else ""
    found = _REPLICA_SET.match(replica_set)
    return found["name"] if found else ""


def _of_pods(owner: Ref, pods: list[Pod]) -> Workload:
    first = pods[0]
    common = {
        key: value
        for key, value in first.metadata.labels.items()
        if all(pod.metadata.labels.get(key) == value for pod in pods[1:])
    }
    return Workload(
        namespace=owner.namespace,
        owner=owner,
        labels=common,
        annotations=first.metadata.annotations,
        spec=first.spec,
        pods=tuple(pods),
    )


def _has_pods(template: Deployment | DaemonSet, unowned: LabelIndex[Workload]) -> bool:
    """Whether pods without owner references, as manifests show them, are this template's."""
    labels = template.spec.template.metadata.labels
    if not labels:
        return False
    return next(unowned.having(labels.items(), template.namespace), None) is not None


def _of_template(template: Deployment | DaemonSet) -> Workload:
    return Workload(
        namespace=template.namespace,
        owner=template.ref,
        labels=template.spec.template.metadata.labels,
        annotations=template.spec.template.metadata.annotations,
        spec=template.spec.template.spec,
        replicas=template.spec.replicas if template.spec.replicas is not None else 1,
    )


def _is_router(workload: Workload) -> bool:
    templates = workload.annotations.get("inject.istio.io/templates", "").split(",")
    if "gateway" in (each.strip() for each in templates):
        return True
    if any(label in workload.labels for label in GATEWAY_NAME_LABELS):
        return True
    return bool(workload.proxy and "router" in workload.proxy.args)


def _injected_revision(annotations: Mapping[str, str]) -> str:
    """Read the revision from the injector's own status annotation."""
    try:
        status = json.loads(annotations.get("sidecar.istio.io/status", ""))
    except ValueError:
        return ""
    revision = status.get("revision") if isinstance(status, dict) else None
    return revision if isinstance(revision, str) else ""
