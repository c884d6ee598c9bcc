"""What Istio makes of the objects: its semantics as questions with answers."""

from istiodoctor.mesh.asked_authorities import AskedAuthorityQuestions
from istiodoctor.mesh.challengereplies import ChallengeReplyQuestions
from istiodoctor.mesh.circles import CircleQuestions
from istiodoctor.mesh.denials import DenialQuestions
from istiodoctor.mesh.envoy_authorities import EnvoyAuthorityQuestions
from istiodoctor.mesh.envoy_listeners import EnvoyListenerQuestions
from istiodoctor.mesh.headertrust import HeaderTrustQuestions
from istiodoctor.mesh.healthchecks import HealthCheckQuestions
from istiodoctor.mesh.http10 import ObsoleteHttpQuestions
from istiodoctor.mesh.interposed import InterposedQuestions
from istiodoctor.mesh.looking import LookingQuestions
from istiodoctor.mesh.memories import MemoryQuestions
from istiodoctor.mesh.mistakes import MistakeQuestions
from istiodoctor.mesh.odd_names import OddNameQuestions
from istiodoctor.mesh.plainanswers import PlainAnswerQuestions
from istiodoctor.mesh.probing import ProbeTargetQuestions
from istiodoctor.mesh.promises import PromiseQuestions
from istiodoctor.mesh.refusals import RefusalQuestions
from istiodoctor.mesh.replies import ReplyQuestions
from istiodoctor.mesh.testimony import TestimonyQuestions
from istiodoctor.mesh.tls_versions import TlsVersionQuestions
from istiodoctor.mesh.upgrades import UpgradeQuestions
from istiodoctor.mesh.wanted import WantedQuestions

__all__ = ["Mesh"]


class Mesh(
    LookingQuestions,
    ProbeTargetQuestions,
    TestimonyQuestions,
    PromiseQuestions,
    CircleQuestions,
    HeaderTrustQuestions,
    MemoryQuestions,
    PlainAnswerQuestions,
    ChallengeReplyQuestions,
    WantedQuestions,
    InterposedQuestions,
    TlsVersionQuestions,
    AskedAuthorityQuestions,
    ReplyQuestions,
    ObsoleteHttpQuestions,
    RefusalQuestions,
    OddNameQuestions,
    DenialQuestions,
    UpgradeQuestions,
    HealthCheckQuestions,
    MistakeQuestions,
    EnvoyAuthorityQuestions,
    EnvoyListenerQuestions,
):
    """Everything a check may ask, about one snapshot."""
