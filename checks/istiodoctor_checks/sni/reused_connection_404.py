"""SNI014."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.reused_connections import lost_requests
from istiodoctor.model.ref import Place
from istiodoctor_checks._connection_coalescing import identity_of
from istiodoctor_checks._wire import observed_evidence


@check("SNI014", severity=Severity.HIGH)
def reused_connection_404(mesh: Mesh) -> Iterator[Finding]:
    """A host gets 404 on a reused connection of another host, and an answer on its own.

    Seen on the wire: what a browser does that has an HTTP/2 connection whose certificate covers
    the second host too (SNI003). A connection was made for the first host, and the second was
    asked for on it: the gateway has no route for it there. On a connection of its own it was
    answered.

    A gateway that answers 421 is not meant: browsers then try again on a connection of their own.

    Fix: one server for all hosts of a certificate, or a certificate of its own for every server.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: shop, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: blog, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [blog.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: istio-system}
    spec:
      hosts: [shop.example.com]
      gateways: [shop]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: blog, namespace: istio-system}
    spec:
      hosts: [blog.example.com]
      gateways: [blog]
      http: [{route: [{destination: {host: blog}}]}]
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: "certificate for *.example.com"
      tls.key: "key of *.example.com"
    ```

    ```http bad
    - pod: istio-system/gateway
      host: blog.example.com
      server: istio-system/blog/0
      steps: [{url: "https://blog.example.com/", status: 200, from_upstream: true}]
    - pod: istio-system/gateway
      host: blog.example.com
      sni: shop.example.com
      steps: [{url: "https://blog.example.com/", status: 404}]
    ```

    ```finding
    high, observed: Gateway istio-system/blog spec.servers[0]
    hosts: blog.example.com
    blog.example.com gets 404 on a connection that was made for shop.example.com, and 200 on one of
    its own: Gateway istio-system/shop server 443 (https) has no route for it, but a certificate
    that covers it, so browsers ask it.
    ```

    Whatever the page is, on both connections it is the same:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: shop, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: blog, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [blog.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: istio-system}
    spec:
      hosts: [shop.example.com]
      gateways: [shop]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: blog, namespace: istio-system}
    spec:
      hosts: [blog.example.com]
      gateways: [blog]
      http: [{route: [{destination: {host: blog}}]}]
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: "certificate for *.example.com"
      tls.key: "key of *.example.com"
    ```

    ```http good
    - pod: istio-system/gateway
      host: blog.example.com
      server: istio-system/blog/0
      steps: [{url: "https://blog.example.com/", status: 404}]
    - pod: istio-system/gateway
      host: blog.example.com
      sni: shop.example.com
      steps: [{url: "https://blog.example.com/", status: 404}]
    ```

    Sources: istio.io, Network Problems, 404 errors occur when multiple gateways configured with
    same TLS certificate; RFC 9113 section 9.1.1; istio/istio issues 9429, 13589.
    """
    for lost in lost_requests(mesh):
        misroute, pair = lost.pair.misroute, lost.pair
        yield Finding(
            message=(
                f"{pair.asked} gets 404 on a connection that was made for {pair.connected}, and"
                f" {lost.own.status} on one of its own: {misroute.lands_on} has no route for it,"
                f" but a certificate that covers it, so browsers ask it."
            ),
            objects=(
                misroute.server.place,
                misroute.lands_on.place,
                Place(misroute.credential.ref),
            ),
            identity=identity_of(pair.group),
            hosts=frozenset({misroute.host}),
            evidence=observed_evidence((lost.reused, lost.own)),
            confidence=Confidence.OBSERVED,
            credentials=frozenset({(misroute.credential.namespace, misroute.credential.name)}),
            servers=frozenset({misroute.server.id, misroute.lands_on.id}),
        )
