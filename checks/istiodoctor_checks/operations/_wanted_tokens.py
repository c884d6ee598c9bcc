"""Requests that policies of gateways deny because they carry no token, though they could not."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from msgspec.structs import replace

from istiodoctor.mesh.configuration.bound import virtual_services_for_gateway
from istiodoctor.mesh.configuration.held import HeldHttpRule
from istiodoctor.mesh.configuration.listener import HttpOptions
from istiodoctor.mesh.configuration.received_request import ReceivedRequest, received
from istiodoctor.mesh.configuration.request import requested
from istiodoctor.mesh.gateways.listeners import merged_gateway
from istiodoctor.mesh.gateways.merging import Listener
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.policies.authorization import (
    ApplyingPolicies,
    Verdict,
    authorized,
    is_dry_run,
)
from istiodoctor.mesh.policies.authorization_conditions import CLAIMS, TOKEN_KEYS
from istiodoctor.mesh.policies.authorization_facts import AuthorizationFacts
from istiodoctor.mesh.policies.authorization_policies import (
    applying_policies,
    token_rules,
    tokens_unknown_because,
)
from istiodoctor.mesh.policies.authorization_rules import PolicyAction
from istiodoctor.mesh.question import question
from istiodoctor.mesh.requests.entries import guarded_workloads
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.authorization import AuthorizationPolicy, AuthorizationRule
from istiodoctor.model.istio import HttpRule
from istiodoctor.model.ref import Place

PREFLIGHT_HEADERS = (
    ("origin", "https://origin.example"),
    ("access-control-request-method", "GET"),
)
ANY_LABEL = "any"
"""Stands for the label of a wildcard host that a browser asks for."""


Denials = dict[tuple[Workload, tuple[Place, ...]], "DeniedForToken"]


@dataclass(slots=True, kw_only=True, eq=False)
class DeniedForToken:
    """Requests that rules deny at one gateway because they carry no token."""

    workload: Workload
    places: tuple[Place, ...]
    """The rule that denies, or those of all ALLOW policies."""
    policies: tuple[AuthorizationPolicy, ...]
    """The policies with those rules."""
    hosts: dict[str, None] = field(default_factory=dict)
    servers: dict[Server, None] = field(default_factory=dict)
    rules: dict[Place, None] = field(default_factory=dict)
    """The rules of routes that would answer them."""


@question
def denied_preflights(mesh: Mesh) -> tuple[DeniedForToken, ...]:
    """Return the preflights for routes with CORS settings that a token alone would let through.

    A browser never sends one with them (Fetch, CORS-preflight fetch).
    """
    found: Denials = {}
    for workload in _asking_for_tokens(mesh):
        _gather(mesh, workload, found, preflights=True)
    return tuple(found.values())


@question
def denied_for_unchecked_tokens(mesh: Mesh) -> tuple[DeniedForToken, ...]:
    """Return the requests that a token alone would let through, where none is ever looked at.

    No RequestAuthentication applies to the gateway, so that no request has a principal or claims.
    """
    found: Denials = {}
    for workload in _asking_for_tokens(mesh):
        if not token_rules(mesh, workload) and not tokens_unknown_because(mesh, workload):
            _gather(mesh, workload, found, preflights=False)
    return tuple(found.values())


@question
def _asking_for_tokens(mesh: Mesh) -> tuple[Workload, ...]:
    return tuple(
        workload
        for workload in guarded_workloads(mesh)
        if _asks_for_token(applying_policies(mesh, workload))
    )


def _gather(mesh: Mesh, workload: Workload, found: Denials, *, preflights: bool) -> None:
    applying = applying_policies(mesh, workload)
    for listener in merged_gateway(mesh, workload).listeners:
        for server in listener.servers:
            if not server.routes_http or server.https_redirect:
                continue
            for host, rule in _answering_rules(mesh, workload, server):
                if preflights and rule.rule.cors_policy is None:
                    continue
                seen = _asked(host, rule.rule, is_tls=server.is_tls, preflight=preflights)
                places = _denied_by(listener, applying, seen, host) if seen else ()
                if places:
                    key = (workload, places)
                    if key not in found:
                        found[key] = DeniedForToken(
                            workload=workload,
                            places=places,
                            policies=_policies_of(applying, places),
                        )
                    found[key].hosts[host] = found[key].servers[server] = None
                    found[key].rules[rule.place] = None


def _answering_rules(
    mesh: Mesh, workload: Workload, server: Server
) -> Iterator[tuple[str, HeldHttpRule]]:
    bound = virtual_services_for_gateway(mesh, workload, server.gateway_name)
    for held, hosts in bound.meeting(server):
        for rule in held.http:
            for host in hosts:
                yield host, rule


def _denied_by(
    listener: Listener, applying: ApplyingPolicies, seen: ReceivedRequest, host: str
) -> tuple[Place, ...]:
    """Return the rules that deny a request, where it is for its token alone."""
    facts = AuthorizationFacts(
        request=seen,
        port=listener.port,
        server_name=host if listener.is_tls else "",
        pod_addresses=tuple(
            each.status.pod_ip for each in listener.workload.pods if each.status.pod_ip
        ),
        has_identity=None,
        has_token=False,
    )
    without = authorized(applying, facts)
    if without.verdict is not Verdict.DENIED:
        return ()
    with_token = authorized(applying, replace(facts, has_token=None))
    return () if with_token.verdict is Verdict.DENIED else without.places


def _asked(host: str, rule: HttpRule, *, is_tls: bool, preflight: bool) -> ReceivedRequest | None:
    """Return a request for a rule's first path, or what a browser asks with before it."""
    uri = rule.match[0].uri if rule.match else None
    path = (uri.exact or uri.prefix if uri else "") or "/"
    name = host.replace("*", ANY_LABEL, 1)
    asked = requested(f"{'https' if is_tls else 'http'}://{name}{path if path[0] == '/' else '/'}")
    if asked is None:
        return None
    if preflight:
        asked = replace(asked, method="OPTIONS", headers=PREFLIGHT_HEADERS)
    seen = received(asked, HttpOptions(), is_tls=is_tls)
    return seen if isinstance(seen, ReceivedRequest) else None


def _policies_of(
    applying: ApplyingPolicies, places: tuple[Place, ...]
) -> tuple[AuthorizationPolicy, ...]:
    refs = {each.ref for each in places}
    return tuple(each for each in applying.policies if each.ref in refs)


def _asks_for_token(applying: ApplyingPolicies) -> bool:
    return any(
        asks_for_token(rule)
        for each in applying.policies
        if each.spec.action != PolicyAction.AUDIT and not is_dry_run(each)
        for rule in each.spec.rules
    )


def asks_for_token(rule: AuthorizationRule) -> bool:
    """Whether a rule of a policy asks what a token says."""
    keys: Iterator[str] = (each.key for each in rule.when)
    sources = (each.source for each in rule.origins if each.source)
    return any(key in TOKEN_KEYS or key.startswith(CLAIMS) for key in keys) or any(
        each.request_principals or each.not_request_principals for each in sources
    )
