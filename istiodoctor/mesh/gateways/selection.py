"""Gateways and gateway Services whose selector matches no pod."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches

from istiodoctor.mesh.gateways.api_addresses import is_managed, service_names
from istiodoctor.mesh.gateways.api_gateway_pods import (
    api_gateway_services,
    api_gateway_workloads,
)
from istiodoctor.mesh.gateways.api_gateways import api_gateways, api_servers
from istiodoctor.mesh.gateways.listeners import (
    gateway_workloads,
    istio_gateways,
    servers_by_workload,
)
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.service_ports import services_of
from istiodoctor.mesh.workloads.workloads import Workload, routers, selected
from istiodoctor.model.gatewayapi import Gateway
from istiodoctor.model.istio import IstioGateway
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.services import Service

WEB_PORTS = frozenset({80, 443})
STATUS_PORT = 15021
"""Readiness of a gateway pod; Services of gateways expose it, hardly any other does."""
GATEWAY_LABELS = ("istio", "app", "app.kubernetes.io/name")
"""Labels that Istio's own charts tell gateways apart by."""
LONGEST_LABEL = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """A gateway workload whose labels nearly match a selector."""

    workload: Workload
    selector: Mapping[str, str]
    """What would select it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unselected:
    """An Istio Gateway that no running pod belongs to."""

    gateway: IstioGateway
    scaled_down: tuple[Workload, ...] = ()
    """Selected, but with zero replicas."""
    near: NearMiss | None = None
    is_certain: bool = True
    """Whether every pod was read."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GatewayWithoutPods:
    """A Gateway of the Gateway API that no running pod belongs to."""

    gateway: Gateway
    servers: tuple[Server, ...]
    """Its listeners that istiod takes."""
    services: tuple[Service, ...]
    scaled_down: tuple[Workload, ...] = ()
    """Its own, but with zero replicas."""
    names_no_service: bool = False
    """Whether its addresses name Services, and none of them exists."""
    near: tuple[str, ...] = ()
    """A Service of its namespace whose name is alike."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ServiceWithoutPods:
    """A Service that looks like a gateway's and selects no pod."""

    service: Service
    near: NearMiss
    hosts: frozenset[str] = frozenset()
    """The hosts of that gateway."""
    others: tuple[Service, ...] = ()
    """Services that do select that gateway."""


@question(Kind.POD, Kind.DEPLOYMENT, Kind.DAEMON_SET)
def unselected_gateways(mesh: Mesh) -> tuple[Unselected, ...]:
    """Return the Istio Gateways with servers that no pod runs for, as far as that is known."""
    return tuple(
        found
        for gateway in istio_gateways(mesh)
        if gateway.spec.servers and (found := _unselected(mesh, gateway))
    )


def _unselected(mesh: Mesh, gateway: IstioGateway) -> Unselected | None:
    selected = gateway_workloads(mesh, gateway.ref)
    pods_are_known = mesh.is_complete(Kind.POD)
    if selected:
        if any(each.pods or each.replicas != 0 for each in selected):
            return None
        return Unselected(gateway=gateway, scaled_down=selected, is_certain=pods_are_known)
    near = _near(mesh, frozenset(gateway.spec.selector.items()), "")
    if not pods_are_known and not (near and _templates_are_known(mesh)):
        return None
    return Unselected(gateway=gateway, near=near, is_certain=pods_are_known)


@question(Kind.POD)
def api_gateways_without_pods(mesh: Mesh) -> tuple[GatewayWithoutPods, ...]:
    """Return the Gateways of the Gateway API that no pod runs for, as far as that is known.

    Their pods are in their own namespace (model/push_context.go:2468).
    """
    found: dict[Ref, list[Server]] = defaultdict(list)
    for server in api_servers(mesh):
        if not server.faulty:
            found[server.parent].append(server)
    return tuple(
        GatewayWithoutPods(
            gateway=gateway,
            servers=tuple(found[gateway.ref]),
            services=api_gateway_services(mesh, gateway.ref),
            scaled_down=workloads,
            names_no_service=_names_no_service(mesh, gateway),
            near=_near_services(mesh, gateway),
        )
        for gateway in api_gateways(mesh)
        if gateway.ref in found
        for workloads in (api_gateway_workloads(mesh, gateway.ref),)
        if not any(each.pods or each.replicas != 0 for each in workloads)
        and (workloads or mesh.is_complete(Kind.POD, gateway.namespace))
    )


