"""Which VirtualServices apply to a Gateway as seen from a gateway workload, in istiod's order.

Source: pilot/pkg/model/push_context.go:1138-1163 (`VirtualServicesForGateway`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from istiodoctor.mesh.configuration.held import HeldVirtualService, Semantics
from istiodoctor.mesh.configuration.held_ingresses import held_ingresses_by_gateway
from istiodoctor.mesh.configuration.held_routes import held_routes_of_gateway
from istiodoctor.mesh.configuration.names import (
    common_hosts,
    hosts_for_namespace,
    is_subset,
)
from istiodoctor.mesh.configuration.virtual_services import (
    held_virtual_service,
    virtual_services_by_gateway_name,
)
from istiodoctor.mesh.configuration.visibility import default_audience
from istiodoctor.mesh.controlplanes import control_plane_of, mesh_config
from istiodoctor.mesh.hosts import parents
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.releases import Change, has
from istiodoctor.mesh.servers import Server
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.meshconfig import MeshConfig

FEW = 64
"""Pairs of hosts that are compared one by one: an index costs more."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoundVirtualServices:
    """The VirtualServices of one Gateway in istiod's order, and an index of their hosts."""

    services: tuple[HeldVirtualService, ...]
    by_host: Mapping[str, tuple[int, ...]]
    """Positions by host."""
    below: Mapping[str, tuple[int, ...]]
    """Positions by every wildcard above a host."""

    def meeting(self, server: Server) -> Iterator[tuple[HeldVirtualService, tuple[str, ...]]]:
        """Yield those that have hosts in common with a server, and the narrower hosts."""
        for position in self._candidates(server):
            service = self.services[position]
            hosts = hosts_for_namespace(server.host_texts, service.namespace)
            common = common_hosts(hosts, service.hosts)
            if common:
                yield service, common

    def _candidates(self, server: Server) -> Sequence[int]:
        if len(self.services) * len(server.host_texts) <= FEW:
            return range(len(self.services))
        found: set[int] = set()
        for text in server.host_texts:
            host = text.rpartition("/")[2]
            found.update(self.by_host.get(host, ()))
            for wildcard in parents(host):
                found.update(self.by_host.get(wildcard, ()))
            if host.startswith("*"):
                found.update(self.below.get(host, ()))
        return sorted(found)


def virtual_services_for_gateway(
    mesh: Mesh, workload: Workload, gateway_name: str
) -> BoundVirtualServices:
    """Return the VirtualServices of a Gateway that the pods of a workload get."""
    config = mesh_config(mesh, workload) or MeshConfig()
    takes_names = has(control_plane_of(mesh, workload), Change.DEFAULT_EXPORTS_NAME_NAMESPACES)
    return _seen_from(
        mesh, workload.namespace, config.virtual_service_exports, takes_names, gateway_name
    )


@question(evidence=[held_routes_of_gateway, held_ingresses_by_gateway])
def _seen_from(
    mesh: Mesh,
    namespace: str,
    written: frozenset[str],
    takes_names: bool,
    gateway_name: str,
) -> BoundVirtualServices:
    """Return the VirtualServices of a Gateway that a namespace sees.

    First those that only this namespace sees, then those exported to it by name, then public ones;
    by age within each. Among the public ones, routes of the Gateway API of the pods' own namespace
    come first. `written` is the mesh's default `exportTo`, which delegates are found by as it is
    written, whatever the release.
    """
    exports = default_audience(written, takes_names=takes_names)
    services = tuple(_ordered(_held(mesh, gateway_name, written), namespace, exports))
    by_host: dict[str, list[int]] = {}
    below: dict[str, list[int]] = {}
    for position, service in enumerate(services):
        for host in service.hosts:
            by_host.setdefault(host, []).append(position)
            for wildcard in parents(host):
                below.setdefault(wildcard, []).append(position)
    return BoundVirtualServices(
        services=services,
        by_host={host: tuple(found) for host, found in by_host.items()},
        below={host: tuple(found) for host, found in below.items()},
    )


def _held(mesh: Mesh, gateway_name: str, exports: frozenset[str]) -> list[HeldVirtualService]:
    written = virtual_services_by_gateway_name(mesh).get(gateway_name, ())
    held = [held_virtual_service(mesh, each, exports) for each in written]
    made = (
        *held_routes_of_gateway(mesh, gateway_name),
        *held_ingresses_by_gateway(mesh).get(gateway_name, ()),
    )
    return sorted((*held, *made), key=lambda each: each.age_order) if made else held


def _ordered(
    services: Iterable[HeldVirtualService], namespace: str, exports: frozenset[str]
) -> Iterator[HeldVirtualService]:
    ranked = [
        (rank, service)
        for service in services
        if (rank := _visibility(service, namespace, exports)) is not None
    ]
    yield from (service for _, service in sorted(ranked, key=lambda each: each[0]))


def _visibility(
    service: HeldVirtualService, namespace: str, exports: frozenset[str]
) -> int | None:
    """Rank a VirtualService by who sees it; None where the namespace does not.

    `exports` is the mesh's default (`defaultVirtualServiceExportTo`).
    """
    export_to = service.export_to or exports
    if "*" in export_to:
        own = service.semantics is Semantics.GATEWAY and service.namespace == namespace
        return 2 if own else 3
    if "~" in export_to:
        return None
    seen_by = {service.namespace if each == "." else each for each in export_to}
    if namespace not in seen_by:
        return None
    return 0 if service.namespace == namespace else 1


def matching_hosts(server: Server, service: HeldVirtualService) -> bool:
    """Whether a server and a VirtualService meet for tcp and tls rules.

    Source: `pickMatchingGatewayHosts` (core/gateway.go:1141-1170).
    """
    hosts = [
        name if separator else text
        for text in server.host_texts
        for where, separator, name in (text.partition("/"),)
        if not separator or where == service.namespace
    ]
    return any(
        is_subset(mine, other) or is_subset(other, mine)
        for mine in hosts
        for other in service.hosts
    )
