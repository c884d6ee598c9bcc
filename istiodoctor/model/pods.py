"""Pods and what makes them: Deployments, DaemonSets."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from istiodoctor.model.kind import Kind
from istiodoctor.model.kubernetes import LabelSelector
from istiodoctor.model.metadata import Condition, Fields, Resource


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
