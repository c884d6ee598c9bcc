"""HTTP008."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.exposure.http_behind_proxy import untold_backends
from istiodoctor_checks.redirects.redirect_fixes import trust_the_proxy


@check("HTTP008", severity=Severity.LOW, explains={"HTTP007", "HTTP019"})
def forwarded_proto_http_to_backend(mesh: Mesh) -> Iterator[Finding]:
    """Behind a proxy that ends TLS, the application gets X-Forwarded-Proto: http.

    TLS ends before the gateway and the request comes on in plain HTTP. With `numTrustedProxies:
    0` Envoy overwrites `X-Forwarded-Proto` with http. An application that goes by the header
    builds http:// links, cookies without Secure and wrong OIDC redirect URIs, or redirects
    without end. One that does not is fine.

    Fix: `numTrustedProxies: 1` where every client comes through the proxy; or set the header in
    the VirtualService (`headers.request.set`).

    ```yaml bad
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: istiod, namespace: istio-system}
    spec:
      selector: {matchLabels: {app: istiod}}
      template:
        metadata: {labels: {app: istiod}}
        spec: {containers: [{name: discovery, image: "istio/pilot:1.22.3"}]}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data: {mesh: "defaultConfig: {}"}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: gateway
      namespace: istio-system
      annotations:
        service.beta.kubernetes.io/aws-load-balancer-ssl-cert: arn:aws:acm:eu:1:certificate/a
        service.beta.kubernetes.io/aws-load-balancer-ssl-ports: https
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8080}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - {port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.example.com]}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http:
      - route: [{destination: {host: shop}}]
    ```

    ```finding
    low, suspected: Gateway shop/web spec.servers[0].hosts
    hosts: shop.example.com
    Gateway shop/web server 80 (http) gets plain requests for shop.example.com because of the load
    balancer of Service istio-system/gateway, which ends TLS
    (service.beta.kubernetes.io/aws-load-balancer-ssl-cert), and tells the application that they
    came by http: its links may be wrong.
    ```

    ```yaml good
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: istiod, namespace: istio-system}
    spec:
      selector: {matchLabels: {app: istiod}}
      template:
        metadata: {labels: {app: istiod}}
        spec: {containers: [{name: discovery, image: "istio/pilot:1.22.3"}]}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data: {mesh: "defaultConfig: {}"}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: gateway
      namespace: istio-system
      annotations:
        service.beta.kubernetes.io/aws-load-balancer-ssl-cert: arn:aws:acm:eu:1:certificate/a
        service.beta.kubernetes.io/aws-load-balancer-ssl-ports: https
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8080}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - {port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.example.com]}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http:
      - headers: {request: {set: {x-forwarded-proto: https}}}
        route: [{destination: {host: shop}}]
    ```

    Sources: istio.io, Configuring Gateway Network Topology; istio/istio issues 7964, 18300.
    """
    for plain, front in untold_backends(mesh):
        yield Finding(
            message=(
                f"{plain.server} gets plain requests for {plain.host} because of {front.text},"
                " and tells the application that they came by http: its links may be wrong."
            ),
            objects=(plain.server.field("/hosts"), *((front.place,) if front.place else ())),
            identity=Identity.of(plain.server.gateway),
            hosts=frozenset({plain.host}),
            evidence=(Evidence(text=f"numTrustedProxies of {plain.workload}: 0"),),
            fixes=(trust_the_proxy(plain),),
            confidence=Confidence.SUSPECTED,
            servers=frozenset({plain.server.id}),
        )
