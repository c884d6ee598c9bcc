"""Which VirtualServices bind to which servers, for which hosts, in which order.

Views over the configuration that istiod would send, by the objects that it comes from.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from enum import StrEnum

from istiodoctor.mesh.configuration.bound import (
    BoundVirtualServices,
    virtual_service_exports,
    visibility,
    written_virtual_services,
)
from istiodoctor.mesh.configuration.held import HeldVirtualService
from istiodoctor.mesh.configuration.virtual_services import (
    held_virtual_service,
    virtual_services,
    virtual_services_by_gateway_name,
)
from istiodoctor.mesh.gateways.api_gateways import GENERATED
from istiodoctor.mesh.gateways.listeners import servers
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.names import (
    MESH,
    resolved_gateway,
)
from istiodoctor.mesh.workloads.workloads import Workload, routers
from istiodoctor.model.istio import IstioGateway, VirtualService
from istiodoctor.model.kind import ISTIO_NETWORKING, Kind
from istiodoctor.model.meshconfig import EVERYWHERE
from istiodoctor.model.ref import Place, Ref
from istiodoctor.model.value import Value


class ReferenceState(StrEnum):
    """What a VirtualService's reference to a Gateway leads to."""

    FOUND = "found"
    MISSING = "missing"
    UNKNOWN = "unknown"
    """Plain manifests, or Gateways there could not be read."""
    GENERATED = "generated"
    """It names the Gateway that istiod generates for a Gateway API Gateway."""


class GatewayReference(Value, frozen=True, kw_only=True):
    """One entry of a VirtualService's `gateways` that is not `mesh`."""

    virtual_service: VirtualService
    index: int
    text: str
    target: Ref
    state: ReferenceState
    namesakes: tuple[Ref, ...] = ()
    """Gateways of this name, in any namespace."""

    @property
    def elsewhere(self) -> tuple[Ref, ...]:
        """Gateways of the same name in other namespaces."""
        return tuple(each for each in self.namesakes if each != self.target)

    @property
    def place(self) -> Place:
        """The field."""
        return self.virtual_service.at(f"/spec/gateways/{self.index}")


class Binding(Value, frozen=True, kw_only=True, eq=False):
    """A VirtualService on a server, and the hosts that both have."""

    virtual_service: VirtualService
    held: HeldVirtualService
    """The same as istiod holds it."""
    server: Server
    hosts: tuple[str, ...]
    """The narrower host of each pair, in lower case; empty when all of them are blocked."""
    blocked_hosts: tuple[str, ...] = ()
    """Hosts that would meet, were it not for the namespace the server asks for."""
    texts: tuple[str, ...] = ()
    """All of them, their case kept."""


@question(Kind.ISTIO_GATEWAY)
def _gateways_by_name(mesh: Mesh) -> Mapping[str, tuple[Ref, ...]]:
    found: dict[str, list[Ref]] = defaultdict(list)
    for gateway in mesh.all(IstioGateway):
        found[gateway.name].append(gateway.ref)
    return {name: tuple(refs) for name, refs in found.items()}


@question(Kind.ISTIO_GATEWAY)
def gateway_references(mesh: Mesh) -> tuple[GatewayReference, ...]:
    """Return what every `gateways` entry leads to."""
    return tuple(
        _gateway_reference(mesh, virtual_service, index, text)
        for virtual_service in virtual_services(mesh)
        for index, text in enumerate(virtual_service.spec.gateways)
        if text != MESH
    )


def _gateway_reference(
    mesh: Mesh, source: VirtualService, index: int, text: str
) -> GatewayReference:
    namespace, _, name = resolved_gateway(text, source.namespace).partition("/")
    target = Ref(ISTIO_NETWORKING, "Gateway", namespace, name)
    same_name = _gateways_by_name(mesh).get(name, ())
    if GENERATED in name:
        state = ReferenceState.GENERATED
    elif mesh.get(IstioGateway, namespace, name):
        state = ReferenceState.FOUND
    elif mesh.is_complete(Kind.ISTIO_GATEWAY, namespace, name):
        state = ReferenceState.MISSING
    else:
        state = ReferenceState.UNKNOWN
    return GatewayReference(
        virtual_service=source,
        index=index,
        text=text,
        target=target,
        state=state,
        namesakes=same_name,
    )


