"""HTTP022."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, Risk
from istiodoctor.mesh import Mesh
from istiodoctor_checks._wire import observed_evidence
from istiodoctor_checks.redirects._plain_answers import lost_redirects

ASK_THE_PROXY = Fix(
    title="Redirect http:// in what stands before the gateway, or let it through as it came",
    risk=Risk.OUTSIDE_CLUSTER,
    why="In nginx: $scheme, not https, as X-Forwarded-Proto of what came on port 80.",
)


@check("HTTP022", severity=Severity.LOW)
def redirect_bypassed_before_gateway(mesh: Mesh) -> Iterator[Finding]:
    """Clients get a page over http:// although the gateway redirects to HTTPS.

    Seen on the wire: the pod redirects the host, but at the load balancer, or where the name
    leads, http:// is answered with a page. Something before the gateway answers by itself; or it
    tells the gateway `X-Forwarded-Proto: https` of everything, also of what came in the clear,
    and the gateway trusts it.

    Fix: redirect there, or let the proxy say how the client came.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
        tls: {httpsRedirect: true}
    ```

    ```http bad
    - host: shop.example.com
      server: shop/web/0
      port: 80
      steps: [{url: "http://shop.example.com/", status: 301, location: "https://shop.example.com/"}]
    - host: shop.example.com
      server: shop/web/0
      address: 203.0.113.10
      port: 80
      steps: [{url: "http://shop.example.com/", status: 200, from_upstream: true}]
    ```

    ```finding
    low, observed: Gateway shop/web spec.servers[0].tls.httpsRedirect
    hosts: shop.example.com
    Gateway shop/web redirects shop.example.com to HTTPS, and the pods do; but 203.0.113.10:80
    answers http://shop.example.com/ with 200: something before the gateway answers by itself, or
    says https of what came in the clear.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
        tls: {httpsRedirect: true}
    ```

    ```http good
    - host: shop.example.com
      server: shop/web/0
      port: 80
      steps: [{url: "http://shop.example.com/", status: 301, location: "https://shop.example.com/"}]
    - host: shop.example.com
      server: shop/web/0
      address: 203.0.113.10
      port: 80
      steps:
      - {url: "http://shop.example.com/", status: 301, location: "https://shop.example.com/"}
      - {url: "https://shop.example.com/", status: 200, from_upstream: true}
    ```

    Sources: istio.io, Configuring Gateway Network Topology; istio.io, Gateway reference
    (httpsRedirect).
    """
    for plain, steps in lost_redirects(mesh):
        yield Finding(
            message=(
                f"{plain.place.ref} redirects {plain.host} to HTTPS, and the pods do; but"
                f" {steps[0].access_point} answers {steps[0].url} with {steps[0].status}:"
                " something before the gateway answers by itself, or says https of what came in"
                " the clear."
            ),
            objects=(plain.place,),
            identity=Identity.of(plain.server.gateway, plain.host),
            hosts=frozenset({plain.host}),
            evidence=observed_evidence(steps),
            fixes=(ASK_THE_PROXY,),
            confidence=Confidence.OBSERVED,
            servers=frozenset({plain.server.id}),
        )
