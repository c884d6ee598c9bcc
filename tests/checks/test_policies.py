"""Policies at gateways: what the examples of their checks cannot show."""

import pytest

from istiodoctor.finding import Confidence, Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading, Unread
from istiodoctor.registry import discover
from istiodoctor.testing.clusters import cluster, log_lines, mesh

CHECKS = discover().by_code()
PROXY = "istio-system/gateway/istio-proxy"
GATEWAY = """
apiVersion: v1
kind: Pod
metadata: {name: gateway, namespace: istio-system, labels: {istio: ingress}}
spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  selector: {istio: ingress}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: ["*.example.com"]
    tls: {mode: SIMPLE, credentialName: shop-cert}
---
"""
CUSTOM = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: login, namespace: istio-system}
spec:
  selector: {matchLabels: {istio: ingress}}
  action: CUSTOM
  provider: {name: login}
  rules: [{to: [{operation: {paths: [/account]}}]}]
---
"""
API_ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  gatewayClassName: istio
  listeners:
  - name: https
    port: 443
    protocol: HTTPS
    hostname: shop.example.com
    tls: {certificateRefs: [{name: shop-cert}]}
---
apiVersion: v1
kind: Secret
metadata: {name: shop-cert, namespace: shop}
stringData: {tls.crt: certificate for shop.example.com, tls.key: key of shop.example.com}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: istio}
spec: {controllerName: istio.io/gateway-controller}
---
apiVersion: v1
kind: Pod
metadata: {name: web-istio, namespace: shop, labels: {gateway.networking.k8s.io/gateway-name: web}}
spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web-istio, namespace: shop}
spec:
  type: LoadBalancer
  selector: {gateway.networking.k8s.io/gateway-name: web}
  ports: [{name: https, port: 443}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: shop}
spec:
  parentRefs: [{name: web}]
  hostnames: [shop.example.com]
  rules:
  - filters: [{type: CORS, cors: {allowOrigins: ["https://www.example.com"]}}]
    backendRefs: [{name: shop, port: 80}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: tokens, namespace: shop}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
  action: DENY
  rules: [{from: [{source: {notRequestPrincipals: ["*"]}}]}]
---
"""


def routes(rule: str = "corsPolicy: {allowOrigins: [{exact: https://www.example.com}]},") -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: shop, namespace: shop}}
spec:
  hosts: [shop.example.com]
  gateways: [web]
  http: [{{{rule} route: [{{destination: {{host: shop}}}}]}}]
