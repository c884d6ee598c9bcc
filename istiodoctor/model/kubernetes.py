"""Kubernetes' own objects, as far as a gateway's path depends on them."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

import msgspec

from istiodoctor.model.kind import Kind
from istiodoctor.model.metadata import Condition, Fields, Resource


class Namespace(Resource, frozen=True, kw_only=True):
    """A Namespace; its labels decide discovery and injection."""

    KIND: ClassVar[Kind] = Kind.NAMESPACE


class ContainerPort(Fields, frozen=True, kw_only=True):
    """A declared port of a container."""

    name: str = ""
    container_port: int = 0
    protocol: str = "TCP"
    host_port: int = 0


class EnvironmentVariable(Fields, frozen=True, kw_only=True):
    """A container's environment variable with a literal value; sources are not followed."""

    name: str = ""
    value: str = ""


class VolumeMount(Fields, frozen=True, kw_only=True):
    """Where a volume appears in a container."""

    name: str = ""
    mount_path: str = ""


class Container(Fields, frozen=True, kw_only=True):
    """A container of a pod or pod template."""

    name: str = ""
    image: str = ""
    args: tuple[str, ...] = ()
    env: tuple[EnvironmentVariable, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()

    def environment(self, name: str) -> str | None:
        """Return the literal value of an environment variable, or None."""
        return next((each.value for each in self.env if each.name == name), None)


class SecretVolume(Fields, frozen=True, kw_only=True):
    """A volume that holds a Secret."""

    secret_name: str = ""


class Volume(Fields, frozen=True, kw_only=True):
    """A volume of a pod."""

    name: str = ""
    secret: SecretVolume | None = None


class PodSpec(Fields, frozen=True, kw_only=True):
    """The spec of a pod or pod template."""

    service_account_name: str = ""
    node_name: str = ""
    host_network: bool = False
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()


class PodAddress(Fields, frozen=True, kw_only=True):
    """One entry of `podIPs`: a pod of a dual-stack cluster has two."""

    ip: str = ""


class PodStatus(Fields, frozen=True, kw_only=True):
    """`Pod.status`."""

    phase: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")
    pod_ips: tuple[PodAddress, ...] = msgspec.field(default=(), name="podIPs")
    host_ip: str = msgspec.field(default="", name="hostIP")
    conditions: tuple[Condition, ...] = ()


class Pod(Resource, frozen=True, kw_only=True):
    """A Pod."""

    KIND: ClassVar[Kind] = Kind.POD
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class LabelRequirement(Fields, frozen=True, kw_only=True):
    """One entry of `matchExpressions`."""

    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class LabelSelector(Fields, frozen=True, kw_only=True):
    """A Kubernetes label selector."""

    match_labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    match_expressions: tuple[LabelRequirement, ...] = ()


class TemplateMetadata(Fields, frozen=True, kw_only=True):
    """The metadata of a pod template."""

    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)


class PodTemplate(Fields, frozen=True, kw_only=True):
    """What a controller makes pods from."""

    metadata: TemplateMetadata = TemplateMetadata()
    spec: PodSpec = PodSpec()


class WorkloadSpec(Fields, frozen=True, kw_only=True):
    """`spec` of a Deployment or DaemonSet."""

    replicas: int | None = None
    selector: LabelSelector = LabelSelector()
    template: PodTemplate = PodTemplate()


class Deployment(Resource, frozen=True, kw_only=True):
    """An `apps` Deployment."""

    KIND: ClassVar[Kind] = Kind.DEPLOYMENT
    spec: WorkloadSpec = WorkloadSpec()


class DaemonSet(Resource, frozen=True, kw_only=True):
    """An `apps` DaemonSet."""

    KIND: ClassVar[Kind] = Kind.DAEMON_SET
    spec: WorkloadSpec = WorkloadSpec()


LONGEST_PORT = 5
"""Digits of a port."""


