"""Which VirtualServices apply to a Gateway as seen from a gateway workload, in istiod's order.

Source: pilot/pkg/model/push_context.go:1138-1163 (`VirtualServicesForGateway`).
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from msgspec.structs import replace

from istiodoctor.mesh.configuration.held import HeldVirtualService, Semantics
from istiodoctor.mesh.configuration.held_ingresses import held_ingresses_by_gateway
from istiodoctor.mesh.configuration.held_routes import held_routes_of_gateway
from istiodoctor.mesh.configuration.virtual_services import (
    held_virtual_service,
    virtual_services_by_gateway_name,
)
from istiodoctor.mesh.configuration.visibility import default_audience
from istiodoctor.mesh.gateways.servers import ROUTES_OF_NONE, Server
from istiodoctor.mesh.hosts import parents
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import (
    control_plane_of,
    mesh_config,
    revision_of,
)
from istiodoctor.mesh.workloads.names import (
    common_hosts,
    hosts_for_namespace,
    is_subset,
)
from istiodoctor.mesh.workloads.releases import Change, has
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.meshconfig import MeshConfig

NAMESPACE_UNKNOWN = "the namespace of the gateway's pods is not known, and its exportTo names some"
FEW = 64
"""Pairs of hosts that are compared one by one: an index costs more."""


class BoundVirtualServices:
    """The VirtualServices of one Gateway in istiod's order, and an index of their hosts."""

    def __init__(self, services: Iterable[HeldVirtualService]) -> None:
        """Take them in their order."""
        self.services = tuple(services)
        self._met: dict[Server, tuple[tuple[int, tuple[str, ...]], ...]] = {}

    @cached_property
    def are_of_revisions(self) -> bool:
        """Whether some are for istiods of one revision only."""
        return any(each.revision for each in self.services)

    def meeting(self, server: Server) -> Iterator[tuple[HeldVirtualService, tuple[str, ...]]]:
        """Yield those that have hosts in common with a server, and the narrower hosts."""
        for position, common in self.positions_meeting(server):
            yield self.services[position], common

    def positions_meeting(self, server: Server) -> tuple[tuple[int, tuple[str, ...]], ...]:
        """Return the same by position; worked out once for each server."""
        if server not in self._met:
            found = (
                (position, self._common(position, texts))
                for position, texts in self.candidates(server)
            )
            self._met[server] = tuple(each for each in found if each[1])
        return self._met[server]

    def positions_kept_out(self, server: Server) -> Mapping[int, tuple[str, ...]]:
        """Return the hosts that meet those a server has for one namespace alone, by position.

        Whether it is the namespace of the VirtualService is not asked.
        """
        if not any("/" in each for each in server.host_texts):
            return {}
        found: dict[int, tuple[str, ...]] = {}
        for position, texts in self.candidates(server):
            apart = (text.partition("/") for text in texts if "/" in text)
            names = tuple(name for where, _, name in apart if where != ROUTES_OF_NONE)
            common = common_hosts(names, self.services[position].hosts)
            if common:
                found[position] = common
        return found

    def _common(self, position: int, texts: tuple[str, ...]) -> tuple[str, ...]:
        service = self.services[position]
        return common_hosts(hosts_for_namespace(texts, service.namespace), service.hosts)

    def candidates(self, server: Server) -> Iterable[tuple[int, tuple[str, ...]]]:
        """Return the positions of those that a server may meet, and by which of its hosts."""
        texts = server.host_texts
        if len(self.services) * len(texts) <= FEW:
            return [(position, texts) for position in range(len(self.services))]
        found: dict[int, dict[str, None]] = {}
        for text in texts:
            for position in self._near(text.rpartition("/")[2].lower()):
                found.setdefault(position, {})[text] = None
        return [(position, tuple(found[position])) for position in sorted(found)]

    def _near(self, host: str) -> Iterator[int]:
        """Yield the positions of hosts that one may have names in common with, in lower case."""
        same, below = self._index
        yield from same.get(host, ())
        for wildcard in parents(host):
            yield from same.get(wildcard, ())
        if host.startswith("*"):
            yield from below.get(host, ())

    @cached_property
    def _index(self) -> tuple[Mapping[str, list[int]], Mapping[str, list[int]]]:
        """Positions by host, and by every wildcard above one; in lower case."""
        same: dict[str, list[int]] = {}
        below: dict[str, list[int]] = {}
        for position, service in enumerate(self.services):
            for host in map(str.lower, service.hosts):
                same.setdefault(host, []).append(position)
                for wildcard in parents(host):
                    below.setdefault(wildcard, []).append(position)
        return same, below


