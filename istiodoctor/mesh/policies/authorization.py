"""Whether the AuthorizationPolicies of a gateway let a request through.

Source: pilot/pkg/security/authz/builder/builder.go (which filters istiod makes of the policies of
each action, and in which order: listener_builder.go:480-484, networkfilter.go:229-236) and Envoy's
source/extensions/filters/common/rbac/engine_impl.cc.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from istiodoctor.mesh.policies.authorization_facts import AuthorizationFacts
from istiodoctor.mesh.policies.authorization_rules import PolicyAction, takes
from istiodoctor.mesh.workloads.control_planes import TRUE
from istiodoctor.model.authorization import AuthorizationPolicy
from istiodoctor.model.ref import Place

DRY_RUN = "istio.io/dry-run"


class Verdict(StrEnum):
    """What becomes of a request or connection at the gateway's policies."""

    ALLOWED = "allowed"
    DENIED = "denied"
    """403, or on a TCP filter chain a connection that is closed."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """A verdict, and what it rests on."""

    verdict: Verdict
    places: tuple[Place, ...] = ()
    """The rule that denies; where no ALLOW policy allows, the rules of all of them; where it is
    not known, the rules that decide."""
    reason: str = ""
    """One clause without a full stop: why it is denied, or why it is not known."""


ALLOWED = Authorization(verdict=Verdict.ALLOWED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyingPolicies:
    """The policies that apply to one gateway workload."""

    policies: tuple[AuthorizationPolicy, ...] = ()
    """Those of the root namespace first, each namespace's by age."""
    providers: frozenset[str] | None = frozenset()
    """The external authorizers of the mesh configuration that are usable; None where it was not
    read."""
    http_only: frozenset[str] = frozenset()
    """Those of them that istiod passes over on TCP filter chains."""
    refusing: Mapping[str, str] = field(default_factory=dict)
    """Authorizers that refuse everything, by name, with the reason as a clause."""
    unknown_because: str = ""
    """Why others may apply that were not read."""

    def of(self, action: PolicyAction) -> tuple[AuthorizationPolicy, ...]:
        """Return those of an action; an empty one is ALLOW."""
        return tuple(
            each for each in self.policies if (each.spec.action or PolicyAction.ALLOW) == action
        )


def is_dry_run(policy: AuthorizationPolicy) -> bool:
    """Whether a policy is only tried: nothing comes of it but counters and logs."""
    return policy.metadata.annotations.get(DRY_RUN) in TRUE


def authorized(applying: ApplyingPolicies, facts: AuthorizationFacts) -> Authorization:
    """Return what comes of a request: external authorizers first, then DENY, then ALLOW."""
    denied = _denied(applying, facts)
    if denied.verdict is Verdict.DENIED:
        return denied
    asked = _asked_elsewhere(applying, facts)
    if asked.verdict is Verdict.DENIED:
        return asked
    allowed = _allowed(applying, facts)
    if allowed.verdict is Verdict.DENIED and not applying.unknown_because:
        return allowed
    for each in (asked, denied, allowed):
        if each.verdict is Verdict.UNKNOWN:
            return each
    if applying.unknown_because:
        return Authorization(
            verdict=Verdict.UNKNOWN, places=allowed.places, reason=applying.unknown_because
        )
    return ALLOWED


def _matching(
    policies: Sequence[AuthorizationPolicy], facts: AuthorizationFacts, action: PolicyAction
) -> Iterator[tuple[bool | None, Place]]:
    """Yield whether each rule takes a request, and where it is written."""
    for policy in policies:
        for index, rule in enumerate(policy.spec.rules):
            yield takes(rule, facts, action), policy.at(f"/spec/rules/{index}")


def _denied(applying: ApplyingPolicies, facts: AuthorizationFacts) -> Authorization:
    policies = [each for each in applying.of(PolicyAction.DENY) if not is_dry_run(each)]
    return _by_rules(policies, facts, PolicyAction.DENY, "a rule denies it")


