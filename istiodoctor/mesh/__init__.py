"""What Istio makes of the objects: its semantics as questions with answers."""

from istiodoctor.mesh.mesh import Mesh

__all__ = ["Mesh"]
