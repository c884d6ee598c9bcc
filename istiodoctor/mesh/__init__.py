"""What Istio makes of the objects: its semantics as questions with answers."""

from istiodoctor.mesh.wanted import WantedQuestions

__all__ = ["Mesh"]


class Mesh(WantedQuestions):
    """Everything a check may ask, about one snapshot."""
