"""CORS preflights that a gateway would answer, were they not denied for want of a token."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from msgspec.structs import replace

from istiodoctor.mesh.configuration.bound import virtual_services_for_gateway
from istiodoctor.mesh.configuration.listener import HttpOptions
from istiodoctor.mesh.configuration.received_request import ReceivedRequest, received
from istiodoctor.mesh.configuration.request import requested
from istiodoctor.mesh.gateways.listeners import listeners
from istiodoctor.mesh.gateways.merging import Listener
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.policies.authorization import (
    ApplyingPolicies,
    Authorization,
    Verdict,
    authorized,
    is_dry_run,
)
from istiodoctor.mesh.policies.authorization_conditions import CLAIMS, TOKEN_KEYS
from istiodoctor.mesh.policies.authorization_facts import AuthorizationFacts
from istiodoctor.mesh.policies.authorization_policies import applying_policies
from istiodoctor.mesh.policies.authorization_rules import PolicyAction
from istiodoctor.mesh.question import question
from istiodoctor.mesh.requests.entries import guarded_workloads
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.authorization import AuthorizationPolicy, AuthorizationRule
from istiodoctor.model.istio import HttpRule
from istiodoctor.model.ref import Place

ANY_LABEL = "any"
"""Stands for the label of a wildcard host that a browser asks for."""


@dataclass(slots=True, kw_only=True, eq=False)
class DeniedPreflights:
    """Preflights that rules deny at one gateway because they carry no token."""

    workload: Workload
    places: tuple[Place, ...]
    """The rule that denies, or those of all ALLOW policies."""
    policies: tuple[AuthorizationPolicy, ...]
    """The policies with those rules."""
    hosts: dict[str, None] = field(default_factory=dict)
    servers: dict[Server, None] = field(default_factory=dict)
    rules: dict[Place, None] = field(default_factory=dict)
    """The rules with CORS settings."""


@question
def denied_preflights(mesh: Mesh) -> tuple[DeniedPreflights, ...]:
    """Return the preflights for routes with CORS settings that a token alone would let through.

    A browser never sends one with them (Fetch, CORS-preflight fetch).
    """
    found: dict[tuple[Workload, tuple[Place, ...]], DeniedPreflights] = {}
    guarded = {
        workload: applying
        for workload in guarded_workloads(mesh)
        if _asks_for_token(applying := applying_policies(mesh, workload))
    }
    for listener in listeners(mesh) if guarded else ():
        own = guarded.get(listener.workload)
        for server in listener.servers if own else ():
            if own and server.routes_http and not server.https_redirect:
                _gather(mesh, listener, server, own, found)
    return tuple(found.values())


def _gather(
    mesh: Mesh,
    listener: Listener,
    server: Server,
    applying: ApplyingPolicies,
    found: dict[tuple[Workload, tuple[Place, ...]], DeniedPreflights],
) -> None:
    workload = listener.workload
    bound = virtual_services_for_gateway(mesh, workload, server.gateway_name)
    for held, hosts in bound.meeting(server):
        for rule in held.http:
            if rule.rule.cors_policy is None:
                continue
            for host in hosts:
                places = _denied_by(listener, applying, host, rule.rule, is_tls=server.is_tls)
                if places:
                    denied = found.setdefault(
                        (workload, places),
                        DeniedPreflights(
                            workload=workload,
                            places=places,
                            policies=_policies_of(applying, places),
                        ),
                    )
                    denied.hosts[host] = denied.servers[server] = None
                    denied.rules[rule.place] = None


def _denied_by(
    listener: Listener, applying: ApplyingPolicies, host: str, rule: HttpRule, *, is_tls: bool
) -> tuple[Place, ...]:
    """Return the rules that deny a preflight, where it is for its token alone."""
    seen = _preflight(host, rule, is_tls=is_tls)
    if seen is None:
        return ()
    facts = AuthorizationFacts(
        request=seen,
        port=listener.port,
        server_name=host if is_tls else "",
        pod_addresses=tuple(
            each.status.pod_ip for each in listener.workload.pods if each.status.pod_ip
        ),
        has_identity=None,
        has_token=False,
    )
    without = authorized(applying, facts)
    if without.verdict is not Verdict.DENIED:
        return ()
    with_token: Authorization = authorized(applying, replace(facts, has_token=None))
    return () if with_token.verdict is Verdict.DENIED else without.places


def _preflight(host: str, rule: HttpRule, *, is_tls: bool) -> ReceivedRequest | None:
    """Return what a browser asks with before a request for a rule's first path."""
    uri = rule.match[0].uri if rule.match else None
    path = (uri.exact or uri.prefix if uri else "") or "/"
    name = host.replace("*", ANY_LABEL, 1)
    asked = requested(f"{'https' if is_tls else 'http'}://{name}{path if path[0] == '/' else '/'}")
    if asked is None:
        return None
    headers = (
        ("origin", "https://origin.example"),
        ("access-control-request-method", "GET"),
    )
    seen = received(
        replace(asked, method="OPTIONS", headers=headers), HttpOptions(), is_tls=is_tls
    )
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
