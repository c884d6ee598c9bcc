"""A question that others reach by its module."""

from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.kind import Kind
from istiodoctor.model.kubernetes import Namespace


@question(Kind.NAMESPACE)
def namespaces(mesh: Mesh) -> int:
    """Count the namespaces."""
    return len(mesh.all(Namespace))
