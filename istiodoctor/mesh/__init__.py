"""What Istio makes of the objects: its semantics as questions with answers."""

from istiodoctor.mesh.clients import ClientQuestions
from istiodoctor.mesh.denials import DenialQuestions
from istiodoctor.mesh.http10 import ObsoleteHttpQuestions
from istiodoctor.mesh.refusals import RefusalQuestions
from istiodoctor.mesh.reuse import ReuseQuestions
from istiodoctor.mesh.trust import TrustQuestions
from istiodoctor.mesh.upgrades import UpgradeQuestions
from istiodoctor.mesh.wanted import WantedQuestions

__all__ = ["Mesh"]


class Mesh(
    WantedQuestions,
    TrustQuestions,
    ObsoleteHttpQuestions,
    RefusalQuestions,
    ClientQuestions,
    DenialQuestions,
    UpgradeQuestions,
    ReuseQuestions,
):
    """Everything a check may ask, about one snapshot."""
