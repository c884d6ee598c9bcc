"""The filter chains of a port by what they match, made once for all requests."""

from istiodoctor.mesh.configuration.filter_chain_match import FilterChainIndex
from istiodoctor.mesh.configuration.listeners import listener_at
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads import Workload


@question
def chain_index(mesh: Mesh, workload: Workload, port: int) -> FilterChainIndex:
    """Return the filter chains that a connection to a port of the pods can take."""
    listener = listener_at(mesh, workload, port)
    return FilterChainIndex(listener.filter_chains if listener else ())
