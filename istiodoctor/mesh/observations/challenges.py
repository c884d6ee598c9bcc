"""Answers to HTTP-01 challenges that were requested as an ACME issuer does."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from istiodoctor.mesh.cert_manager.challenges import stuck_challenges
from istiodoctor.mesh.cert_manager.issuance import Issuance
from istiodoctor.mesh.cert_manager.stuck_issuance import HTTP01, GatewayCertificate
from istiodoctor.mesh.configuration.redirects import ACME_PREFIX
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.certmanager import Challenge
from istiodoctor.model.http_statuses import REDIRECTS
from istiodoctor.model.kind import Kind
from istiodoctor.model.observation import SILENT, HttpObservation, HttpStep, Outcome, Via

OUTERMOST = (Via.DNS, Via.SERVICE_ADDRESS, Via.PORT_FORWARD)
"""The ways, that of the issuer first."""


class ChallengeReplyKind(StrEnum):
    """What became of a request for a challenge."""

    RIGHT = "right"
    """The token came back, with or without redirects."""
    REDIRECTED = "redirected"
    """It was sent to https:// and got no right answer there."""
    WRONG = "wrong"
    """Another answer."""
    SILENCE = "silence"
    """Nobody took the connection, or it was closed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChallengeReply:
    """One answer."""

    kind: ChallengeReplyKind
    observation: HttpObservation
    via: Via

    @property
    def first(self) -> HttpStep:
        """The answer to what the issuer asked for."""
        return self.observation.steps[0]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnansweredChallenge:
    """A Challenge that waits, and what the issuer gets in place of its answer."""

    owner: GatewayCertificate
    issuance: Issuance
    challenge: Challenge
    replies: tuple[ChallengeReply, ...]
    """On the outermost way that was tried."""


@question(Kind.HTTP_PROBE)
def challenge_replies(mesh: Mesh) -> Mapping[str, tuple[ChallengeReply, ...]]:
    """Return the answers by host. Of a challenge that is only to come, only redirects tell."""
    found: dict[str, list[ChallengeReply]] = defaultdict(list)
    for seen in mesh.snapshot.http_observations:
        access_point = seen.steps[0].access_point
        if access_point and _is_for_challenge(seen) and (kind := _kind(seen)):
            reply = ChallengeReply(kind=kind, observation=seen, via=access_point.via)
            found[seen.target.host].append(reply)
    return {host: tuple(replies) for host, replies in found.items()}


@question
def unanswered_challenges(mesh: Mesh) -> tuple[UnansweredChallenge, ...]:
    """Return the Challenges that were not answered correctly where the issuer asks."""
    return tuple(
        UnansweredChallenge(owner=owner, issuance=issuance, challenge=challenge, replies=replies)
        for owner, issuance, challenge in stuck_challenges(mesh)
        if challenge.spec.type == HTTP01
        if (replies := outermost(_replies_to(mesh, challenge)))
        and all(each.kind is not ChallengeReplyKind.RIGHT for each in replies)
    )


def _replies_to(mesh: Mesh, challenge: Challenge) -> tuple[ChallengeReply, ...]:
    token = challenge.spec.token
    every = challenge_replies(mesh).get(challenge.spec.dns_name.lower(), ())
    return tuple(
        each for each in every if token and each.observation.target.url.endswith(f"/{token}")
    )


def outermost(replies: Iterable[ChallengeReply]) -> tuple[ChallengeReply, ...]:
    """Return the replies at the access point that is nearest to where the issuer asks."""
    every = tuple(replies)
    for via in OUTERMOST:
        if found := tuple(each for each in every if each.via is via):
            return found
    return ()


def _is_for_challenge(seen: HttpObservation) -> bool:
    try:
        return urlsplit(seen.target.url).path.startswith(ACME_PREFIX)
    except ValueError:
        return False


def _kind(seen: HttpObservation) -> ChallengeReplyKind | None:
    first = seen.steps[0]
    if seen.last.is_expected:
        return ChallengeReplyKind.RIGHT
    if first.status in REDIRECTS:
        return ChallengeReplyKind.REDIRECTED
    if not seen.target.answer_begins:
        return None
    if first.status:
        return ChallengeReplyKind.WRONG
    is_lent = first.access_point is not None and first.access_point.via is Via.PORT_FORWARD
    if seen.outcome not in SILENT or (is_lent and seen.outcome is Outcome.TIMED_OUT):
        return None  # a port-forward that takes too long says nothing of the pod
    return ChallengeReplyKind.SILENCE
