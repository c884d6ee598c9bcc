"""HTTP015."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.http_answers import error_answers, is_own
from istiodoctor.model.observation import HttpStep
from istiodoctor_checks._wire import observed_evidence


@check("HTTP015", severity=Severity.HIGH)
def gateway_answers_error(mesh: Mesh) -> Iterator[Finding]:
    """Requests end in an error response of the gateway or of a proxy before it.

    Seen on the wire: 502, 503 or 504 without `x-envoy-upstream-service-time`, so no application
    answered; a 403 with `RBAC: access denied`, from an AuthorizationPolicy at the gateway; or a
    backend that says it was sent plain HTTP and speaks TLS.

    The request was a GET for `/`. A 404 is not held against a gateway: not every path leads
    somewhere.

    Fix: that of the cause in the report; where there is none, the gateway's access log has
    the response flags: UH no healthy endpoint, UF no connection, UC connection ended, NC no such
    cluster.

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
    ```

    ```http bad
    - host: shop.example.com
      server: shop/web/0
      steps: [{url: "http://shop.example.com/", status: 503, body: "upstream connect error"}]
    ```

    ```finding
    high, observed: Gateway shop/web spec.servers[0]
    hosts: shop.example.com
    http://shop.example.com/ is answered with 503 by the gateway, on the way to Gateway shop/web
    server 80 (http): upstream connect error.
    ```

    An error that the application itself answers with is its own:

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
    ```

    ```http good
    - host: shop.example.com
      server: shop/web/0
      steps:
      - {url: "http://shop.example.com/", status: 503, from_upstream: true}
    ```

    Sources: istio.io, Traffic Management Problems; Envoy's documentation, Access logging,
    response flags.
    """
    for server, steps in error_answers(mesh).items():
        step = steps[0]
        words = f": {step.body}" if step.body else ""
        yield Finding(
            message=(
                f"{step.url} is answered with {step.status} by {_who(step)}, on the way to"
                f" {server}{words}."
            ),
            objects=(server.place,),
            identity=Identity.of(server.gateway, str(step.status)),
            hosts=frozenset(server.names),
            evidence=observed_evidence(steps),
            confidence=Confidence.OBSERVED,
            servers=frozenset({server.id}),
        )


def _who(step: HttpStep) -> str:
    if is_own(step) or (step.access_point and step.access_point.pod):
        return "the gateway"
    return f"{step.server or 'what stands'} before the gateway"
