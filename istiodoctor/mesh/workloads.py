"""Which pods there are, grouped by what makes them, and what runs in them."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from istiodoctor.mesh.labels import LabelIndex
from istiodoctor.mesh.question import Questions, question
from istiodoctor.mesh.version import Version
from istiodoctor.model.kind import APPS, CORE, Kind
from istiodoctor.model.kubernetes import (
    ConfigMap,
    Container,
    DaemonSet,
    Deployment,
    Namespace,
    Pod,
    PodSpec,
    Service,
    ServicePort,
)
from istiodoctor.model.meshconfig import (
    MeshConfig,
    ProxyConfig,
    decode_mesh_config,
    decode_proxy_config,
)
from istiodoctor.model.metadata import condition
from istiodoctor.model.ref import Ref

PROXY_CONTAINER = "istio-proxy"
GATEWAY_NAME_LABELS = ("gateway.networking.k8s.io/gateway-name", "istio.io/gateway-name")
REVISION_LABEL = "istio.io/rev"
DEFAULT_REVISION = "default"
ENDED = frozenset({"Succeeded", "Failed"})
TEMPLATE_HASH_LABEL = "pod-template-hash"
SCOPE_FLAG = "PILOT_SCOPE_GATEWAY_TO_NAMESPACE"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """One istiod Deployment: its revision and version."""

    namespace: str
    revision: str
    version: Version | None
    workload: Workload = field(compare=False)

    @property
    def confines_gateways(self) -> bool:
        """Whether Gateways apply to pods of their own namespace only."""
        containers = self.workload.spec.containers
        return any(each.environment(SCOPE_FLAG) == "true" for each in containers)


def pod_is_ready(pod: Pod) -> bool:
    """Whether the kubelet reports the pod Ready; without any status, it counts as ready."""
    ready = condition(pod.status.conditions, "Ready")
    return ready is None or ready.status == "True"


class WorkloadQuestions(Questions):
    """Pods, control planes and their configuration."""

    @question(Kind.POD, Kind.DEPLOYMENT, Kind.DAEMON_SET)
    def workloads(self) -> tuple[Workload, ...]:
        """Return every workload: from its pods, else from its template."""
        groups: dict[Ref, list[Pod]] = defaultdict(list)
        for pod in self._all(Pod):
            if pod.status.phase not in ENDED:
                groups[pod_owner(pod)].append(pod)
        found = {owner: _of_pods(owner, pods) for owner, pods in groups.items()}
        unowned = LabelIndex(
            each for each in found.values() if each.owner.kind == Pod.KIND.value.kind
        )
        templates: Iterable[Deployment | DaemonSet] = (
            *self._all(Deployment),
            *self._all(DaemonSet),
        )
        unborn = (
            _of_template(template)
            for template in templates
            if template.ref not in found and not _has_pods(template, unowned)
        )
        return (*found.values(), *unborn)

    @question(rests_on=[workloads])
    def _workloads_by_label(self) -> LabelIndex[Workload]:
        return LabelIndex(self.workloads())

    @question(rests_on=[_workloads_by_label])
    def selected(
        self, selector: frozenset[tuple[str, str]], namespace: str
    ) -> tuple[Workload, ...]:
        """Return the workloads with all these labels; in every namespace when that is empty."""
        return tuple(self._workloads_by_label().having(selector, namespace))

    @question(rests_on=[workloads])
    def routers(self) -> tuple[Workload, ...]:
        """Return the workloads that run Envoy as a gateway (`proxy router`)."""
        return tuple(each for each in self.workloads() if _is_router(each))

    @question(rests_on=[workloads])
    def control_planes(self) -> tuple[ControlPlane, ...]:
        """Return every istiod found."""
        return tuple(
            ControlPlane(
                namespace=each.namespace,
                revision=each.labels.get(REVISION_LABEL, DEFAULT_REVISION),
                version=next(
                    (v for c in each.spec.containers if (v := Version.of_image(c.image))), None
                ),
                workload=each,
            )
            for each in self.workloads()
            if each.labels.get("app") == "istiod"
        )

    @question(rests_on=[control_planes])
    def control_plane_of(self, workload: Workload) -> ControlPlane | None:
        """Return the istiod that a gateway talks to; None when it cannot be told."""
        planes = self.control_planes()
        same = [each for each in planes if each.revision == workload.revision]
        if same:
            return same[0]
        return planes[0] if len({each.version for each in planes}) == 1 else None

    @question(rests_on=[control_plane_of])
    def istiod_version(self, workload: Workload) -> Version | None:
        """Return the version of the istiod that configures a gateway."""
        plane = self.control_plane_of(workload)
        return plane.version if plane else None

    @question(Kind.CONFIG_MAP, rests_on=[control_plane_of])
    def mesh_config(self, workload: Workload) -> MeshConfig | None:
        """Return the mesh configuration in force for a gateway; None when it was not read."""
        plane = self.control_plane_of(workload)
        namespace = plane.namespace if plane else "istio-system"
        revision = plane.revision if plane else DEFAULT_REVISION
        names = ["istio"] if revision == DEFAULT_REVISION else [f"istio-{revision}", "istio"]
        for name in names:
            found = self._get(ConfigMap, namespace, name)
            if found:
                return decode_mesh_config(found.data.get("mesh", ""))
            if not self._is_complete(Kind.CONFIG_MAP, namespace, name):
                return None
        return None

    @question(rests_on=[mesh_config])
    def proxy_config(self, workload: Workload) -> ProxyConfig | None:
        """Return a gateway's proxy configuration: the pod's annotation, or the mesh's default.

        None where the annotation does not decide and the mesh's default was not read.
        """
        text = workload.annotations.get("proxy.istio.io/config")
        own = decode_proxy_config(text) if text else None
        if own and own.gateway_topology is not None:
            return own
        mesh = self.mesh_config(workload)
        return mesh.default_config if mesh else None

    @question(rests_on=[proxy_config])
    def trusted_proxies(self, workload: Workload) -> int | None:
        """Return `numTrustedProxies` of a gateway.

        None when the mesh configuration was not read.
        """
        config = self.proxy_config(workload)
        if config is None:
            return None
        return config.gateway_topology.num_trusted_proxies if config.gateway_topology else 0

    @question(Kind.SERVICE)
    def _services_by_label(self) -> Mapping[tuple[str, str, str], tuple[Service, ...]]:
        """Return the Services by namespace and the first label of their selectors."""
        index: dict[tuple[str, str, str], list[Service]] = defaultdict(list)
        for service in self._all(Service):
            if service.spec.selector:
                index[(service.namespace, *min(service.spec.selector.items()))].append(service)
        return {label: tuple(found) for label, found in index.items()}

    @question(rests_on=[_services_by_label])
    def services_of(self, workload: Workload) -> tuple[Service, ...]:
        """Return the Services whose selector takes a workload's pods, in istiod's order."""
        index = self._services_by_label()
        found = (
            service
            for label in workload.labels.items()
            for service in index.get((workload.namespace, *label), ())
            if service.spec.selector.items() <= workload.labels.items()
        )
        return tuple(sorted(found, key=lambda each: each.age_order))

    @question(rests_on=[services_of])
    def listening_ports(self, workload: Workload, port: int) -> tuple[int, ...]:
        """Return the port on which Envoy listens for a server's port (istiod's `resolvePorts`).

        The first Service that has the port decides, by its targetPort; without one it is the
        port itself.
        """
        for service in self.services_of(workload):
            if "experimental.istio.io/disable-gateway-port-translation" in service.metadata.labels:
                continue
            for each in service.spec.ports:
                if each.port == port:
                    return (target_port(each, workload),)
        return (port,)

    @question(rests_on=[services_of])
    def referenced_ports(self, workload: Workload, port: int) -> tuple[int, ...]:
        """Return the ports on which Envoy listens for a listener of the Gateway API.

        Its port is that of a Service: every targetPort counts, and one that no Service has is
        not opened. Where there is no Service to be seen, it is taken to lead to itself.
        """
        services = self.services_of(workload)
        found = {
            target_port(each, workload): None
            for service in services
            for each in service.spec.ports
            if each.port == port
        }
        return tuple(found) if services else (port,)

    @question(Kind.NAMESPACE)
    def namespace_labels(self, name: str) -> Mapping[str, str] | None:
        """Return a namespace's labels; None when it was not read."""
        found = self._get(Namespace, "", name)
        return found.metadata.labels if found else None

    @question(Kind.NAMESPACE)
    def namespace_exists(self, name: str) -> bool | None:
        """Whether a namespace exists; None when it cannot be told."""
        if self._get(Namespace, "", name):
            return True
        return False if self._is_complete(Kind.NAMESPACE, "", name) else None


def target_port(port: ServicePort, workload: Workload) -> int:
    """Return the number of a Service port's target, following a named container port."""
    match port.target_port:
        case None:
            return port.port
        case int(number):
            return number
        case str(name) if name.isdigit():
            return int(name)
        case str(name):
            named = (
                declared.container_port
                for container in (*workload.spec.containers, *workload.spec.init_containers)
                for declared in container.ports
                if declared.name == name
            )
            return next(named, port.port)


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
