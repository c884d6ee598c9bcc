"""Delegations that istiod makes no routes of, and why.

Source: `mergeVirtualServicesIfNeeded` (pilot/pkg/model/virtualservice.go): a delegate is a
VirtualService without hosts that is exported to the namespace of the one that delegates; its rules
are merged under the match of the rule that delegates, and one that contradicts it, or delegates in
turn, is left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.configuration.bindings import default_exports, servers_of
from istiodoctor.mesh.configuration.delegation import delegated
from istiodoctor.mesh.configuration.virtual_services import is_exported, virtual_services
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.istio import HttpRule, VirtualService
from istiodoctor.model.kind import ISTIO_NETWORKING, Kind
from istiodoctor.model.ref import Place, Ref


class DelegationFault(StrEnum):
    """Why a delegation makes no routes."""

    MISSING = "missing"
    HAS_HOSTS = "has-hosts"
    """What it names is a VirtualService of its own."""
    NOT_EXPORTED = "not-exported"
    CONTRADICTS = "contradicts"
    """No rule of the delegate fits the match of the rule that delegates."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LostDelegation:
    """A rule that delegates, of whose delegate istiod makes no route."""

    source: VirtualService
    place: Place
    """The rule's `delegate`."""
    delegate: Ref
    fault: DelegationFault
    hosts: tuple[str, ...]
    """Those that the VirtualService has in common with servers."""
    servers: tuple[Server, ...]
    is_whole: bool
    """Whether the VirtualService has no other rule."""
    namesakes: tuple[Ref, ...] = ()
    """Delegates of the name in other namespaces, where there is none in this one."""


@question(Kind.VIRTUAL_SERVICE)
def lost_delegations(mesh: Mesh) -> tuple[LostDelegation, ...]:
    """Return the rules on servers that delegate to what gives them no route."""
    delegating = [
        source
        for source in virtual_services(mesh)
        if source.spec.hosts and any(rule.delegate for rule in source.spec.http)
    ]
    return tuple(each for source in delegating for each in _lost(mesh, source))


def _lost(mesh: Mesh, source: VirtualService) -> Iterator[LostDelegation]:
    bound = [each for each in servers_of(mesh).get(source.ref, ()) if each.hosts]
    if not bound:
        return
    for index, rule in enumerate(source.spec.http):
        if rule.delegate is None:
            continue
        delegate = Ref(
            ISTIO_NETWORKING,
            "VirtualService",
            rule.delegate.namespace or source.namespace,
            rule.delegate.name,
        )
        fault = _fault(mesh, source, rule, delegate)
        if fault:
            yield LostDelegation(
                source=source,
                place=source.at(f"/spec/http/{index}/delegate"),
                delegate=delegate,
                fault=fault,
                hosts=tuple(dict.fromkeys(host for each in bound for host in each.hosts)),
                servers=tuple(dict.fromkeys(each.server for each in bound)),
                is_whole=len(source.spec.http) == 1,
                namesakes=_namesakes(mesh, delegate) if fault is DelegationFault.MISSING else (),
            )


def _fault(
    mesh: Mesh, source: VirtualService, rule: HttpRule, delegate: Ref
) -> DelegationFault | None:
    found = mesh.get(VirtualService, delegate.namespace, delegate.name)
    if found is None:
        is_missing = mesh.is_complete(Kind.VIRTUAL_SERVICE, delegate.namespace, delegate.name)
        return DelegationFault.MISSING if is_missing else None
    if found.spec.hosts:
        return DelegationFault.HAS_HOSTS
    exports = found.spec.export_to or tuple(default_exports(mesh))
    if not is_exported(exports, found.namespace, source.namespace):
        return DelegationFault.NOT_EXPORTED
    inner = found.spec.http
    if inner and not any(delegated(rule, each) for each in inner):
        return DelegationFault.CONTRADICTS
    return None


def _namesakes(mesh: Mesh, delegate: Ref) -> tuple[Ref, ...]:
    return tuple(
        each.ref
        for each in virtual_services(mesh)
        if each.name == delegate.name and not each.spec.hosts
    )
