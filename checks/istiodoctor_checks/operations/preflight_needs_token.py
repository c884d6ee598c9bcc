"""OPS015."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, json_patch, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.policies.authorization_rules import PolicyAction
from istiodoctor.model.ref import Place
from istiodoctor.text import SHOWN, listing
from istiodoctor_checks.operations._wanted_tokens import DeniedForToken, denied_preflights

WHY = (
    "Envoy answers preflights for routes with CORS settings itself; any other OPTIONS request"
    " then reaches the backend without a token."
)


@check("OPS015", severity=Severity.MEDIUM, explains={"OPS010"})
def preflight_needs_token(mesh: Mesh) -> Iterator[Finding]:
    """An AuthorizationPolicy that asks for a token denies CORS preflights.

    Before a request of another origin a browser asks with OPTIONS whether it may, and sends no
    `Authorization` with that. A policy that denies requests without a token answers 403, and the
    browser reports a CORS error, whatever `corsPolicy` allows: the policies stand before the
    filter that answers preflights.

    Fix: leave OPTIONS out of what the policy denies, or allow it.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http:
      - corsPolicy: {allowOrigins: [{exact: "https://www.example.com"}], allowMethods: [GET]}
        route: [{destination: {host: shop}}]
    ---
    apiVersion: security.istio.io/v1
    kind: RequestAuthentication
    metadata: {name: tokens, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      jwtRules: [{issuer: "https://id.example.net", jwksUri: "https://id.example.net/keys"}]
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: tokens, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      action: DENY
      rules: [{from: [{source: {notRequestPrincipals: ["*"]}}]}]
    ```

    ```finding
    medium: AuthorizationPolicy istio-system/tokens spec.rules[0]
    hosts: shop.example.com
    AuthorizationPolicy istio-system/tokens denies requests without a token at Pod
    istio-system/gateway, and so the CORS preflights (OPTIONS) that VirtualService shop/shop
    spec.http[0] is to answer: browsers send no token with them and get 403.
    ```

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http:
      - corsPolicy: {allowOrigins: [{exact: "https://www.example.com"}], allowMethods: [GET]}
        route: [{destination: {host: shop}}]
    ---
    apiVersion: security.istio.io/v1
    kind: RequestAuthentication
    metadata: {name: tokens, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      jwtRules: [{issuer: "https://id.example.net", jwksUri: "https://id.example.net/keys"}]
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: tokens, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      action: ALLOW
      rules: [{from: [{source: {requestPrincipals: ["https://id.example.net/*"]}}]}]
    ```

    ```finding
    medium: AuthorizationPolicy istio-system/tokens spec.rules
    hosts: shop.example.com
    AuthorizationPolicy istio-system/tokens denies requests without a token at Pod
    istio-system/gateway, and so the CORS preflights (OPTIONS) that VirtualService shop/shop
    spec.http[0] is to answer: browsers send no token with them and get 403.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http:
      - corsPolicy: {allowOrigins: [{exact: "https://www.example.com"}], allowMethods: [GET]}
        route: [{destination: {host: shop}}]
    ---
    apiVersion: security.istio.io/v1
    kind: RequestAuthentication
    metadata: {name: tokens, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      jwtRules: [{issuer: "https://id.example.net", jwksUri: "https://id.example.net/keys"}]
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: tokens, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      action: DENY
      rules:
      - from: [{source: {notRequestPrincipals: ["*"]}}]
        to: [{operation: {notMethods: [OPTIONS]}}]
    ```

    Sources: Fetch standard, CORS-preflight fetch; istio/istio, pilot/pkg/networking/core/
    listener_builder.go (order of the filters); istio/istio issues 45716, 40540.
    """
    for each in denied_preflights(mesh):
        names = listing(policy.ref for policy in each.policies)
        denies = "deny" if len(each.policies) > 1 else "denies"
        rules = tuple(each.rules)[:SHOWN]
        yield Finding(
            message=(
                f"{names} {denies} requests without a token at {each.workload}, and so the CORS"
                f" preflights (OPTIONS) that {rules[0]} is to answer: browsers send no token with"
                f" them and get 403."
            ),
            objects=(*each.places, *rules),
            identity=Identity.of(each.places[0].ref, str(each.workload.owner.path)),
            hosts=frozenset(each.hosts),
            evidence=(Evidence(text=f"{rules[0]} has CORS settings", ref=rules[0].ref),),
            fixes=(_fix(each),),
            servers=frozenset(server.id for server in each.servers),
        )


def _fix(each: DeniedForToken) -> Fix:
    policy, place = each.policies[0], each.places[0]
    if (policy.spec.action or PolicyAction.ALLOW) == PolicyAction.ALLOW:
        rule = {"to": [{"operation": {"methods": ["OPTIONS"]}}]}
        return json_patch(
            policy.ref,
            [{"op": "add", "path": "/spec/rules/-", "value": rule}],
            f"Allow OPTIONS in {policy.ref}",
            why=WHY,
        )
    index = place.path.rpartition("/")[2]
    if index.isdecimal() and not policy.spec.rules[int(index)].operations:
        return set_field(
            Place(place.ref, f"{place.path}/to"),
            [{"operation": {"notMethods": ["OPTIONS"]}}],
            f"Leave OPTIONS out of what {policy.ref} denies",
            why=WHY,
        )
    return Fix(title=f"Leave OPTIONS out of what {place} denies (notMethods)", why=WHY)
