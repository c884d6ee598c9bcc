"""Load balancers and pods behind a gateway's address: pending, speaking PROXY, not ready."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from istiodoctor.mesh.exposure.services import Exposure, exposure
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.grace_times import COMING_UP
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import proxy_config
from istiodoctor.mesh.workloads.service_ports import services_of
from istiodoctor.mesh.workloads.workloads import Workload, pod_is_ready, selected
from istiodoctor.model.istio import EnvoyFilter
from istiodoctor.model.kind import Kind
from istiodoctor.model.pods import Pod
from istiodoctor.model.ref import Ref
from istiodoctor.model.services import Service

PROXY_ANNOTATIONS = {
    "service.beta.kubernetes.io/aws-load-balancer-proxy-protocol": "*",
    "service.beta.kubernetes.io/do-loadbalancer-enable-proxy-protocol": "true",
    "load-balancer.hetzner.cloud/uses-proxyprotocol": "true",
    "loadbalancer.openstack.org/proxy-protocol": "true",
    "service.beta.kubernetes.io/scw-loadbalancer-proxy-protocol-v1": "*",
    "service.beta.kubernetes.io/scw-loadbalancer-proxy-protocol-v2": "*",
    "service.beta.kubernetes.io/linode-loadbalancer-proxy-protocol": "v1",
}
"""Annotations that make a load balancer send the PROXY protocol, with the value that does."""
TARGET_ATTRIBUTES = "service.beta.kubernetes.io/aws-load-balancer-target-group-attributes"
PROXY_ATTRIBUTE = "proxy_protocol_v2.enabled=true"
PROXY_FILTER = "proxy_protocol"
"""Part of the name of Envoy's listener filter."""
UNINJECTED = "auto"
"""The image that the gateway chart writes, for the injector to replace."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PendingLoadBalancer:
    """A gateway's Service that waits for an address."""

    service: Service
    since: datetime
    hosts: frozenset[str]
    """Those of the gateway."""
    metallb: bool | None
    """Whether MetalLB runs; None when that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnexpectedProxyProtocol:
    """A load balancer that sends the PROXY protocol to a gateway that expects none."""

    service: Service
    annotation: str
    workload: Workload
    hosts: frozenset[str]
    is_certain: bool
    """Whether the proxy configuration and the EnvoyFilters were read."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unready:
    """A gateway workload none of whose pods is ready."""

    workload: Workload
    hosts: frozenset[str]
    uninjected: tuple[Pod, ...] = ()
    """Pods whose proxy image nobody filled in."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LocalNodes:
    """A node-port Service that answers on the nodes of its pods only."""

    service: Service
    workload: Workload
    nodes: tuple[str, ...]
    hosts: frozenset[str]


@question
def _hosts_by_workload(mesh: Mesh) -> dict[Workload, frozenset[str]]:
    return {
        workload: frozenset(name for server in servers for name in server.names)
        for workload, servers in servers_by_workload(mesh).items()
    }


@question(Kind.POD)
def pending_load_balancers(mesh: Mesh) -> tuple[PendingLoadBalancer, ...]:
    """Return the Services of gateways that have waited long for an address.

    Only where the creation time was read: manifests have no status to tell by.
    """
    found: dict[Ref, PendingLoadBalancer] = {}
    for workload, hosts in _hosts_by_workload(mesh).items():
        for service in services_of(mesh, workload):
            since = service.metadata.creation_timestamp
            if since and _is_pending(service) and mesh.snapshot.taken_at - since > COMING_UP:
                found[service.ref] = PendingLoadBalancer(
                    service=service, since=since, hosts=hosts, metallb=_has_metallb(mesh)
                )
    return tuple(found.values())


def _has_metallb(mesh: Mesh) -> bool | None:
    labels = (("app", "metallb"), ("app.kubernetes.io/name", "metallb"))
    if any(selected(mesh, frozenset({label}), "") for label in labels):
        return True
    return False if mesh.is_complete(Kind.POD) else None


@question(Kind.ENVOY_FILTER)
def _expects_proxy_by_filter(mesh: Mesh) -> bool | None:
    """Whether some EnvoyFilter names the PROXY protocol; None when they were not read."""
    for each in mesh.all(EnvoyFilter):
        if PROXY_FILTER in str(each.spec.config_patches):
            return True
    return False if mesh.is_complete(Kind.ENVOY_FILTER) else None


@question
def unexpected_proxy_protocol(mesh: Mesh) -> tuple[UnexpectedProxyProtocol, ...]:
    """Return the load balancers that send the PROXY protocol to a gateway unaware of it."""
    return tuple(_unexpected_proxy_protocol(mesh))


def _unexpected_proxy_protocol(mesh: Mesh) -> Iterator[UnexpectedProxyProtocol]:
    for workload, hosts in _hosts_by_workload(mesh).items():
        for service in services_of(mesh, workload):
            annotation = _proxy_annotation(service)
            expects = _expects_proxy(mesh, workload) if annotation else True
            if expects is not True:
                yield UnexpectedProxyProtocol(
                    service=service,
                    annotation=annotation,
                    workload=workload,
                    hosts=hosts,
                    is_certain=expects is False,
                )


def _expects_proxy(mesh: Mesh, workload: Workload) -> bool | None:
    config = proxy_config(mesh, workload)
    topology = config.gateway_topology if config else None
    if topology and topology.proxy_protocol is not None:
        return True
    by_filter = _expects_proxy_by_filter(mesh)
    if by_filter is False and config is None:
        return None
    return by_filter


@question
def unready_gateways(mesh: Mesh) -> tuple[Unready, ...]:
    """Return the gateway workloads with pods of which none has been ready for a while."""
    return tuple(
        Unready(
            workload=workload,
            hosts=hosts,
            uninjected=tuple(filter(_is_uninjected, workload.pods)),
        )
        for workload, hosts in _hosts_by_workload(mesh).items()
        if workload.pods
        and (
            all(map(_is_uninjected, workload.pods))
            or not any(_may_be_ready(mesh, pod) for pod in workload.pods)
        )
    )


def _may_be_ready(mesh: Mesh, pod: Pod) -> bool:
    created = pod.metadata.creation_timestamp
    is_new = bool(created and mesh.snapshot.taken_at - created < COMING_UP)
    return is_new or pod_is_ready(pod)


@question
def local_node_port_services(mesh: Mesh) -> tuple[LocalNodes, ...]:
    """Return the node-port Services that only the nodes of ready gateway pods answer."""
    return tuple(
        LocalNodes(service=service, workload=workload, nodes=nodes, hosts=hosts)
        for workload, hosts in _hosts_by_workload(mesh).items()
        if workload.owner.kind != "DaemonSet" and exposure(mesh, workload) is Exposure.OUTSIDE
        for service in services_of(mesh, workload)
        if service.spec.type == "NodePort" and service.spec.external_traffic_policy == "Local"
        if (nodes := _nodes(workload))
    )


def _is_pending(service: Service) -> bool:
    spec = service.spec
    return (
        spec.type == "LoadBalancer"
        and not service.status.load_balancer.ingress
        and not spec.external_ips
    )


def _proxy_annotation(service: Service) -> str:
    """Return the annotation that makes a load balancer send the PROXY protocol; empty if none."""
    annotations = service.metadata.annotations
    if PROXY_ATTRIBUTE in annotations.get(TARGET_ATTRIBUTES, ""):
        return TARGET_ATTRIBUTES
    for annotation, wanted in PROXY_ANNOTATIONS.items():
        value = annotations.get(annotation, "").lower()
        if (
            value == wanted
            or (wanted == "*" and value == "true")
            or (wanted, value)
            == (
                "v1",
                "v2",
            )
        ):
            return annotation
    return ""


def _is_uninjected(pod: Pod) -> bool:
    return any(container.image == UNINJECTED for container in pod.spec.containers)


def _nodes(workload: Workload) -> tuple[str, ...]:
    ready = (pod.spec.node_name for pod in workload.pods if pod_is_ready(pod))
    return tuple(sorted({node for node in ready if node}))