def virtual_services_for_gateway(
    mesh: Mesh, workload: Workload, gateway_name: str
) -> BoundVirtualServices:
    """Return the VirtualServices of a Gateway that the pods of a workload get."""
    namespace = workload.namespace if workload.is_known else None
    takes_names = has(control_plane_of(mesh, workload), Change.DEFAULT_EXPORTS_NAME_NAMESPACES)
    written = virtual_service_exports(mesh, workload)
    seen = _seen_from(mesh, namespace, written, takes_names, gateway_name)
    if not seen.are_of_revisions:
        return seen
    revision = revision_of(mesh, workload)
    if not revision:
        return seen
    return _of_revision(mesh, namespace, written, takes_names, gateway_name, revision)


@question(evidence=[mesh_config])
def virtual_service_exports(mesh: Mesh, workload: Workload) -> frozenset[str]:
    """Return to whom the istiod of a workload exports VirtualServices that do not say."""
    return (mesh_config(mesh, workload) or MeshConfig()).virtual_service_exports


@question(evidence=[held_routes_of_gateway, held_ingresses_by_gateway])
def _seen_from(
    mesh: Mesh,
    namespace: str | None,
    written: frozenset[str],
    takes_names: bool,
    gateway_name: str,
) -> BoundVirtualServices:
    """Return the VirtualServices of a Gateway that a namespace sees.

    First those that only this namespace sees, then those exported to it by name, then public ones;
    by age within each. Among the public ones, routes of the Gateway API of the pods' own namespace
    come first. A namespace that is not known may see any. `written` is the mesh's default
    `exportTo`, which delegates are found by as it is written, whatever the release.
    """
    exports = default_audience(written, takes_names=takes_names)
    bound = _written_and_made(mesh, gateway_name, written)
    if all("*" in (each.export_to or exports) for each in bound.services) and not any(
        each.semantics is Semantics.GATEWAY for each in bound.services
    ):
        return bound
    if namespace is None:
        return BoundVirtualServices(_perhaps_seen(each, exports) for each in bound.services)
    return BoundVirtualServices(_ordered(bound.services, namespace, exports))


@question
def _of_revision(
    mesh: Mesh,
    namespace: str | None,
    written: frozenset[str],
    takes_names: bool,
    gateway_name: str,
    revision: str,
) -> BoundVirtualServices:
    """Return the same without those that an istiod of this revision does not read."""
    seen = _seen_from(mesh, namespace, written, takes_names, gateway_name)
    return BoundVirtualServices(each for each in seen.services if each.revision in ("", revision))


def _perhaps_seen(service: HeldVirtualService, exports: frozenset[str]) -> HeldVirtualService:
    if "*" in (service.export_to or exports):
        return service
    return replace(service, unknown_because=service.unknown_because or NAMESPACE_UNKNOWN)


@question
def written_virtual_services(
    mesh: Mesh, gateway_name: str, exports: frozenset[str]
) -> BoundVirtualServices:
    """Return the VirtualServices that name a Gateway, oldest first, whoever sees them.

    In the order of `virtual_services_by_gateway_name`.
    """
    written = virtual_services_by_gateway_name(mesh).get(gateway_name, ())
    return BoundVirtualServices(held_virtual_service(mesh, each, exports) for each in written)


def _written_and_made(
    mesh: Mesh, gateway_name: str, exports: frozenset[str]
) -> BoundVirtualServices:
    written = written_virtual_services(mesh, gateway_name, exports)
    made = (
        *held_routes_of_gateway(mesh, gateway_name),
        *held_ingresses_by_gateway(mesh).get(gateway_name, ()),
    )
    if not made:
        return written
    both = (*written.services, *made)
    return BoundVirtualServices(sorted(both, key=lambda each: each.age_order))


def _ordered(
    services: Iterable[HeldVirtualService], namespace: str, exports: frozenset[str]
) -> Iterator[HeldVirtualService]:
    ranked = [
        (rank, service)
        for service in services
        if (rank := visibility(service, namespace, exports)) is not None
    ]
    yield from (service for _, service in sorted(ranked, key=lambda each: each[0]))


def visibility(service: HeldVirtualService, namespace: str, exports: frozenset[str]) -> int | None:
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
