"""What Istio makes of the objects: its semantics as questions with answers."""

from istiodoctor.mesh.clients import ClientQuestions
from istiodoctor.mesh.denials import DenialQuestions
from istiodoctor.mesh.envoy_state import EnvoyQuestions
from istiodoctor.mesh.healthchecks import HealthCheckQuestions
from istiodoctor.mesh.http10 import ObsoleteHttpQuestions
from istiodoctor.mesh.journeys import JourneyQuestions
from istiodoctor.mesh.mistakes import MistakeQuestions
from istiodoctor.mesh.probing import ProbeTargetQuestions
from istiodoctor.mesh.refusals import RefusalQuestions
from istiodoctor.mesh.replies import ReplyQuestions
from istiodoctor.mesh.reuse import ReuseQuestions
from istiodoctor.mesh.testimony import TestimonyQuestions
from istiodoctor.mesh.upgrades import UpgradeQuestions
from istiodoctor.mesh.wanted import WantedQuestions

__all__ = ["Mesh"]


class Mesh(
    JourneyQuestions,
    TestimonyQuestions,
    WantedQuestions,
    ReplyQuestions,
    ProbeTargetQuestions,
    ObsoleteHttpQuestions,
    RefusalQuestions,
    ClientQuestions,
    DenialQuestions,
    UpgradeQuestions,
    ReuseQuestions,
    HealthCheckQuestions,
    MistakeQuestions,
    EnvoyQuestions,
):
    """Everything a check may ask, about one snapshot."""
