"""What Istio makes of the objects: its semantics as questions with answers."""

from istiodoctor.mesh.envoy.authorities import EnvoyAuthorityQuestions
from istiodoctor.mesh.envoy.listeners import EnvoyListenerQuestions
from istiodoctor.mesh.healthchecks import HealthCheckQuestions
from istiodoctor.mesh.logs.denials import DenialQuestions
from istiodoctor.mesh.logs.http10 import ObsoleteHttpQuestions
from istiodoctor.mesh.logs.mistakes import MistakeQuestions
from istiodoctor.mesh.logs.odd_names import OddNameQuestions
from istiodoctor.mesh.refusals import RefusalQuestions
from istiodoctor.mesh.targets.probing import ProbeTargetQuestions
from istiodoctor.mesh.trace.looking import LookingQuestions
from istiodoctor.mesh.upgrades import UpgradeQuestions
from istiodoctor.mesh.wanted import WantedQuestions
from istiodoctor.mesh.wire.asked_authorities import AskedAuthorityQuestions
from istiodoctor.mesh.wire.broken_promises import PromiseQuestions
from istiodoctor.mesh.wire.browser_memory import MemoryQuestions
from istiodoctor.mesh.wire.challenges import ChallengeReplyQuestions
from istiodoctor.mesh.wire.header_trust import HeaderTrustQuestions
from istiodoctor.mesh.wire.interposed import InterposedQuestions
from istiodoctor.mesh.wire.plain_answers import PlainAnswerQuestions
from istiodoctor.mesh.wire.plain_hops import CircleQuestions
from istiodoctor.mesh.wire.replies import ReplyQuestions
from istiodoctor.mesh.wire.testimony import TestimonyQuestions
from istiodoctor.mesh.wire.tls_versions import TlsVersionQuestions

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
