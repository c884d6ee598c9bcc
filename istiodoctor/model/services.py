"""Services and EndpointSlices."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from istiodoctor.model.kind import Kind
from istiodoctor.model.metadata import Fields, Resource

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
    load_balancer_class: str = ""
    ip_families: tuple[str, ...] = ()
    ip_family_policy: str = ""
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
