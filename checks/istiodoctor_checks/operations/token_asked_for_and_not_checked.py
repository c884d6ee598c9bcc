"""OPS016."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, get
from istiodoctor.mesh import Mesh
from istiodoctor.text import host_listing, listing
from istiodoctor_checks.operations._wanted_tokens import denied_for_unchecked_tokens


@check("OPS016", severity=Severity.CRITICAL, explains={"OPS010", "OPS015", "HTTP015"})
def token_asked_for_and_not_checked(mesh: Mesh) -> Iterator[Finding]:
    """An AuthorizationPolicy asks for a token, and no RequestAuthentication checks one.

    `requestPrincipals`, `request.auth.principal` and claims are known of a request only once a
    RequestAuthentication that applies to the same pods has checked its token. Without one, no
    request has them, whatever token it carries: an ALLOW policy that asks for them allows nothing,
    and a DENY policy for requests without them denies all (403, `RBAC: access denied`).

    One in the namespace of the application, or with a selector for its pods, does not apply to the
    gateway.

    Fix: give the gateway a RequestAuthentication, or ask for the token at the application.

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
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: tokens, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      action: ALLOW
      rules: [{from: [{source: {requestPrincipals: ["*"]}}]}]
    ---
    apiVersion: security.istio.io/v1
    kind: RequestAuthentication
    metadata: {name: tokens, namespace: shop}
    spec:
      selector: {matchLabels: {app: shop}}
      jwtRules: [{issuer: "https://id.example.net", jwksUri: "https://id.example.net/keys"}]
    ```

    ```finding
    critical: AuthorizationPolicy istio-system/tokens spec.rules
    hosts: shop.example.com
    AuthorizationPolicy istio-system/tokens asks for a token at Pod istio-system/gateway, and no
    RequestAuthentication applies there to check one: requests for shop.example.com get 403, with
    whatever token.
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
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: tokens, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      action: ALLOW
      rules: [{from: [{source: {requestPrincipals: ["*"]}}]}]
    ---
    apiVersion: security.istio.io/v1
    kind: RequestAuthentication
    metadata: {name: tokens, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      jwtRules: [{issuer: "https://id.example.net", jwksUri: "https://id.example.net/keys"}]
    ```

    Sources: istio.io, AuthorizationPolicy (Source.requestPrincipals) and RequestAuthentication;
    istio/istio, pilot/pkg/security/authz/model/generator.go.
    """
    for each in denied_for_unchecked_tokens(mesh):
        names = listing(policy.ref for policy in each.policies)
        asks = "ask" if len(each.policies) > 1 else "asks"
        yield Finding(
            message=(
                f"{names} {asks} for a token at {each.workload}, and no RequestAuthentication"
                f" applies there to check one: requests for {host_listing(each.hosts)} get 403,"
                " with whatever token."
            ),
            objects=(*each.places, *tuple(each.rules)[:1]),
            identity=Identity.of(each.places[0].ref, str(each.workload.owner.path)),
            hosts=frozenset(each.hosts),
            evidence=(
                Evidence(text=f"RequestAuthentications of {each.workload}: none"),
                Evidence(text=f"{each.places[0]} asks for a token", ref=each.places[0].ref),
            ),
            fixes=(
                Fix(
                    title=f"Give {each.workload} a RequestAuthentication for the issuer of the"
                    " tokens",
                    commands=(get(each.places[0].ref),),
                    why="With the same selector or targetRefs as the policy, in the same"
                    " namespace.",
                ),
            ),
            servers=frozenset(server.id for server in each.servers),
        )
