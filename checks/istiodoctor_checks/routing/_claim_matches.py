"""Rules of VirtualServices that match claims of tokens which nothing checks."""

from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.mesh.configuration.bindings import is_visible, servers_of
from istiodoctor.mesh.configuration.virtual_services import virtual_services
from istiodoctor.mesh.gateways.listeners import listeners_of
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.policies.authorization_policies import token_rules, tokens_unknown_because
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import HttpMatch, HttpRule, VirtualService
from istiodoctor.model.ref import Place

CLAIMS = ("@request.auth.claims.", "@request.auth.claims[")
"""How names of headers begin that stand for claims (pkg/jwt/routing.go)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnmatchedClaims:
    """Rules that no request takes, as none has the claims that they match."""

    source: VirtualService
    places: tuple[Place, ...]
    workload: Workload
    servers: tuple[Server, ...]
    hosts: tuple[str, ...]
    is_whole: bool
    """Whether the VirtualService has no other rule."""


@question
def unmatched_claims(mesh: Mesh) -> tuple[UnmatchedClaims, ...]:
    """Return the rules that match claims at gateways without a RequestAuthentication."""
    return tuple(
        each
        for source in virtual_services(mesh)
        if any(map(_asks_for_claims, source.spec.http))
        for each in _unmatched(mesh, source)
    )


def _unmatched(mesh: Mesh, source: VirtualService) -> Iterator[UnmatchedClaims]:
    rules = [index for index, rule in enumerate(source.spec.http) if _asks_for_claims(rule)]
    servers: dict[Workload, dict[Server, None]] = {}
    hosts: dict[Workload, dict[str, None]] = {}
    for binding in servers_of(mesh).get(source.ref, ()):
        for listener in listeners_of(mesh, binding.server) if binding.hosts else ():
            servers.setdefault(listener.workload, {})[binding.server] = None
            hosts.setdefault(listener.workload, {}).update(dict.fromkeys(binding.hosts))
    for workload, found in servers.items():
        if token_rules(mesh, workload) or tokens_unknown_because(mesh, workload):
            continue
        if is_visible(mesh, source, workload) is False:
            continue
        yield UnmatchedClaims(
            source=source,
            places=tuple(source.at(f"/spec/http/{index}/match") for index in rules),
            workload=workload,
            servers=tuple(found),
            hosts=tuple(hosts[workload]),
            is_whole=len(rules) == len(source.spec.http),
        )


def _asks_for_claims(rule: HttpRule) -> bool:
    """Whether each of a rule's matches asks for a claim, so that it takes nothing without one."""
    return bool(rule.match) and all(map(_has_claim, rule.match))


def _has_claim(match: HttpMatch) -> bool:
    return any(name.lower().startswith(CLAIMS) for name in match.headers)
