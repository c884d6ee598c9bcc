"""What was read of Secrets."""

from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.credential import Credential
from istiodoctor.model.kind import Kind


@question(Kind.SECRET)
def credential(mesh: Mesh, namespace: str, name: str) -> Credential | None:
    """Return what was read of a Secret."""
    return mesh.snapshot.credentials.get((namespace, name))


@question(Kind.SECRET)
def secret_exists(mesh: Mesh, namespace: str, name: str) -> bool | None:
    """Whether a Secret exists; None when it cannot be told."""
    if credential(mesh, namespace, name) or (namespace, name) in mesh.snapshot.secret_names:
        return True
    return False if mesh.is_complete(Kind.SECRET, namespace, name) else None
