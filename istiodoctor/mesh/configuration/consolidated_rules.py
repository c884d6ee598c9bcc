"""DestinationRules of one host in one namespace, as istiod merges them.

Source: `mergeDestinationRule` (pilot/pkg/model/destination_rule.go:46).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from istiodoctor.mesh.configuration.backend_tls_policies import PolicyRule
from istiodoctor.mesh.configuration.placed_policies import PlacedPolicy, overlaid
from istiodoctor.mesh.configuration.registry_service import OWN_NAMESPACE
from istiodoctor.model.istio import DestinationRule, Subset
from istiodoctor.model.ref import Place

V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedSubset:
    """A subset, and the rule that it is written in."""

    subset: Subset
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConsolidatedRule:
    """One or more DestinationRules of a host that count as one."""

    namespace: str
    host: str
    """The full name."""
    export_to: frozenset[str]
    """Empty for the default."""
    selector: Mapping[str, str] | None
    """Labels of the pods for whose Envoys alone it counts; None for all."""
    subsets: tuple[PlacedSubset, ...]
    """Each name once: the older rule's."""
    policy: PlacedPolicy | None
    rules: tuple[DestinationRule, ...]
    """What it was merged of, the first in force first."""
    user_rules_win: bool = True
    """Whether DestinationRules count before what istiod makes of BackendTLSPolicies."""

    def subset(self, name: str) -> PlacedSubset | None:
        """Return a subset by its name."""
        return next((each for each in self.subsets if each.subset.name == name), None)


def in_order(rules: Iterable[DestinationRule]) -> list[DestinationRule]:
    """Return rules in istiod's order: with a workloadSelector, then by age.

    `sortConfigBySelectorAndCreationTime`, pilot/pkg/model/push_context.go:2040.
    """
    return sorted(rules, key=lambda each: (each.spec.workload_selector is None, each.age_order))


def rule_exports(rule: DestinationRule) -> frozenset[str]:
    """Return to whom a rule says that it is exported: never, where it has a workloadSelector."""
    if rule.spec.workload_selector is not None:
        return frozenset({OWN_NAMESPACE})
    return frozenset(rule.spec.export_to)


def consolidated(
    rules: Iterable[DestinationRule], host: str, *, user_rules_win: bool = True
) -> tuple[ConsolidatedRule, ...]:
    """Return rules of one host and namespace, given in istiod's order, merged where they can be.

    Rules with different `exportTo` or workloadSelector stay apart.
    """
    found: list[ConsolidatedRule] = []
    for rule in rules:
        single = replace(_single(rule, host), user_rules_win=user_rules_win)
        stands_alone = True
        for index, existing in enumerate(found):
            stands_alone, is_merged = _meet(existing, single)
            if is_merged:
                found[index] = _merge(existing, single)
        if stands_alone:
            found.append(single)
    return tuple(found)


def _meet(existing: ConsolidatedRule, new: ConsolidatedRule) -> tuple[bool, bool]:
    """Return whether a rule stays a rule of its own, and whether it is merged into another."""
    is_equal = existing.export_to == new.export_to
    if not is_equal and not (existing.export_to and new.export_to >= existing.export_to):
        return True, False
    if (existing.selector is None) != (new.selector is None):
        return not is_equal, True
    if (existing.selector or {}) != (new.selector or {}):
        return True, False
    return False, True


def _single(rule: DestinationRule, host: str) -> ConsolidatedRule:
    spec = rule.spec
    selector = spec.workload_selector
    subsets = (
        PlacedSubset(subset=each, place=rule.at(f"/spec/subsets/{index}"))
        for index, each in enumerate(spec.subsets)
    )
    policy = spec.traffic_policy
    return ConsolidatedRule(
        namespace=rule.namespace,
        host=host,
        export_to=rule_exports(rule),
        selector=selector.match_labels if selector else None,
        subsets=tuple(_each_once(subsets)),
        policy=PlacedPolicy(
            policy=policy,
            place=rule.at("/spec/trafficPolicy"),
            tls_places=dict(rule.places) if isinstance(rule, PolicyRule) else {},
        )
        if policy
        else None,
        rules=(rule,),
    )


def _merge(existing: ConsolidatedRule, new: ConsolidatedRule) -> ConsolidatedRule:
    return replace(
        existing,
        subsets=tuple(_each_once((*existing.subsets, *new.subsets))),
        policy=_merged_policy(existing, new),
        rules=(*existing.rules, *new.rules),
    )


def _merged_policy(existing: ConsolidatedRule, new: ConsolidatedRule) -> PlacedPolicy | None:
    """Return the traffic policy of two rules: the first one's.

    Of one that istiod made of BackendTLSPolicies, where the newer rule is in force, what the
    other leaves open (destination_rule.go:129-147).
    """
    is_made, is_new_made = (isinstance(each.rules[0], PolicyRule) for each in (existing, new))
    if is_made == is_new_made or not existing.user_rules_win:
        return existing.policy or new.policy
    written, made = (new, existing) if is_made else (existing, new)
    if written.policy is None or made.policy is None:
        return written.policy or made.policy
    return overlaid(written.policy, made.policy)


def _each_once(subsets: Iterable[PlacedSubset]) -> Iterator[PlacedSubset]:
    names = set[str]()
    for each in subsets:
        if each.subset.name not in names:
            names.add(each.subset.name)
            yield each


def most_specific(hostname: str, by_host: Mapping[str, V]) -> V | None:
    """Return what stands under the most specific host for a name (`MostSpecificHostMatch`).

    The name itself, else the longest wildcard of which it has the ending.
    """
    if not by_host or hostname in by_host:
        return by_host.get(hostname)
    # Not `hosts.parents`: istiod compares endings letter by letter, so that `*cluster.local` and
    # `*-web.shop` are wildcards too, and it keeps their case (pilot/pkg/model/config.go:295).
    rest = hostname.removeprefix("*")
    endings = (f"*{rest[start:]}" for start in range(len(rest) + 1))
    return next((by_host[each] for each in endings if each in by_host), None)
