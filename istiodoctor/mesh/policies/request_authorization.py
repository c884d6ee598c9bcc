"""What the policies of a gateway make of one request or connection."""

from dataclasses import replace

from istiodoctor.mesh.configuration.listener import ClientCertificate, FilterChain
from istiodoctor.mesh.configuration.received_request import ReceivedRequest
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.policies.authorization import (
    ApplyingPolicies,
    Authorization,
    Verdict,
    authorized,
)
from istiodoctor.mesh.policies.authorization_facts import AuthorizationFacts
from istiodoctor.mesh.policies.authorization_policies import (
    applying_policies,
    token_rules,
    tokens_unknown_because,
)
from istiodoctor.mesh.policies.external_authorizers import refusing_authorizers
from istiodoctor.mesh.policies.request_tokens import ANYWHERE_USUAL, may_carry_token
from istiodoctor.mesh.workloads.workloads import Workload


def policies_in_force(mesh: Mesh, workload: Workload) -> ApplyingPolicies:
    """Return the policies that apply, with the external authorizers that refuse everything."""
    applying, refusing = applying_policies(mesh, workload), refusing_authorizers(mesh, workload)
    return replace(applying, refusing=refusing) if refusing else applying


def authorization(
    mesh: Mesh,
    workload: Workload,
    chain: FilterChain,
    request: ReceivedRequest | None,
    *,
    port: int,
    server_name: str = "",
) -> Authorization:
    """Return what the policies of a gateway make of a request, or of a connection without one.

    `port` is that of the pod. A chain of TCP has no request, whatever its bytes say.
    """
    seen = request if chain.http else None
    facts = AuthorizationFacts(
        request=seen,
        port=port,
        server_name=server_name,
        pod_addresses=tuple(each.status.pod_ip for each in workload.pods if each.status.pod_ip),
        has_identity=_has_identity(chain),
        has_token=_has_token(mesh, workload, seen),
    )
    found = authorized(policies_in_force(mesh, workload), facts)
    if found.verdict is Verdict.ALLOWED and seen and _is_judged_by_token(mesh, workload, seen):
        reason = "it has a token, and whether that is valid is not known here"
        places = tuple(each.at("/spec/jwtRules") for each in token_rules(mesh, workload))
        return Authorization(verdict=Verdict.UNKNOWN, places=places, reason=reason)
    return found


def _has_identity(chain: FilterChain) -> bool | None:
    """Whether clients prove a name: only where they are asked for a certificate."""
    if chain.tls is None or chain.tls.client_certificate is ClientCertificate.NONE:
        return False
    return None


def _has_token(mesh: Mesh, workload: Workload, request: ReceivedRequest | None) -> bool | None:
    """Whether a request has claims: none where nothing in it is looked at for a token."""
    if request is None:
        return False
    if any(may_carry_token(each, request) for each in token_rules(mesh, workload)):
        return None
    is_plain = not (request.query or request.headers)
    return False if is_plain or not tokens_unknown_because(mesh, workload) else None


def _is_judged_by_token(mesh: Mesh, workload: Workload, request: ReceivedRequest) -> bool:
    """Whether a request may be answered with 401 for what it has where a token is looked for."""
    rules = token_rules(mesh, workload)
    if tokens_unknown_because(mesh, workload):
        return any(may_carry_token(each, request) for each in (*rules, ANYWHERE_USUAL))
    return any(may_carry_token(each, request) for each in rules)
