"""HTTP014."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.http_answers import is_own, loops
from istiodoctor.model.observation import HttpStep
from istiodoctor_checks._wire import observed_evidence


@check("HTTP014", severity=Severity.CRITICAL, explains={"HTTP009"})
def redirect_loop_seen(mesh: Mesh) -> Iterator[Finding]:
    """Requests are redirected in a loop, by the gateway or by a proxy before it.

    Seen on the wire: the redirects led back to an address that was asked before, or there were
    more than ten, and the answer came from the gateway itself: it has no
    `x-envoy-upstream-service-time`. Browsers say ERR_TOO_MANY_REDIRECTS.

    Something before the gateway ends TLS and goes on to a server that redirects (HTTP001,
    HTTP002, HTTP003), or a route redirects https:// to itself (HTTP010, GWAPI005).

    Fix: that of the cause in the report.

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
      outcome: loop
      steps:
      - {url: "http://shop.example.com/", status: 301, location: "https://shop.example.com/"}
      - {url: "https://shop.example.com/", status: 301, location: "https://shop.example.com/"}
    ```

    ```finding
    critical, observed: Gateway shop/web spec.servers[0]
    hosts: shop.example.com
    http://shop.example.com/ ends in a circle: https://shop.example.com/ is redirected to
    https://shop.example.com/ by the gateway.
    ```

    One redirect, from http:// to https://, is what is wanted:

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
      steps:
      - {url: "http://shop.example.com/", status: 301, location: "https://shop.example.com/"}
      - {url: "https://shop.example.com/", status: 200}
    ```

    Sources: istio.io, Traffic Management Problems; istio/istio issues 23674, 27315.
    """
    for loop in loops(mesh):
        if not loop.step.from_upstream:
            step = loop.step
            yield Finding(
                message=(
                    f"{loop.observation.target.url} ends in a circle: {step.url} is redirected"
                    f" to {step.location} by {_who(step)}."
                ),
                objects=(loop.server.place,),
                identity=Identity.of(loop.server.gateway, loop.observation.target.host),
                hosts=frozenset({loop.observation.target.host}),
                evidence=observed_evidence(loop.observation.steps),
                confidence=Confidence.OBSERVED,
                servers=frozenset({loop.server.id}),
            )


def _who(step: HttpStep) -> str:
    return "the gateway" if is_own(step) else step.server or "what stands before the gateway"
