"""HTTP017."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor_checks._wire import observed_evidence
from istiodoctor_checks.redirects._configuration_drift import unknown_hosts


@check("HTTP017", severity=Severity.LOW)
def host_without_route(mesh: Mesh) -> Iterator[Finding]:
    """The gateway answers 404 for a host that no route is bound for.

    Seen on the wire, and said by the objects: the answer has Envoy's name, no page, and no
    `x-envoy-upstream-service-time`, so no application gave it; and no VirtualService or HTTPRoute
    that binds to the server has the host.

    A 404 from an application, from a `directResponse`, or for a path that no rule of the host
    takes is not held against a gateway.

    Fix: that of the cause in the report; where there is none, bind a route for the host.

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
      port: 80
      steps: [{url: "http://shop.example.com/", status: 404}]
    ```

    ```finding
    low, observed: Gateway shop/web spec.servers[0].hosts
    hosts: shop.example.com
    Gateway shop/web server 80 (http) has no route for shop.example.com: the gateway itself answers
    http://shop.example.com/ with 404.
    ```

    Here the application answers so:

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
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {ports: [{name: http, port: 80}], selector: {app: shop}}
    ---
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: shop-1, namespace: shop, labels: {kubernetes.io/service-name: shop}}
    addressType: IPv4
    ports: [{name: http, port: 80}]
    endpoints: [{addresses: [10.0.0.7], conditions: {ready: true}}]
    ```

    ```http good
    - host: shop.example.com
      server: shop/web/0
      port: 80
      steps: [{url: "http://shop.example.com/", status: 404, from_upstream: true}]
    ```

    And here the host has routes, though none for this path:

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
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{match: [{uri: {regex: "/v[0-9]+"}}], route: [{destination: {host: shop}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {ports: [{name: http, port: 80}], selector: {app: shop}}
    ---
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: shop-1, namespace: shop, labels: {kubernetes.io/service-name: shop}}
    addressType: IPv4
    ports: [{name: http, port: 80}]
    endpoints: [{addresses: [10.0.0.7], conditions: {ready: true}}]
    ```

    ```http good
    - host: shop.example.com
      server: shop/web/0
      port: 80
      steps: [{url: "http://shop.example.com/", status: 404}]
    ```

    Sources: istio.io, Traffic Management Problems (404 errors).
    """
    for server, hosts in unknown_hosts(mesh).items():
        for host, steps in hosts.items():
            yield Finding(
                message=(
                    f"{server} has no route for {host}: the gateway itself answers {steps[0].url}"
                    " with 404."
                ),
                objects=(server.field("/hosts"),),
                identity=Identity.of(server.gateway, host),
                hosts=frozenset({host}),
                evidence=observed_evidence(steps),
                confidence=Confidence.OBSERVED,
                servers=frozenset({server.id}),
            )
