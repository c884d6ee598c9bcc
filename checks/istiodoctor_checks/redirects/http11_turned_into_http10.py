"""HTTP016."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, Risk
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.http_answers import refused_as_obsolete
from istiodoctor_checks._wire import observed_evidence


@check("HTTP016", severity=Severity.CRITICAL)
def http11_turned_into_http10(mesh: Mesh) -> Iterator[Finding]:
    """A proxy before the gateway turns requests into HTTP/1.0, which Envoy refuses with 426.

    Seen on the wire: a request in HTTP/1.1, sent to the load balancer or to where the host's name
    leads, came back with "426 Upgrade Required". That is Envoy's answer to HTTP/1.0, so something
    on the way speaks that to the gateway: nearly always nginx, which does unless told otherwise.
    The pods themselves were not seen to answer so.

    Fix: `proxy_http_version 1.1;` in nginx.

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
      address: 203.0.113.10
      port: 80
      steps: [{url: "http://shop.example.com/", status: 426}]
    - host: shop.example.com
      server: shop/web/0
      steps: [{url: "http://shop.example.com/", status: 200, from_upstream: true}]
    ```

    ```finding
    critical, observed: Gateway shop/web spec.servers[0]
    hosts: shop.example.com
    http://shop.example.com/ is answered with 426 through 203.0.113.10:80, though it was asked in
    HTTP/1.1: something before Gateway shop/web server 80 (http) speaks HTTP/1.0 to it.
    ```

    An application that asks for another protocol gives the answer itself:

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
      address: 203.0.113.10
      port: 80
      steps: [{url: "http://shop.example.com/", status: 426, from_upstream: true}]
    ```

    Sources: istio.io, Traffic Management Problems (Envoy will not connect to my HTTP/1.0
    service).
    """
    for server, steps in refused_as_obsolete(mesh).items():
        step = steps[0]
        yield Finding(
            message=(
                f"{step.url} is answered with 426 through {step.access_point}, though it was asked"
                f" in HTTP/1.1: something before {server} speaks HTTP/1.0 to it."
            ),
            objects=(server.place,),
            identity=Identity.of(server.gateway),
            hosts=frozenset(server.names),
            evidence=observed_evidence(steps),
            fixes=(
                Fix(
                    title="Make the proxy before the gateway speak HTTP/1.1",
                    risk=Risk.OUTSIDE_CLUSTER,
                    why="In nginx: proxy_http_version 1.1; in the location that proxies.",
                ),
            ),
            confidence=Confidence.OBSERVED,
            servers=frozenset({server.id}),
        )
