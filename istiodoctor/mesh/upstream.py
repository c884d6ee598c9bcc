"""What stands between a route and its backend: ports, subsets, visibility."""

from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.mesh.configuration.bound import virtual_service_exports
from istiodoctor.mesh.configuration.registry_service import EXPORT_ANNOTATION
from istiodoctor.mesh.configuration.virtual_services import is_exported, virtual_services
from istiodoctor.mesh.destination_uses import DestinationUse
from istiodoctor.mesh.destinations import (
    DestinationState,
    PortState,
    Resolution,
    destination_rules,
    destination_rules_are_known,
    destinations,
    service_is_exported,
)
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.misrouting import routing_workloads
from istiodoctor.mesh.question import question
from istiodoctor.mesh.routing import default_exports, is_visible, servers_of
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.istio import DestinationRule, VirtualService
from istiodoctor.model.meshconfig import EVERYWHERE
from istiodoctor.model.ref import Place

REACHED = frozenset({DestinationState.SERVICE, DestinationState.SERVICE_ENTRY})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PortFault:
    """A destination whose port is none of its Service's."""

    use: DestinationUse
    resolution: Resolution
    ports: tuple[int, ...]
    """The ports that Envoy would need: the one written, or those of the Gateway's servers."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SubsetFault:
    """A destination whose subset no DestinationRule defines."""

    use: DestinationUse
    resolution: Resolution
    rules: tuple[DestinationRule, ...]
    """The DestinationRules for the host."""
    is_sure: bool
    """Whether all DestinationRules were read."""

    @property
    def defined(self) -> tuple[str, ...]:
        """The subsets there are."""
        return tuple(dict.fromkeys(each.name for rule in self.rules for each in rule.spec.subsets))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hidden:
    """Configuration that a gateway cannot see because of `exportTo`."""

    virtual_service: VirtualService
    workload: Workload
    place: Place
    """The field that hides it."""
    exported_to: tuple[str, ...]
    use: DestinationUse | None = None
    """The destination that needs it; None for the VirtualService itself."""


@question
def port_faults(mesh: Mesh) -> tuple[PortFault, ...]:
    """Return destinations on Services that do not have the port.

    Without a number and with several ports, istiod takes the number of the Gateway's server.
    """
    return tuple(
        PortFault(use=use, resolution=resolution, ports=ports)
        for use, resolution in destinations(mesh)
        if (ports := _missing_ports(mesh, use, resolution))
    )


def _missing_ports(mesh: Mesh, use: DestinationUse, resolution: Resolution) -> tuple[int, ...]:
    service = resolution.service
    if service is None or not service.spec.ports:
        return ()
    if resolution.port_state is PortState.MISSING and use.destination.port:
        return (use.destination.port.number,)
    if resolution.port_state is not PortState.UNSAID:
        return ()
    known = {each.port for each in service.spec.ports}
    bindings = servers_of(mesh).get(use.virtual_service.ref, ())
    wanted = {each.server.port for each in bindings if each.hosts}
    return tuple(sorted(wanted - known))


@question
def subset_faults(mesh: Mesh) -> tuple[SubsetFault, ...]:
    """Return destinations whose subset is in no DestinationRule for the host."""
    known = destination_rules_are_known(mesh)
    return tuple(
        SubsetFault(use=use, resolution=resolution, rules=rules, is_sure=known)
        for use, resolution in destinations(mesh)
        if use.destination.subset and resolution.state in REACHED
        if (rules := destination_rules(mesh, resolution.fqdn)) or known
        if not any(_defines(rule, use.destination.subset) for rule in rules)
    )


@question
def hidden_configuration(mesh: Mesh) -> tuple[Hidden, ...]:
    """Return VirtualServices, Services and DestinationRules that a gateway needs, unseen."""
    routes = (
        Hidden(
            virtual_service=source,
            workload=workload,
            place=source.at("/spec/exportTo"),
            exported_to=source.spec.export_to
            or tuple(sorted(virtual_service_exports(mesh, workload))),
        )
        for source in virtual_services(mesh)
        if source.spec.export_to or default_exports(mesh) != EVERYWHERE
        for workload in routing_workloads(mesh, source)
        if is_visible(mesh, source, workload) is False
    )
    backends = (
        hidden
        for use, resolution in destinations(mesh)
        for hidden in _hidden_backends(mesh, use, resolution)
    )
    return (*routes, *backends)


def _hidden_backends(mesh: Mesh, use: DestinationUse, resolution: Resolution) -> Iterator[Hidden]:
    service, subset = resolution.service, use.destination.subset
    annotated = service is not None and EXPORT_ANNOTATION in service.metadata.annotations
    if not (annotated or subset):
        return
    for workload in routing_workloads(mesh, use.virtual_service):
        if service and annotated and not service_is_exported(mesh, service, workload.namespace):
            key = EXPORT_ANNOTATION.replace("/", "~1")
            yield Hidden(
                virtual_service=use.virtual_service,
                workload=workload,
                place=service.at(f"/metadata/annotations/{key}"),
                exported_to=(service.metadata.annotations[EXPORT_ANNOTATION],),
                use=use,
            )
        rules = destination_rules(mesh, resolution.fqdn) if subset else ()
        defining = [rule for rule in rules if _defines(rule, subset)]
        if defining and not any(
            is_exported(rule.spec.export_to, rule.namespace, workload.namespace)
            for rule in defining
        ):
            yield Hidden(
                virtual_service=use.virtual_service,
                workload=workload,
                place=defining[0].at("/spec/exportTo"),
                exported_to=defining[0].spec.export_to,
                use=use,
            )


def _defines(rule: DestinationRule, subset: str) -> bool:
    return any(each.name == subset for each in rule.spec.subsets)