class ServicePort(Fields, frozen=True, kw_only=True):
    """One port of a Service; `targetPort` may name a container port."""

    name: str = ""
    port: int = 0
    target_port: int | str | None = None
    node_port: int = 0
    protocol: str = "TCP"
    app_protocol: str = ""

    @property
    def target_number(self) -> int | None:
        """The port in the pod; None where it is a name.

        A number in quotes counts as one: the API server would not let it pass as a name.
        """
        target = self.target_port
        if not isinstance(target, str):
            return self.port if target is None else target
        is_number = target.isascii() and target.isdecimal() and len(target) <= LONGEST_PORT
        return int(target) if is_number else None


class ServiceSpec(Fields, frozen=True, kw_only=True):
    """`Service.spec`."""

    type: str = "ClusterIP"
    selector: Mapping[str, str] = msgspec.field(default_factory=dict)
    ports: tuple[ServicePort, ...] = ()
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    external_name: str = ""
    external_traffic_policy: str = ""
    external_ips: tuple[str, ...] = msgspec.field(default=(), name="externalIPs")
    load_balancer_ip: str = msgspec.field(default="", name="loadBalancerIP")
    internal_traffic_policy: str = ""


class LoadBalancerIngress(Fields, frozen=True, kw_only=True):
    """An address that a load balancer was given."""

    ip: str = ""
    hostname: str = ""


class LoadBalancerStatus(Fields, frozen=True, kw_only=True):
    """`status.loadBalancer`."""

    ingress: tuple[LoadBalancerIngress, ...] = ()


class ServiceStatus(Fields, frozen=True, kw_only=True):
    """`Service.status`."""

    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class Service(Resource, frozen=True, kw_only=True):
    """A core Service."""

    KIND: ClassVar[Kind] = Kind.SERVICE
    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


class EndpointConditions(Fields, frozen=True, kw_only=True):
    """Whether an endpoint takes traffic; absent `ready` means ready."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class TargetReference(Fields, frozen=True, kw_only=True):
    """The object behind an endpoint."""

    kind: str = ""
    namespace: str = ""
    name: str = ""


class Endpoint(Fields, frozen=True, kw_only=True):
    """One backend of a Service."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    target_ref: TargetReference | None = None
    node_name: str = ""


class EndpointPort(Fields, frozen=True, kw_only=True):
    """A port that a slice's endpoints listen on."""

    name: str | None = None
    port: int | None = None


class EndpointSlice(Resource, frozen=True, kw_only=True):
    """A `discovery.k8s.io` EndpointSlice; a label names its Service."""

    KIND: ClassVar[Kind] = Kind.ENDPOINT_SLICE
    address_type: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


class ConfigMap(Resource, frozen=True, kw_only=True):
    """A ConfigMap."""

    KIND: ClassVar[Kind] = Kind.CONFIG_MAP
    data: Mapping[str, str] = msgspec.field(default_factory=dict)


class ServiceAccount(Resource, frozen=True, kw_only=True):
    """A ServiceAccount."""

    KIND: ClassVar[Kind] = Kind.SERVICE_ACCOUNT


class IngressServicePort(Fields, frozen=True, kw_only=True):
    """The port of an Ingress backend."""

    number: int = 0
    name: str = ""


class IngressService(Fields, frozen=True, kw_only=True):
    """The Service of an Ingress backend."""

    name: str = ""
    port: IngressServicePort = IngressServicePort()


class IngressBackend(Fields, frozen=True, kw_only=True):
    """Where an Ingress path leads."""

    service: IngressService | None = None


class IngressPath(Fields, frozen=True, kw_only=True):
    """A path of an Ingress rule."""

    path: str = ""
    path_type: str = ""
    backend: IngressBackend = IngressBackend()


class IngressHttp(Fields, frozen=True, kw_only=True):
    """The paths of an Ingress rule."""

    paths: tuple[IngressPath, ...] = ()


class IngressRule(Fields, frozen=True, kw_only=True):
    """A host of an Ingress."""

    host: str = ""
    http: IngressHttp = IngressHttp()


