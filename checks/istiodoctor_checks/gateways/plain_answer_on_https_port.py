"""GW021."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.unserved_names import unserved_handshakes
from istiodoctor.model.ref import Place
from istiodoctor.text import listing
from istiodoctor_checks._wire import observed_evidence


@check("GW021", severity=Severity.CRITICAL)
def plain_answer_on_https_port(mesh: Mesh) -> Iterator[Finding]:
    """An HTTPS port answers TLS handshakes in plain text.

    Seen on the wire: curl says `wrong version number`, browsers ERR_SSL_PROTOCOL_ERROR. What
    listens there speaks plain HTTP: the server has `protocol: HTTP` (GW005), a plain server took
    the port from the TLS servers (GW004), or the Service sends its port 443 to the port of plain
    HTTP (HTTP003, SVC003).

    Nothing is said where a load balancer or proxy is known to end TLS before that port.

    Fix: that of the cause in the report.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTP}
        hosts: [shop.example.com]
    ```

    ```tls bad
    - pod: istio-system/gateway
      port: 8443
      sni: shop.example.com
      outcome: not-tls
    ```

    ```finding
    critical, observed: Gateway shop/web spec.servers[0]
    hosts: shop.example.com
    Pod istio-system/gateway port 8443 answers a TLS handshake for shop.example.com in plain text:
    clients of https:// fail with “wrong version number”.
    ```

    Here the load balancer ends TLS, and the pod gets plain HTTP:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
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
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTP}
        hosts: [shop.example.com]
    ```

    ```tls good
    - pod: istio-system/gateway
      port: 8443
      sni: shop.example.com
      outcome: not-tls
    ```

    Sources: istio.io, Traffic Management Problems; istio/istio issues 16778, 17265, 40923.
    """
    for asked in unserved_handshakes(mesh):
        unserved = asked.unserved
        if asked.plain and not asked.completed:
            access_points = listing(each.target.access_point for each in asked.plain)
            yield Finding(
                message=(
                    f"{access_points} answers a TLS handshake for {unserved.name} in plain text:"
                    f" clients of https:// fail with “wrong version number”."
                ),
                objects=(unserved.server.place, Place(unserved.listener.workload.owner)),
                identity=Identity.of(unserved.server.gateway, unserved.name),
                hosts=frozenset({unserved.name}),
                evidence=observed_evidence(asked.plain),
                confidence=Confidence.OBSERVED,
                servers=frozenset({unserved.server.id}),
            )
