"""What asks for a request's host and is made by istiod nowhere: named where the request ends."""

from istiodoctor.mesh.configuration.api_left_out import listeners_left_out, routes_left_out
from istiodoctor.mesh.configuration.held_ingresses import ingresses_left_out
from istiodoctor.mesh.configuration.left_out import LeftOut
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.hosts import covers
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ref import Ref


@question(evidence=[listeners_left_out, routes_left_out, ingresses_left_out])
def _left_out(mesh: Mesh) -> tuple[LeftOut, ...]:
    return (*routes_left_out(mesh), *listeners_left_out(mesh), *ingresses_left_out(mesh))


def left_out_for(mesh: Mesh, workload: Workload | None, host: str) -> LeftOut | None:
    """Return the first part for a host that no gateway gets; of one workload, if one is given."""
    servers = servers_by_workload(mesh).get(workload, ()) if workload else ()
    parents = {each.parent for each in servers}
    for each in _left_out(mesh):
        is_near = workload is None or not parents.isdisjoint(each.parents)
        if is_near and any(covers(name.lower(), host) for name in each.hosts):
            return each
    return None


def lacks_routes(mesh: Mesh, workload: Workload, host: str) -> bool:
    """Whether istiod leaves out routes of a host: not only listeners."""
    found = left_out_for(mesh, workload, host)
    return found is not None and found.place.ref.kind not in _OF_LISTENERS


_OF_LISTENERS = frozenset({"Gateway", "ListenerSet", "XListenerSet"})


def with_left_out(
    mesh: Mesh, workload: Workload | None, host: str, text: str
) -> tuple[str, Ref | None]:
    """Return the text of an end with what is left out and would be for the host, and that."""
    found = left_out_for(mesh, workload, host)
    if found is None:
        return text, None
    return f"{text}; istiod leaves out {found.place}: {found.because}", found.place.ref
