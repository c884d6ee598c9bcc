"""VS021."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, get
from istiodoctor.mesh import Mesh
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing
from istiodoctor_checks.routing._claim_matches import unmatched_claims


@check("VS021", severity=Severity.CRITICAL, explains={"GW019", "HTTP015"})
def claims_matched_and_not_checked(mesh: Mesh) -> Iterator[Finding]:
    """A route matches claims of a token, and no RequestAuthentication checks tokens.

    `@request.auth.claims` in a match stands for what a RequestAuthentication at the gateway made
    of the request's token. Where none applies to the gateway's pods, no request has claims, so the
    rule takes none: 404, or the answer of a later rule. istioctl analyze says IST0149.

    Fix: give the gateway a RequestAuthentication for the issuer of the tokens.

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
      - match: [{headers: {"@request.auth.claims.groups": {exact: staff}}}]
        route: [{destination: {host: shop}}]
    ```

    ```finding
    critical: VirtualService shop/shop spec.http[0].match
    hosts: shop.example.com
    VirtualService shop/shop spec.http[0].match matches claims of a token, and no
    RequestAuthentication applies to Pod istio-system/gateway: no request for shop.example.com has
    any, and all get 404.
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
      - match: [{headers: {"@request.auth.claims.groups": {exact: staff}}}]
        route: [{destination: {host: shop}}]
    ---
    apiVersion: security.istio.io/v1
    kind: RequestAuthentication
    metadata: {name: tokens, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      jwtRules: [{issuer: "https://id.example.net", jwksUri: "https://id.example.net/keys"}]
    ```

    Sources: istio.io, JWT claim based routing; istio/istio, pkg/jwt/routing.go, IST0149.
    """
    for each in unmatched_claims(mesh):
        yield Finding(
            message=(
                f"{listing(each.places)} matches claims of a token, and no RequestAuthentication"
                f" applies to {each.workload}: no request for {host_listing(each.hosts)} has any,"
                f" and {'all get 404' if each.is_whole else 'the rule takes none'}."
            ),
            objects=(*each.places, Place(each.workload.owner)),
            identity=Identity.of(each.source.ref, str(each.workload.owner.path)),
            hosts=frozenset(each.hosts),
            evidence=(Evidence(text=f"RequestAuthentications of {each.workload}: none"),),
            fixes=(
                Fix(
                    title=f"Give {each.workload} a RequestAuthentication for the issuer of the"
                    " tokens",
                    verify=get(each.source.ref),
                    why="In the namespace of the pods, with their labels as its selector.",
                ),
            ),
            severity=Severity.CRITICAL if each.is_whole else Severity.HIGH,
            servers=frozenset(server.id for server in each.servers),
        )
