"""References of VirtualServices to Gateways that do not exist, or were not read."""

from dataclasses import dataclass

from istiodoctor.mesh.configuration.bindings import (
    GatewayReference,
    ReferenceState,
    gateway_references,
)
from istiodoctor.mesh.configuration.misrouting import (
    is_answered,
    istio_server_index,
    istio_servers_for,
)
from istiodoctor.mesh.gateways.api_gateways import api_gateways_by_ref
from istiodoctor.mesh.hosts import ANY
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.grants import gateway_ref
from istiodoctor.model.ref import Ref

DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LostReference:
    """A `gateways` entry that is not known to lead to a Gateway."""

    reference: GatewayReference
    candidates: tuple[Ref, ...]
    """Gateways of the same name in other namespaces that have a host of the VirtualService."""
    suitable: tuple[Ref, ...]
    """Gateways of other names that have one."""
    api_gateway: Ref | None
    """A Gateway API Gateway of that very name: no VirtualService can be bound to it."""
    is_answered: bool
    """Whether all its hosts are answered by way of other Gateways all the same."""


@question
def lost_references(mesh: Mesh) -> tuple[LostReference, ...]:
    """Return the `gateways` entries that lead nowhere, or to something that was not read."""
    return tuple(
        _lost(mesh, reference)
        for reference in gateway_references(mesh)
        if reference.state in (ReferenceState.MISSING, ReferenceState.UNKNOWN)
    )


def _lost(mesh: Mesh, reference: GatewayReference) -> LostReference:
    source, target = reference.virtual_service, reference.target
    hosts = source.spec.hosts
    found = {
        server.gateway: None
        for host in hosts
        for server in istio_servers_for(mesh, host, source.namespace)
        if ANY not in server.names
    }
    api = gateway_ref(target.namespace, target.name)
    namesakes = _namesakes_with(mesh, hosts, target)
    if reference.state is ReferenceState.UNKNOWN:
        namesakes = tuple(each for each in namesakes if not _may_be(target, each))
    return LostReference(
        reference=reference,
        candidates=namesakes,
        suitable=tuple(ref for ref in found if ref.name != target.name),
        api_gateway=api if api in api_gateways_by_ref(mesh) else None,
        is_answered=bool(hosts)
        and all(is_answered(mesh, host, source.namespace) for host in hosts),
    )


def _namesakes_with(mesh: Mesh, hosts: tuple[str, ...], target: Ref) -> tuple[Ref, ...]:
    """Return the Gateways named like a missing one that have one of these hosts."""
    found = {
        server.gateway
        for host in hosts
        for _, server in istio_server_index(mesh).meeting(host)
        if server.gateway.name == target.name
    }
    return tuple(sorted(found))


def _may_be(target: Ref, gateway: Ref) -> bool:
    """Whether a Gateway of manifests may be the one that a reference means.

    Those that name no namespace count as `default`; `kubectl -n` gives them another.
    """
    return DEFAULT_NAMESPACE in (target.namespace, gateway.namespace)
