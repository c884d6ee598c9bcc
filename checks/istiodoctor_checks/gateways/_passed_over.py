"""Gateways and routes that no istiod of their gateways reads, for they are of another revision."""

from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.mesh.configuration.bindings import Binding, servers_of
from istiodoctor.mesh.gateways.api_gateways import api_gateways_by_ref
from istiodoctor.mesh.gateways.api_routes import hostnames_of, routes_passed_over
from istiodoctor.mesh.gateways.listeners import dropped, live_servers, workloads_of
from istiodoctor.mesh.gateways.merging import DropReason
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import known_revisions, revision_of
from istiodoctor.mesh.workloads.grants import gateway_ref
from istiodoctor.mesh.workloads.workloads import REVISION_LABEL
from istiodoctor.model.kind import GATEWAY_API
from istiodoctor.model.ref import Place, Ref

LABEL = f"/metadata/labels/{REVISION_LABEL.replace('/', '~1')}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PassedOver:
    """An object that the istiod of its gateways does not read."""

    place: Place
    """Its label."""
    label: str
    revisions: tuple[str, ...]
    """Of the istiods of its gateways."""
    hosts: tuple[str, ...]
    effect: str
    """What becomes of the hosts."""
    servers: tuple[str, ...] = ()


@question
def passed_over(mesh: Mesh) -> tuple[PassedOver, ...]:
    """Return the Gateways and routes that no istiod of their gateways reads."""
    return (*_gateways(mesh), *_virtual_services(mesh), *_routes(mesh))


def _gateways(mesh: Mesh) -> Iterator[PassedOver]:
    found: dict[Ref, dict[Server, None]] = {}
    revisions: dict[Ref, dict[str, None]] = {}
    for each in dropped(mesh):
        if each.reason is DropReason.OTHER_REVISION:
            ref = each.server.gateway
            found.setdefault(ref, {})[each.server] = None
            revisions.setdefault(ref, {})[revision_of(mesh, each.workload)] = None
    live = {each.gateway for each in live_servers(mesh)} if found else set()
    for ref, servers in found.items():
        if ref not in live:
            yield PassedOver(
                place=Place(ref, LABEL),
                label=next(iter(servers)).revision,
                revisions=tuple(revisions[ref]),
                hosts=tuple(dict.fromkeys(name for each in servers for name in each.names)),
                effect="nothing listens for",
                servers=tuple(each.id for each in servers),
            )


def _virtual_services(mesh: Mesh) -> Iterator[PassedOver]:
    for ref, bound in servers_of(mesh).items():
        label = bound[0].held.revision
        if not label:
            continue
        revisions = dict.fromkeys(_revisions(mesh, bound))
        if revisions and "" not in revisions and label not in revisions:
            yield PassedOver(
                place=Place(ref, LABEL),
                label=label,
                revisions=tuple(revisions),
                hosts=tuple(dict.fromkeys(host for each in bound for host in each.hosts)),
                effect="its routes are not there for",
            )


def _revisions(mesh: Mesh, bound: tuple[Binding, ...]) -> Iterator[str]:
    for each in bound:
        for workload in workloads_of(mesh, each.server):
            yield revision_of(mesh, workload)


def _routes(mesh: Mesh) -> Iterator[PassedOver]:
    for route in routes_passed_over(mesh):
        parents = [
            gateway_ref(each.namespace or route.namespace, each.name)
            for each in route.spec.parent_refs
            if each.kind in (None, "Gateway") and each.group in (None, GATEWAY_API)
        ]
        if any(each in api_gateways_by_ref(mesh) for each in parents):
            yield PassedOver(
                place=route.at(LABEL),
                label=route.metadata.labels[REVISION_LABEL],
                revisions=tuple(sorted(known_revisions(mesh))),
                hosts=hostnames_of(route) or ("*",),
                effect="its routes are not there for",
            )
