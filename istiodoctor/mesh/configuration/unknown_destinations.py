"""Destinations of routes of which nobody knows whether they exist, since not all was read."""

from collections.abc import Iterator, Mapping

from istiodoctor.mesh.configuration.backend_uses import backends_of_no_known_port
from istiodoctor.mesh.configuration.cluster import ClusterState
from istiodoctor.mesh.configuration.clusters import cluster
from istiodoctor.mesh.configuration.destinations import clusters_of_no_known_service
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref


@question(Kind.SERVICE, Kind.SERVICE_ENTRY)
def unknown_destinations(mesh: Mesh) -> Mapping[Ref, tuple[str, ...]]:
    """Return, by the object of a route, why its destinations may be there or not; once each."""
    if mesh.is_complete(Kind.SERVICE) and mesh.is_complete(Kind.SERVICE_ENTRY):
        return {}
    found: dict[Ref, dict[str, None]] = {}
    for route, workload, name in _suspects(mesh):
        led_to = cluster(mesh, workload, name)
        if led_to.state is ClusterState.UNKNOWN and led_to.service is None:
            found.setdefault(route, {})[led_to.reason] = None
    return {route: tuple(reasons) for route, reasons in found.items()}


def _suspects(mesh: Mesh) -> Iterator[tuple[Ref, Workload, str]]:
    for routed in clusters_of_no_known_service(mesh):
        for use in routed.uses:
            yield use.virtual_service.ref, routed.workload, str(routed.name)
    for backend in backends_of_no_known_port(mesh):
        yield backend.route, backend.workload, str(backend.cluster_name)
