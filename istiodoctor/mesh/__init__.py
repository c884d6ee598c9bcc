"""What Istio makes of the objects: its semantics as questions with answers."""

from istiodoctor.mesh.stalls import StallQuestions
from istiodoctor.mesh.unrouted import UnroutedQuestions
from istiodoctor.mesh.wanted import WantedQuestions

__all__ = ["Mesh"]


class Mesh(WantedQuestions, StallQuestions):
    """Everything a check may ask, about one snapshot."""
