"""Requests that an AuthorizationPolicy denied at a gateway, as its access log shows."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network

from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.logs.delivery import log_facts
from istiodoctor.mesh.logs.meaning import LogFact, Meaning
from istiodoctor.mesh.logs.proxy_logs import workload_of
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.authorization import AuthorizationPolicy
from istiodoctor.model.kind import ISTIO_SECURITY
from istiodoctor.model.ref import Place, Ref
from istiodoctor_checks.operations._mesh_policies import policies_allowing

_MATCHED = re.compile(r"ns\[(?P<namespace>[\w.-]{1,253})\]-policy\[(?P<name>[\w.-]{1,253})\]")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Denial:
    """Requests that a gateway answered with 403, by the policy that did it."""

    workload: Workload
    facts: tuple[LogFact, ...]
    """Oldest first."""
    policy: Ref | None
    """The DENY policy that matched; None where no ALLOW policy did."""
    allowing: tuple[AuthorizationPolicy, ...] = ()
    """The ALLOW policies that apply there, where none of them matched."""
    peers: tuple[Place, ...] = ()
    """Those of their fields that compare public addresses with the nearest peer's."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that clients asked for."""
        return tuple(dict.fromkeys(fact.host for fact in self.facts if fact.host))

    @property
    def are_preflights(self) -> bool:
        """Whether all are requests with which browsers ask whether they may ask."""
        return all(fact.method == "OPTIONS" for fact in self.facts)


@question(logs={Meaning.RBAC_DENIED})
def denials(mesh: Mesh) -> tuple[Denial, ...]:
    """Return the requests that gateways denied, by gateway workload and policy."""
    gateways = servers_by_workload(mesh)
    found: dict[tuple[Workload, Ref | None], list[LogFact]] = defaultdict(list)
    for fact in log_facts(mesh, Meaning.RBAC_DENIED):
        workload = workload_of(mesh, fact)
        if workload in gateways and workload:
            found[workload, matched_policy(fact)].append(fact)
    return tuple(
        _denial(mesh, workload, policy, facts) for (workload, policy), facts in found.items()
    )


def _denial(mesh: Mesh, workload: Workload, policy: Ref | None, facts: list[LogFact]) -> Denial:
    allowing = () if policy else policies_allowing(mesh, workload)
    return Denial(
        workload=workload,
        facts=tuple(facts),
        policy=policy,
        allowing=allowing,
        peers=tuple(place for each in allowing for place in _public_peers(each)),
    )


def matched_policy(fact: LogFact) -> Ref | None:
    """Return the policy that Envoy says a request matched."""
    found = _MATCHED.search(fact.reason)
    if found is None:
        return None
    return Ref(ISTIO_SECURITY, "AuthorizationPolicy", found["namespace"], found["name"])


def _public_peers(policy: AuthorizationPolicy) -> Iterator[Place]:
    """Yield the `ipBlocks` with public addresses: those of clients, not of nodes or pods."""
    for index, rule in enumerate(policy.spec.rules):
        for i, origin in enumerate(rule.origins):
            if origin.source and any(map(_is_public, origin.source.ip_blocks)):
                yield policy.at(f"/spec/rules/{index}/from/{i}/source/ipBlocks")


def _is_public(block: str) -> bool:
    try:
        return ip_network(block, strict=False).is_global
    except ValueError:
        return False
