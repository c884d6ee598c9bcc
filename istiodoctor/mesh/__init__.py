"""What Istio makes of the objects: its semantics as questions with answers."""

from istiodoctor.mesh.conflicts import ConflictQuestions
from istiodoctor.mesh.refusals import RefusalQuestions
from istiodoctor.mesh.reuse import ReuseQuestions
from istiodoctor.mesh.trust import TrustQuestions
from istiodoctor.mesh.upstream import UpstreamQuestions
from istiodoctor.mesh.wanted import WantedQuestions

__all__ = ["Mesh"]


class Mesh(
    WantedQuestions,
    TrustQuestions,
    ConflictQuestions,
    RefusalQuestions,
    UpstreamQuestions,
    ReuseQuestions,
):
    """Everything a check may ask, about one snapshot."""