@question
def bound_virtual_services(mesh: Mesh) -> Mapping[Ref, tuple[VirtualService, ...]]:
    """Return the VirtualServices that name each existing Gateway, oldest first."""
    found: dict[Ref, dict[Ref, VirtualService]] = defaultdict(dict)
    for reference in gateway_references(mesh):
        if reference.state is ReferenceState.FOUND:
            source = reference.virtual_service
            found[reference.target][source.ref] = source
    return {gateway: tuple(each.values()) for gateway, each in found.items()}


@question(evidence=[routers, virtual_service_exports])
def default_exports(mesh: Mesh) -> frozenset[str]:
    """Return to whom any gateway's istiod exports VirtualServices that do not say."""
    found = (virtual_service_exports(mesh, each) for each in routers(mesh))
    return frozenset(each for exports in found for each in exports) or EVERYWHERE


def as_held(mesh: Mesh, virtual_service: VirtualService) -> HeldVirtualService:
    """Return a VirtualService as istiod holds it: names resolved, delegates in their place."""
    return held_virtual_service(mesh, virtual_service, default_exports(mesh))


@question
def bindings(mesh: Mesh) -> Mapping[Server, tuple[Binding, ...]]:
    """Return, for every Istio server.

    The VirtualServices that name its Gateway and have names in common with it, oldest first;
    those too that `exportTo` hides from its pods.
    """
    exports = default_exports(mesh)
    by_name = virtual_services_by_gateway_name(mesh)
    found: dict[Server, tuple[Binding, ...]] = {}
    for server in servers(mesh):
        if server.api is GatewayApi.ISTIO:
            sources = by_name.get(server.gateway_name, ())
            bound = written_virtual_services(mesh, server.gateway_name, exports)
            found[server] = tuple(_bindings(server, sources, bound))
    return found


def _bindings(
    server: Server, sources: tuple[VirtualService, ...], bound: BoundVirtualServices
) -> Iterator[Binding]:
    hosts = dict(bound.positions_meeting(server))
    blocked = bound.positions_kept_out(server)
    for position in sorted({*hosts, *blocked}) if blocked else hosts:
        own = hosts.get(position, ())
        others = tuple(each for each in blocked.get(position, ()) if each not in own)
        yield Binding(
            virtual_service=sources[position],
            held=bound.services[position],
            server=server,
            hosts=_lower(own),
            blocked_hosts=_lower(others),
            texts=(*own, *others),
        )


def _lower(hosts: tuple[str, ...]) -> tuple[str, ...]:
    if len(hosts) == 1:
        return (hosts[0].lower(),)
    return tuple(dict.fromkeys(map(str.lower, hosts)))


@question
def servers_of(mesh: Mesh) -> Mapping[Ref, tuple[Binding, ...]]:
    """Return the bindings of each VirtualService: the same pairs, the other way round."""
    found: dict[Ref, list[Binding]] = defaultdict(list)
    for bound in bindings(mesh).values():
        for binding in bound:
            found[binding.virtual_service.ref].append(binding)
    return {ref: tuple(each) for ref, each in found.items()}


@question(evidence=[virtual_service_exports])
def is_visible(mesh: Mesh, virtual_service: VirtualService, workload: Workload) -> bool | None:
    """Whether `exportTo` lets a gateway, in its pods' namespace, see a VirtualService."""
    if not workload.is_known:
        return None
    exports = virtual_service_exports(mesh, workload)
    return visibility(as_held(mesh, virtual_service), workload.namespace, exports) is not None
