"""What stands between a route and its backend: subsets, visibility."""

from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.mesh.configuration.bindings import default_exports, is_visible
from istiodoctor.mesh.configuration.bound import virtual_service_exports
from istiodoctor.mesh.configuration.cluster import ClusterState
from istiodoctor.mesh.configuration.destination_uses import DestinationUse
from istiodoctor.mesh.configuration.destinations import (
    FailedDestination,
    destinations_not_exported,
    destinations_without_subset,
)
from istiodoctor.mesh.configuration.misrouting import routing_workloads
from istiodoctor.mesh.configuration.registry_service import EXPORT_ANNOTATION
from istiodoctor.mesh.configuration.rules_in_force import rule_settings, rules_over_host
from istiodoctor.mesh.configuration.scope import scope_of
from istiodoctor.mesh.configuration.service_registry import exports, services_of_hostname
from istiodoctor.mesh.configuration.virtual_services import is_exported, virtual_services
from istiodoctor.mesh.hosts import is_wildcard
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import DestinationRule, VirtualService
from istiodoctor.model.kind import Kind
from istiodoctor.model.meshconfig import EVERYWHERE
from istiodoctor.model.ref import Place
from istiodoctor.model.services import Service


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SubsetFault:
    """A destination whose subset no DestinationRule in force defines."""

    destination: FailedDestination
    rules: tuple[DestinationRule, ...]
    """The DestinationRules for the host, whoever sees them."""

    @property
    def is_sure(self) -> bool:
        """Whether every DestinationRule that may define it was read."""
        return self.destination.cluster.state is ClusterState.NO_CLUSTER

    @property
    def defining(self) -> tuple[DestinationRule, ...]:
        """Those that have the subset, none of which counts."""
        subset = self.destination.routed.name.subset
        return tuple(each for each in self.rules if _defines(each, subset))

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


@question(Kind.CONFIG_MAP)
def subset_faults(mesh: Mesh) -> tuple[SubsetFault, ...]:
    """Return destinations whose subset is in no DestinationRule in force.

    The mesh config says to whom a rule is exported that does not say so itself.

    But for those whose DestinationRule is not exported to the gateway. Where a rule may exist
    unseen, one for a wildcard is no sign of what it says: the most specific host counts.
    """
    return tuple(
        each
        for each in _subset_faults(mesh)
        if (each.is_sure or (_has_own_rule(each) and not each.defining))
        and not _hidden_rules(each)
    )


def _has_own_rule(fault: SubsetFault) -> bool:
    return any(not is_wildcard(each.spec.host) for each in fault.rules)


@question
def _subset_faults(mesh: Mesh) -> tuple[SubsetFault, ...]:
    return tuple(
        SubsetFault(
            destination=each,
            rules=rules_over_host(
                mesh, rule_settings(scope_of(mesh, each.routed.workload)), each.routed.name.host
            ),
        )
        for each in destinations_without_subset(mesh)
    )


@question(Kind.CONFIG_MAP)
def hidden_configuration(mesh: Mesh) -> tuple[Hidden, ...]:
    """Return VirtualServices, services and DestinationRules that a gateway needs, unseen.

    The mesh config says to whom those are exported that do not say so themselves.
    """
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
    return (*routes, *_hidden_services(mesh), *_hidden_subsets(mesh))


def _hidden_services(mesh: Mesh) -> Iterator[Hidden]:
    for each in destinations_not_exported(mesh):
        workload = each.routed.workload
        scope = scope_of(mesh, workload)
        service = services_of_hostname(mesh, scope, each.routed.name.host)[0]
        path = "/spec/exportTo"
        if isinstance(service.source, Service):
            path = f"/metadata/annotations/{EXPORT_ANNOTATION.replace('/', '~1')}"
        yield Hidden(
            virtual_service=each.use.virtual_service,
            workload=workload,
            place=service.source.at(path),
            exported_to=tuple(sorted(exports(service, scope))),
            use=each.use,
        )


def _hidden_subsets(mesh: Mesh) -> Iterator[Hidden]:
    for each in _subset_faults(mesh):
        for rule in _hidden_rules(each)[:1]:
            yield Hidden(
                virtual_service=each.destination.use.virtual_service,
                workload=each.destination.routed.workload,
                place=rule.at("/spec/exportTo"),
                exported_to=rule.spec.export_to,
                use=each.destination.use,
            )


def _hidden_rules(fault: SubsetFault) -> tuple[DestinationRule, ...]:
    """Return the rules that have a subset, where `exportTo` hides each from the gateway."""
    workload, defining = fault.destination.routed.workload, fault.defining
    if not fault.is_sure or not workload.is_known:
        return ()
    is_hidden = not any(
        is_exported(each.spec.export_to, each.namespace, workload.namespace) for each in defining
    )
    return defining if is_hidden else ()


def _defines(rule: DestinationRule, subset: str) -> bool:
    return any(each.name == subset for each in rule.spec.subsets)
