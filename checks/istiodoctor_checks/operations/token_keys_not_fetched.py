"""OPS014."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, get
from istiodoctor.mesh import Mesh
from istiodoctor.model.ref import Place
from istiodoctor_checks.operations._token_keys import MissingKeys, missing_token_keys


@check("OPS014", severity=Severity.HIGH, explains={"HTTP015"})
def token_keys_not_fetched(mesh: Mesh) -> Iterator[Finding]:
    """Istiod cannot fetch the keys that a RequestAuthentication checks tokens with.

    istiod, not the gateway, fetches the keys (`jwksUri`, or what the issuer's
    `.well-known/openid-configuration` names) and sends them to Envoy. Where it cannot, it sends a
    key that nobody can sign with: every token of that issuer gets 401 (`jwt_authn_access_denied`,
    `Jwks doesn't have key to match kid or alg from Jwt`).

    Usual reasons: istiod has no way to the issuer (an egress rule, a proxy), it does not know the
    CA of an internal issuer, or the address is wrong. Where it fails to fetch keys anew only, it
    goes on with the old ones until the issuer changes them.

    Fix: give istiod a way to the address and the CA (its certificate under
    `/cacerts/extra.pem`, `pilot.jwksResolverExtraRootCA` of the chart), or write the keys into
    `jwks`.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.3"}]}
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
    apiVersion: security.istio.io/v1
    kind: RequestAuthentication
    metadata: {name: tokens, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      jwtRules:
      - issuer: https://id.example.net
        jwksUri: https://id.example.net/keys
    ```

    ```log bad istio-system/istiod/discovery
    2026-03-01T11:40:00.000000Z	error	model	Failed to fetch public key from jwks URI "https://id.example.net/keys": Get "https://id.example.net/keys": x509: certificate signed by unknown authority
    ```

    ```log bad istio-system/gateway/istio-proxy
    [2026-03-01T11:41:00.000Z] "GET / HTTP/2" 401 - jwt_authn_access_denied{Jwks_doesn't_have_key_to_match_kid_or_alg_from_Jwt} - "-" 0 0 1 - "203.0.113.9" "curl/8.5.0" "2d4f" "shop.example.com" "-" - - 10.0.0.4:8443 203.0.113.9:51412 shop.example.com -
    ```

    ```finding
    high, observed: RequestAuthentication istio-system/tokens spec.jwtRules[0].jwksUri
    hosts: shop.example.com
    istiod cannot fetch the keys of the token issuer https://id.example.net for
    RequestAuthentication istio-system/tokens: Get "https://id.example.net/keys": x509: certificate
    signed by unknown authority. Requests at Pod istio-system/gateway with a token of it get 401.
    ```

    Keys of before are not lost when fetching them anew fails:

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.3"}]}
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
    apiVersion: security.istio.io/v1
    kind: RequestAuthentication
    metadata: {name: tokens, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      jwtRules:
      - issuer: https://id.example.net
        jwksUri: https://id.example.net/keys
    ```

    ```log bad istio-system/istiod/discovery
    2026-03-01T11:40:00.000000Z	error	model	Failed to refresh JWT public key from "https://id.example.net/keys": unsuccessful response from "https://id.example.net/keys"
    ```

    ```finding
    medium, observed: RequestAuthentication istio-system/tokens spec.jwtRules[0].jwksUri
    hosts: shop.example.com
    istiod cannot fetch the keys of the token issuer https://id.example.net for
    RequestAuthentication istio-system/tokens: unsuccessful response from
    "https://id.example.net/keys". Once the issuer changes its keys, requests with a token of it
    get 401.
    ```

    Once they were fetched, tokens are accepted:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.3"}]}
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
    apiVersion: security.istio.io/v1
    kind: RequestAuthentication
    metadata: {name: tokens, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      jwtRules:
      - issuer: https://id.example.net
        jwksUri: https://id.example.net/keys
    ```

    ```log good istio-system/istiod/discovery
    2026-03-01T11:40:00.000000Z	error	model	Failed to fetch public key from jwks URI "https://id.example.net/keys": Get "https://id.example.net/keys": context deadline exceeded
    2026-03-01T11:41:00.000000Z	info	model	Updated cached JWT public key from "https://id.example.net/keys"
    ```

    Sources: istio/istio, pilot/pkg/model/jwks_resolver.go (`GetPublicKey`, `BuildLocalJwks`);
    istio/istio issues 46350, 37456, 29366.
    """  # noqa: E501 - lines of logs are shown whole
    for each in missing_token_keys(mesh):
        last = each.last
        lines = (last, *each.refused[-1:])
        is_felt = each.refused or not each.may_have_older
        yield Finding(
            message=(
                f"istiod cannot fetch the keys of the token issuer {each.rule.issuer} for"
                f" {each.place.ref}: {last.reason}. {_consequence(each)}"
            ),
            objects=(each.place, Place(each.workload.owner)),
            identity=Identity.of(each.place.ref, each.rule.issuer),
            hosts=frozenset(name for server in each.servers for name in server.names),
            evidence=tuple(Evidence.of_line(fact.line) for fact in lines),
            fixes=(
                Fix(
                    title="Give istiod a way to the issuer and its CA, or write the keys to jwks",
                    verify=get(each.place.ref),
                    why="istiod fetches the keys itself, once a push needs them and every 20"
                    " minutes; a NetworkPolicy, a proxy or a private CA of the issuer's stands in"
                    " its way, not in the gateway's.",
                ),
            ),
            severity=Severity.HIGH if is_felt else Severity.MEDIUM,
            confidence=Confidence.OBSERVED,
            servers=frozenset(server.id for server in each.servers),
        )


def _consequence(each: MissingKeys) -> str:
    if each.may_have_older:
        return "Once the issuer changes its keys, requests with a token of it get 401."
    return f"Requests at {each.workload} with a token of it get 401."
