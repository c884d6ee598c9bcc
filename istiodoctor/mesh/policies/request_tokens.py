"""Where a token is looked for, and whether a request may carry one.

Source: pilot/pkg/security/authn/policy_applier.go:182-190 (what istiod passes on), and Envoy's
source/extensions/filters/http/jwt_authn/extractor.cc: without a place of its own, a rule looks
into `Authorization: Bearer` and the parameter `access_token`.
"""

from istiodoctor.mesh.configuration.received_request import ReceivedRequest
from istiodoctor.mesh.configuration.route_match import query_parameters
from istiodoctor.model.authorization import (
    JwtRule,
    RequestAuthentication,
    RequestAuthenticationSpec,
    TokenHeader,
)

DEFAULT_HEADER = TokenHeader(name="authorization", prefix="Bearer ")
DEFAULT_PARAMETER = "access_token"
ANYWHERE_USUAL = RequestAuthentication(spec=RequestAuthenticationSpec(jwt_rules=(JwtRule(),)))
"""Stands for one that was not read: it looks where most look."""


def may_carry_token(authentication: RequestAuthentication, request: ReceivedRequest) -> bool:
    """Whether a request has something where a token is looked for.

    What it has is judged by Envoy: 401 for a token that is not valid, claims for one that is.
    """
    return any(_carries(rule, request) for rule in authentication.spec.jwt_rules)


def _carries(rule: JwtRule, request: ReceivedRequest) -> bool:
    headers, parameters = rule.from_headers, rule.from_params
    if not (headers or parameters or rule.from_cookies):
        headers, parameters = (DEFAULT_HEADER,), (DEFAULT_PARAMETER,)
    given = query_parameters(request.query or "")
    return (
        any(_has_header(each, request) for each in headers)
        or any(each in given for each in parameters)
        or bool(rule.from_cookies and _cookies(request).intersection(rule.from_cookies))
    )


def _has_header(header: TokenHeader, request: ReceivedRequest) -> bool:
    return any(header.prefix in value for value in request.values(header.name) or ())


def _cookies(request: ReceivedRequest) -> set[str]:
    """Return the names of a request's cookies."""
    values = request.values("cookie") or ()
    return {
        part.partition("=")[0].strip() for value in values for part in value.split(";") if part
    }