@question(Kind.SERVICE)
def _names_no_service(mesh: Mesh, gateway: Gateway) -> bool:
    return (
        not is_managed(gateway)
        and not api_gateway_services(mesh, gateway.ref)
        and mesh.is_complete(Kind.SERVICE, gateway.namespace)
    )


@question(Kind.SERVICE)
def _near_services(mesh: Mesh, gateway: Gateway) -> tuple[str, ...]:
    if not _names_no_service(mesh, gateway):
        return ()
    names = [each.name for each in mesh.all(Service) if each.namespace == gateway.namespace]
    wanted = (service_names(gateway) or tuple(e.value for e in gateway.spec.addresses))[:1]
    return tuple(near for name in wanted for near in get_close_matches(name, names, n=1))


def _templates_are_known(mesh: Mesh) -> bool:
    return mesh.is_complete(Kind.DEPLOYMENT) and mesh.is_complete(Kind.DAEMON_SET)


@question
def _near(mesh: Mesh, selector: frozenset[tuple[str, str]], namespace: str) -> NearMiss | None:
    candidates = [each for each in routers(mesh) if not namespace or each.namespace == namespace]
    if not candidates:
        return None
    nearest = max(candidates, key=lambda each: _likeness(selector, each))
    return NearMiss(workload=nearest, selector=_selector_of(selector, nearest))


@question(Kind.SERVICE, Kind.POD)
def services_without_pods(mesh: Mesh) -> tuple[ServiceWithoutPods, ...]:
    """Return the Services that look like a gateway's and select no pod beside it."""
    namespaces = {each.namespace for each in routers(mesh)}
    return tuple(
        found
        for service in mesh.all(Service)
        if service.namespace in namespaces and service.spec.selector
        if (found := _service_without_pods(mesh, service))
    )


def _service_without_pods(mesh: Mesh, service: Service) -> ServiceWithoutPods | None:
    selector = frozenset(service.spec.selector.items())
    if selected(mesh, selector, service.namespace):
        return None
    if not mesh.is_complete(Kind.POD, service.namespace):
        return None
    near = _near(mesh, selector, service.namespace)
    if near is None or not _is_meant_for(service, near.workload):
        return None
    servers = servers_by_workload(mesh).get(near.workload, ())
    return ServiceWithoutPods(
        service=service,
        near=near,
        hosts=frozenset(name for server in servers for name in server.names),
        others=services_of(mesh, near.workload),
    )


def _likeness(selector: frozenset[tuple[str, str]], workload: Workload) -> tuple[int, float]:
    """Order workloads by how many labels fit, then by how alike the others are."""
    fitting = sum(workload.labels.get(key) == value for key, value in selector)
    wanted = ",".join(value[:LONGEST_LABEL] for _, value in sorted(selector))
    there = ",".join(workload.labels.get(key, "")[:LONGEST_LABEL] for key, _ in sorted(selector))
    return fitting, SequenceMatcher(None, wanted, there).ratio()


def _selector_of(selector: Iterable[tuple[str, str]], workload: Workload) -> Mapping[str, str]:
    keys = [key for key, _ in sorted(selector) if key in workload.labels]
    keys = keys or [key for key in GATEWAY_LABELS if key in workload.labels][:1]
    return {key: workload.labels[key] for key in keys}


def _is_meant_for(service: Service, workload: Workload) -> bool:
    if not any(port.port in WEB_PORTS for port in service.spec.ports):
        return False
    return (
        service.name == workload.name
        or any(port.port == STATUS_PORT for port in service.spec.ports)
        or any(
            workload.labels.get(key) == service.spec.selector.get(key)
            for key in GATEWAY_LABELS
            if key in service.spec.selector
        )
    )
