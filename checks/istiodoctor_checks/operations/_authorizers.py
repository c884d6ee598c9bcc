"""External authorizers of gateways that refuse what they are asked, by objects and by logs."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.logs.delivery import log_facts
from istiodoctor.mesh.logs.meaning import LogFact, Meaning
from istiodoctor.mesh.logs.proxy_logs import workload_of
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.policies.authorization import is_dry_run, provider_of
from istiodoctor.mesh.policies.authorization_policies import applying_policies
from istiodoctor.mesh.policies.authorization_rules import PolicyAction
from istiodoctor.mesh.policies.external_authorizers import (
    BadAuthorizer,
    authorizers_denied_by_istiod,
    authorizers_without_endpoints,
)
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ref import Ref
from istiodoctor_checks.operations._denials import matched_policy

BAD_ACTION = "due-to-bad-CUSTOM-action"
"""How istiod ends the names of the rules that it writes in place of an authorizer it cannot use
(pilot/pkg/security/authz/builder/extauthz.go:42; before 1.20 one rule for all policies)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RefusingAuthorizer:
    """An external authorizer that refuses what it is asked at one gateway."""

    workload: Workload
    servers: tuple[Server, ...]
    bad: BadAuthorizer

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts whose requests may be asked about."""
        return frozenset(name for each in self.servers for name in each.names)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FailedRequests:
    """Requests at one gateway that were refused for want of an answer, as its log shows."""

    workload: Workload
    servers: tuple[Server, ...]
    policies: tuple[Ref, ...]
    """Those whose authorizer was asked; of the action CUSTOM."""
    facts: tuple[LogFact, ...]
    """Oldest first."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that clients asked for."""
        return tuple(dict.fromkeys(fact.host for fact in self.facts if fact.host))


@question
def unusable_authorizers(mesh: Mesh) -> tuple[RefusingAuthorizer, ...]:
    """Return the external authorizers that istiod cannot use, at gateways that serve HTTP."""
    return tuple(
        RefusingAuthorizer(workload=workload, servers=http, bad=bad)
        for workload, servers in servers_by_workload(mesh).items()
        if workload.is_known
        for bad in authorizers_denied_by_istiod(mesh, workload)
        if (http := _http(servers))
    )


@question
def unanswered_authorizers(mesh: Mesh) -> tuple[RefusingAuthorizer, ...]:
    """Return the external authorizers without endpoints, at gateways that serve HTTP."""
    return tuple(
        RefusingAuthorizer(workload=workload, servers=http, bad=bad)
        for workload, servers in servers_by_workload(mesh).items()
        if workload.is_known
        for bad in authorizers_without_endpoints(mesh, workload)
        if (http := _http(servers))
    )


@question(logs={Meaning.RBAC_DENIED})
def requests_denied_by_istiod(mesh: Mesh) -> tuple[FailedRequests, ...]:
    """Return what rules of istiod's own denied, in place of an authorizer that it cannot use."""
    denied = (fact for fact in log_facts(mesh, Meaning.RBAC_DENIED) if BAD_ACTION in fact.reason)
    by_policy: dict[tuple[Workload, Ref | None], list[LogFact]] = defaultdict(list)
    for fact in denied:
        workload = workload_of(mesh, fact)
        if workload:
            by_policy[workload, matched_policy(fact)].append(fact)
    servers = servers_by_workload(mesh)
    return tuple(
        FailedRequests(
            workload=workload,
            servers=servers[workload],
            policies=policies,
            facts=tuple(facts),
        )
        for (workload, policy), facts in by_policy.items()
        if workload in servers
        and (policies := (policy,) if policy else _custom_policies(mesh, workload))
    )


@question(logs={Meaning.EXTERNAL_AUTHORIZER_UNUSABLE})
def providers_refused_by_istiod(mesh: Mesh) -> Mapping[str, LogFact]:
    """Return the newest line of each provider that istiod says it cannot use, by its name."""
    facts = log_facts(mesh, Meaning.EXTERNAL_AUTHORIZER_UNUSABLE)
    return {fact.provider: fact for fact in facts if fact.provider}


@question
def policies_of_refused_providers(mesh: Mesh) -> tuple[FailedRequests, ...]:
    """Return the policies of gateways whose providers istiod says it cannot use."""
    refused = providers_refused_by_istiod(mesh)
    return tuple(
        FailedRequests(
            workload=workload, servers=servers, policies=(policy.ref,), facts=(refused[name],)
        )
        for workload, servers in (servers_by_workload(mesh).items() if refused else ())
        for policy in applying_policies(mesh, workload).of(PolicyAction.CUSTOM)
        if not is_dry_run(policy) and (name := provider_of(policy)) in refused
    )


@question(logs={Meaning.EXTERNAL_AUTHORIZER_FAILED})
def requests_without_answer(mesh: Mesh) -> tuple[FailedRequests, ...]:
    """Return what Envoy refused because an external authorizer gave no answer."""
    by_workload: dict[Workload, list[LogFact]] = defaultdict(list)
    for fact in log_facts(mesh, Meaning.EXTERNAL_AUTHORIZER_FAILED):
        workload = workload_of(mesh, fact)
        if workload:
            by_workload[workload].append(fact)
    servers = servers_by_workload(mesh)
    return tuple(
        FailedRequests(
            workload=workload,
            servers=servers[workload],
            policies=_custom_policies(mesh, workload),
            facts=tuple(facts),
        )
        for workload, facts in by_workload.items()
        if workload in servers
    )


def _custom_policies(mesh: Mesh, workload: Workload) -> tuple[Ref, ...]:
    return tuple(
        each.ref
        for each in applying_policies(mesh, workload).of(PolicyAction.CUSTOM)
        if not is_dry_run(each)
    )


def _http(servers: tuple[Server, ...]) -> tuple[Server, ...]:
    return tuple(each for each in servers if each.routes_http)