---
"""


def policy(action: str, rules: str) -> str:
    return f"""
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: tokens, namespace: istio-system}}
spec: {{selector: {{matchLabels: {{istio: ingress}}}}, action: {action}, rules: {rules}}}
---
"""


def denied(details: str, method: str = "GET", code: int = 403, flags: str = "-") -> str:
    return (
        f'[2026-03-01T11:40:00.000Z] "{method} / HTTP/2" {code} {flags} {details} - "-" 0 19 0 -'
        ' "203.0.113.9" "curl/8.5.0" "2d4f" "shop.example.com" "-" - - 10.0.0.4:8443'
        " 203.0.113.9:51412 shop.example.com -"
    )


def matched(rule: str) -> str:
    return f"rbac_access_denied_matched_policy[{rule}]"


def find(code: str, text: str) -> list[Finding]:
    return list(CHECKS[code].run(mesh(text)))


def seen(code: str, text: str, *lines: str, unread: Kind | None = None) -> list[Finding]:
    whole = cluster(text, tuple(log_lines(PROXY, "\n".join(lines))))
    if unread:
        whole = whole.plus(Reading(unread=(Unread(kind=unread, message="forbidden"),)))
    return list(CHECKS[code].run(Mesh(whole)))


@pytest.mark.parametrize(
    "rule",
    [
        "istio-ext-authz-ns[istio-system]-policy[login]-rule[0]-deny-due-to-bad-CUSTOM-action",
        "istio-ext-authz-login-ns[istio-system]-policy[login]-rule[0]"
        "-deny-due-to-bad-CUSTOM-action",
        "default-deny-all-due-to-bad-CUSTOM-action",
    ],
)
def test_the_log_tells_of_an_authorizer_whose_configuration_was_not_read(rule: str):
    found = seen("OPS011", GATEWAY + CUSTOM, denied(matched(rule)), unread=Kind.CONFIG_MAP)

    (only,) = found
    assert (only.subject.name, only.confidence) == ("login", Confidence.OBSERVED)
    assert only.hosts == frozenset({"shop.example.com"})


@pytest.mark.parametrize(("provider", "count"), [("login", 1), ("other", 0)])
def test_istiods_log_tells_of_a_provider_that_it_cannot_use(provider: str, count: int):
    line = (
        f"\t* failed to process CUSTOM action for provider {provider}, will generate deny configs:"
        f' available providers are [] but found "{provider}"'
    )

    found = seen("OPS011", GATEWAY + CUSTOM, line, unread=Kind.CONFIG_MAP)

    assert [each.subject.name for each in found] == ["login"] * count
    assert all("available providers are []" in each.message for each in found)


def test_what_the_objects_tell_is_not_told_again_by_the_log():
    rule = "istio-ext-authz-ns[istio-system]-policy[login]-rule[0]-deny-due-to-bad-CUSTOM-action"

    found = seen("OPS011", GATEWAY + CUSTOM, denied(matched(rule)))

    assert [each.severity for each in found] == [Severity.HIGH]


@pytest.mark.parametrize(
    ("action", "rules", "count"),
    [
        ("DENY", '[{from: [{source: {notRequestPrincipals: ["*"]}}]}]', 1),
        ("DENY", "[{when: [{key: 'request.auth.claims[iss]', notValues: ['x']}]}]", 1),
        ("ALLOW", '[{from: [{source: {requestPrincipals: ["*"]}}]}]', 1),
        ("ALLOW", "[{when: [{key: 'request.auth.claims[iss]', values: ['x']}]}]", 1),
        ("DENY", "[{to: [{operation: {methods: [OPTIONS]}}]}]", 0),
        ("ALLOW", "[{}]", 0),
        ("ALLOW", "[{to: [{operation: {methods: [OPTIONS]}}]}]", 0),
        (
            "DENY",
            '[{from: [{source: {notRequestPrincipals: ["*"]}}], to: [{operation: {hosts: [a]}}]}]',
            0,
        ),
        (
            "DENY",
            '[{from: [{source: {notRequestPrincipals: ["*"]}}], to: [{operation: {paths: [/x]}}]},'
            " {to: [{operation: {methods: [OPTIONS]}}]}]",
            0,
        ),
        ("AUDIT", '[{from: [{source: {notRequestPrincipals: ["*"]}}]}]', 0),
    ],
)
def test_preflights_are_denied_where_a_token_alone_would_let_them_through(
    action: str, rules: str, count: int
):
    assert len(find("OPS015", GATEWAY + routes() + policy(action, rules))) == count


def test_without_cors_settings_there_are_no_preflights_to_answer():
    tokens = policy("DENY", '[{from: [{source: {notRequestPrincipals: ["*"]}}]}]')

    assert find("OPS015", GATEWAY + routes("") + tokens) == []


def test_preflights_for_routes_of_the_gateway_api_are_judged_alike():
    (found,) = find("OPS015", API_ROUTE)

    assert found.subject.name == "tokens"
    assert found.hosts == frozenset({"shop.example.com"})


@pytest.mark.parametrize(("methods", "told"), [(["OPTIONS"], True), (["OPTIONS", "GET"], False)])
def test_a_denial_of_nothing_but_preflights_says_so(methods: list[str], told: bool):
    rule = matched("ns[istio-system]-policy[tokens]-rule[0]")
    lines = [denied(rule, method) for method in methods]
    tokens = policy("DENY", '[{from: [{source: {notRequestPrincipals: ["*"]}}]}]')

    (found,) = seen("OPS010", GATEWAY + routes() + tokens, *lines)

    assert ("carries no token" in found.message) is told


def test_an_issuer_without_jwks_uri_is_found_by_its_name():
    text = """
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: istio-system}
spec:
  selector: {matchLabels: {istio: ingress}}
  jwtRules: [{issuer: https://id.example.net}, {issuer: https://other.example.net}]
"""
    line = (
        "2026-03-01T11:40:00.000000Z\terror\tmodel\tFailed to get jwks URI from issuer"
        ' "https://id.example.net": dial tcp: lookup id.example.net: no such host'
    )

    (found,) = seen("OPS014", GATEWAY + text, line)

    assert found.objects[0].path == "/spec/jwtRules/0/issuer"
    assert "no such host" in found.message


AUTHENTICATION = """
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: tokens, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{istio: ingress}}}}
  jwtRules: [{{issuer: https://id.example.net, jwks: "{{}}"}}]
---
"""


@pytest.mark.parametrize(
    ("rules", "count"),
    [
        ('[{from: [{source: {requestPrincipals: ["*"]}}]}]', 1),
        ("[{when: [{key: 'request.auth.claims[group]', values: [staff]}]}]", 1),
        ('[{from: [{source: {requestPrincipals: ["*"]}}]}, {}]', 0),
        ("[{to: [{operation: {paths: [/x]}}]}]", 0),
    ],
)
def test_a_token_that_nothing_checks_lets_nothing_through(rules: str, count: int):
    text = GATEWAY + routes("") + policy("ALLOW", rules)

    assert len(find("OPS016", text)) == count
    assert not find("OPS016", text + AUTHENTICATION.format(namespace="istio-system"))
    assert len(find("OPS016", text + AUTHENTICATION.format(namespace="shop"))) == count


def test_nothing_is_said_of_tokens_where_authentications_were_not_read():
    tokens = policy("ALLOW", '[{from: [{source: {requestPrincipals: ["*"]}}]}]')

    assert not seen("OPS016", GATEWAY + routes("") + tokens, unread=Kind.REQUEST_AUTHENTICATION)


@pytest.mark.parametrize(
    ("match", "severity"),
    [
        ('match: [{headers: {"@request.auth.claims.group": {exact: x}}}],', Severity.CRITICAL),
        ('match: [{headers: {"@Request.Auth.Claims[a][b]": {exact: x}}}],', Severity.CRITICAL),
        (
            'match: [{headers: {"@request.auth.claims.group": {exact: x}}}, {uri: {exact: /}}],',
            None,
        ),
        ('match: [{withoutHeaders: {"@request.auth.claims.group": {exact: x}}}],', None),
    ],
)
def test_claims_that_nothing_checks_are_matched_by_no_request(
    match: str, severity: Severity | None
):
    found = find("VS021", GATEWAY + routes(match))

    assert [each.severity for each in found] == ([severity] if severity else [])
    assert not find(
        "VS021", GATEWAY + routes(match) + AUTHENTICATION.format(namespace="istio-system")
    )