def _by_rules(
    policies: Sequence[AuthorizationPolicy],
    facts: AuthorizationFacts,
    action: PolicyAction,
    reason: str,
) -> Authorization:
    """Return a denial by the first rule that takes a request."""
    undecided: list[Place] = []
    for answer, place in _matching(policies, facts, action):
        if answer:
            return Authorization(verdict=Verdict.DENIED, places=(place,), reason=reason)
        if answer is None:
            undecided.append(place)
    if not undecided:
        return ALLOWED
    reason = "whether a rule takes it depends on what is not known here"
    return Authorization(verdict=Verdict.UNKNOWN, places=tuple(undecided), reason=reason)


def _allowed(applying: ApplyingPolicies, facts: AuthorizationFacts) -> Authorization:
    """Return whether an ALLOW policy allows; without any, everything is allowed."""
    policies = [each for each in applying.of(PolicyAction.ALLOW) if not is_dry_run(each)]
    if not policies:
        return ALLOWED
    answers = list(_matching(policies, facts, PolicyAction.ALLOW))
    if any(answer for answer, _ in answers):
        return ALLOWED
    undecided = tuple(place for answer, place in answers if answer is None)
    if undecided:
        reason = "whether a rule allows it depends on what is not known here"
        return Authorization(verdict=Verdict.UNKNOWN, places=undecided, reason=reason)
    places = tuple(each.at("/spec/rules" if each.spec.rules else "/spec") for each in policies)
    return Authorization(
        verdict=Verdict.DENIED, places=places, reason="no ALLOW policy has a rule that takes it"
    )


def _asked_elsewhere(applying: ApplyingPolicies, facts: AuthorizationFacts) -> Authorization:
    """Return what comes of the action CUSTOM: an external authorizer decides what it is asked.

    One that istiod does not find denies what it would be asked, and so do several different ones
    (`getBadCustomDenyRules`, builder.go:347-358, 367-373). The rules of a policy that is tried
    only are enforced all the same (builder.go:396-398): of them nothing is said.
    """
    policies = applying.of(PolicyAction.CUSTOM)
    if not policies:
        return ALLOWED
    names = {provider_of(each) for each in policies}
    found: list[Authorization] = []
    for name in sorted(names):
        own = [each for each in policies if provider_of(each) == name]
        found.append(_asked(name, own, applying, facts, is_alone=len(names) == 1))
    unknown = (each for each in found if each.verdict is Verdict.UNKNOWN)
    denied = (each for each in found if each.verdict is Verdict.DENIED)
    return next(denied, None) or next(unknown, None) or ALLOWED


def provider_of(policy: AuthorizationPolicy) -> str:
    """Return the name of the external authorizer of a policy; empty where it names none."""
    return policy.spec.provider.name if policy.spec.provider else ""


def _asked(
    name: str,
    policies: Sequence[AuthorizationPolicy],
    applying: ApplyingPolicies,
    facts: AuthorizationFacts,
    *,
    is_alone: bool,
) -> Authorization:
    """Return what comes of the policies of one authorizer."""
    is_http = facts.request is not None
    if not is_http and name in applying.http_only and is_alone:
        return ALLOWED
    enforced = [each for each in policies if not is_dry_run(each)]
    if enforced and name in applying.refusing:
        return _by_rules(enforced, facts, PolicyAction.CUSTOM, applying.refusing[name])
    is_missing = applying.providers is not None and name not in applying.providers
    if is_missing:
        reason = f"the mesh configuration has no external authorizer {name!r} that istiod can use"
        return _by_rules(enforced, facts, PolicyAction.CUSTOM, reason)
    undecided = [
        place
        for answer, place in _matching(policies, facts, PolicyAction.CUSTOM)
        if answer is not False
    ]
    if not undecided:
        return ALLOWED
    reason = f"the external authorizer {name!r} decides"
    if not is_alone:
        reason = "several external authorizers apply, which istiod refuses unless it is told to"
    return Authorization(verdict=Verdict.UNKNOWN, places=tuple(undecided), reason=reason)
