"""Keys of token issuers that istiod could not fetch, for the policies of gateways."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.logs.delivery import log_facts
from istiodoctor.mesh.logs.meaning import LogFact, Meaning
from istiodoctor.mesh.logs.proxy_logs import workload_of
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.policies.authorization_policies import token_rules
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.authorization import JwtRule
from istiodoctor.model.ref import Place

REFRESHING = "refresh"
"""What istiod fails at where it may still have keys of before."""

INSTEAD = "using public-only JWKS"
"""How istiod says what it sends in place of keys."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MissingKeys:
    """A rule of a RequestAuthentication whose keys istiod could not fetch."""

    place: Place
    """The rule's `jwksUri`, or its issuer where it has none."""
    rule: JwtRule
    workload: Workload
    servers: tuple[Server, ...]
    facts: tuple[LogFact, ...]
    """Oldest first."""
    refused: tuple[LogFact, ...]
    """Requests at the gateway that got 401 for their token."""

    @property
    def last(self) -> LogFact:
        """The newest line that says why."""
        said = (fact for fact in reversed(self.facts) if not fact.reason.startswith(INSTEAD))
        return next(said, self.facts[-1])

    @property
    def may_have_older(self) -> bool:
        """Whether istiod may have keys of before: it failed only to fetch them anew."""
        return all(f"Failed to {REFRESHING}" in fact.line.message for fact in self.facts)


@question(logs={Meaning.TOKEN_KEYS_NOT_FETCHED, Meaning.TOKEN_KEYS_FETCHED, Meaning.TOKEN_REFUSED})
def missing_token_keys(mesh: Mesh) -> tuple[MissingKeys, ...]:
    """Return the rules at gateways whose keys istiod could not fetch, and has not since."""
    failures = log_facts(mesh, Meaning.TOKEN_KEYS_NOT_FETCHED)
    return tuple(_missing_token_keys(mesh, failures)) if failures else ()


def _missing_token_keys(mesh: Mesh, failures: tuple[LogFact, ...]) -> Iterator[MissingKeys]:
    refused = _refused_by_workload(mesh)
    for workload, servers in servers_by_workload(mesh).items():
        http = tuple(each for each in servers if each.routes_http)
        for policy in token_rules(mesh, workload) if http else ():
            for index, rule in enumerate(policy.spec.jwt_rules):
                facts = tuple(each for each in failures if _is_about(each, rule))
                if facts and not _is_fetched_since(mesh, facts[-1]):
                    field = "jwksUri" if rule.jwks_uri else "issuer"
                    yield MissingKeys(
                        place=policy.at(f"/spec/jwtRules/{index}/{field}"),
                        rule=rule,
                        workload=workload,
                        servers=http,
                        facts=facts,
                        refused=refused.get(workload, ()),
                    )


def _refused_by_workload(mesh: Mesh) -> Mapping[Workload, tuple[LogFact, ...]]:
    found: dict[Workload, list[LogFact]] = defaultdict(list)
    for fact in log_facts(mesh, Meaning.TOKEN_REFUSED):
        workload = workload_of(mesh, fact)
        if workload:
            found[workload].append(fact)
    return {workload: tuple(facts) for workload, facts in found.items()}


def _is_about(fact: LogFact, rule: JwtRule) -> bool:
    """Whether a failure is over a rule's keys.

    By the address, of which a log that was read shows no query, else by the issuer.
    """
    if rule.jwks:
        return False
    if rule.jwks_uri:
        return bool(fact.address) and _bare(fact.address) == _bare(rule.jwks_uri)
    return bool(rule.issuer) and fact.issuer == rule.issuer


def _is_fetched_since(mesh: Mesh, last: LogFact) -> bool:
    return any(
        fetched.line.at and last.line.at and fetched.line.at > last.line.at
        for fetched in log_facts(mesh, Meaning.TOKEN_KEYS_FETCHED)
        if last.address and _bare(fetched.address) == _bare(last.address)
    )


def _bare(address: str) -> str:
    return address.partition("?")[0]