class IngressTls(Fields, frozen=True, kw_only=True):
    """Hosts for which an Ingress terminates TLS."""

    hosts: tuple[str, ...] = ()
    secret_name: str = ""


class IngressSpec(Fields, frozen=True, kw_only=True):
    """`Ingress.spec`."""

    ingress_class_name: str = ""
    default_backend: IngressBackend | None = None
    rules: tuple[IngressRule, ...] = ()
    tls: tuple[IngressTls, ...] = ()


class Ingress(Resource, frozen=True, kw_only=True):
    """A `networking.k8s.io` Ingress."""

    KIND: ClassVar[Kind] = Kind.INGRESS
    spec: IngressSpec = IngressSpec()


class IngressClassSpec(Fields, frozen=True, kw_only=True):
    """`IngressClass.spec`."""

    controller: str = ""


class IngressClass(Resource, frozen=True, kw_only=True):
    """A `networking.k8s.io` IngressClass."""

    KIND: ClassVar[Kind] = Kind.INGRESS_CLASS
    spec: IngressClassSpec = IngressClassSpec()


class InvolvedObject(Fields, frozen=True, kw_only=True):
    """What an Event is about."""

    api_version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""


class EventSeries(Fields, frozen=True, kw_only=True):
    """How often an Event came, as newer recorders count."""

    count: int = 0
    last_observed_time: datetime | None = None


class Event(Resource, frozen=True, kw_only=True):
    """A core Event. Recorders of different ages fill different fields."""

    KIND: ClassVar[Kind] = Kind.EVENT
    involved_object: InvolvedObject = InvolvedObject()
    reason: str = ""
    message: str = ""
    type: str = ""
    count: int = 1
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None
    event_time: datetime | None = None
    series: EventSeries | None = None

    @property
    def times(self) -> int:
        """How often it came."""
        return max(self.count, self.series.count if self.series else 0, 1)

    @property
    def seen(self) -> datetime | None:
        """When it came last."""
        last = self.series.last_observed_time if self.series else None
        times = (last, self.last_timestamp, self.event_time, self.first_timestamp)
        return next(filter(None, times), self.metadata.creation_timestamp)


class PolicyRule(Fields, frozen=True, kw_only=True):
    """A rule of a Role or ClusterRole."""

    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()


class Role(Resource, frozen=True, kw_only=True):
    """An RBAC Role."""

    KIND: ClassVar[Kind] = Kind.ROLE
    rules: tuple[PolicyRule, ...] = ()


class AggregationRule(Fields, frozen=True, kw_only=True):
    """Which ClusterRoles are merged into one."""

    cluster_role_selectors: tuple[LabelSelector, ...] = ()


class ClusterRole(Resource, frozen=True, kw_only=True):
    """An RBAC ClusterRole."""

    KIND: ClassVar[Kind] = Kind.CLUSTER_ROLE
    rules: tuple[PolicyRule, ...] = ()
    aggregation_rule: AggregationRule | None = None


class RoleRef(Fields, frozen=True, kw_only=True):
    """The role that a binding grants."""

    kind: str = ""
    name: str = ""


class RbacSubject(Fields, frozen=True, kw_only=True):
    """Who is granted a role."""

    kind: str = ""
    name: str = ""
    namespace: str = ""


class RoleBinding(Resource, frozen=True, kw_only=True):
    """An RBAC RoleBinding."""

    KIND: ClassVar[Kind] = Kind.ROLE_BINDING
    role_ref: RoleRef = RoleRef()
    subjects: tuple[RbacSubject, ...] = ()


class ClusterRoleBinding(Resource, frozen=True, kw_only=True):
    """An RBAC ClusterRoleBinding."""

    KIND: ClassVar[Kind] = Kind.CLUSTER_ROLE_BINDING
    role_ref: RoleRef = RoleRef()
    subjects: tuple[RbacSubject, ...] = ()
