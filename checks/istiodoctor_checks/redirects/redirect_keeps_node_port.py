"""HTTP006."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.http_answers import kept_node_ports
from istiodoctor_checks.wire import observed_evidence


@check("HTTP006", severity=Severity.LOW)
def redirect_keeps_node_port(mesh: Mesh) -> Iterator[Finding]:
    """The redirect to https:// keeps the node port of plain HTTP.

    Envoy answers with the port that the client asked for: http://shop.example.com:30080 is sent
    to https://shop.example.com:30080, where nobody speaks TLS (`wrong version number`). This
    concerns those who use the node port itself; behind a forwarding from 80 to 30080 the
    client's port is 80 and the redirect is right.

    Fix: forward ports 80 and 443 of the address that clients use to the node ports, or ask for
    the node port of https directly.

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
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: NodePort
      selector: {istio: ingressgateway}
      ports:
      - {name: http2, port: 80, targetPort: 80, nodePort: 30080}
      - {name: https, port: 443, targetPort: 443, nodePort: 30443}
    ```

    ```http bad
    - host: shop.example.com
      server: shop/web/0
      node: 192.0.2.7
      outcome: left
      steps: [{url: "http://shop.example.com:30080/", status: 301, location: "https://shop.example.com:30080/"}]
    ```

    Behind a forwarding of port 80:

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
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: NodePort
      selector: {istio: ingressgateway}
      ports:
      - {name: http2, port: 80, targetPort: 80, nodePort: 30080}
      - {name: https, port: 443, targetPort: 443, nodePort: 30443}
    ```

    ```http good
    - host: shop.example.com
      server: shop/web/0
      node: 192.0.2.7
      steps: [{url: "http://shop.example.com/", status: 301, location: "https://shop.example.com/"}]
    ```

    Sources: Envoy's documentation, HTTP route components, RedirectAction; istio/istio issue
    31363.
    """
    for server, step in kept_node_ports(mesh):
        yield Finding(
            message=(
                f"{server} answers {step.url} with a redirect to {step.location}: the node port of"
                " plain HTTP, where nobody speaks TLS. It concerns clients of the node port only."
            ),
            objects=(server.place,),
            identity=Identity.of(server.gateway),
            hosts=frozenset(server.names),
            evidence=observed_evidence((step,)),
            confidence=Confidence.OBSERVED,
            servers=frozenset({server.id}),
        )
