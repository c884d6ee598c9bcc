"""SVC016."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, get
from istiodoctor.mesh import Mesh
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing
from istiodoctor_checks.services._load_balancer_listeners import (
    PlainTraffic,
    plain_traffic_to_tls,
)

AWS = "aws-load-balancer"
"""The annotations whose effect is known from the source; of the others from documentation."""


@check("SVC016", severity=Severity.CRITICAL, explains={"MTLS010", "SNI001"})
def plain_traffic_to_tls_port(mesh: Mesh) -> Iterator[Finding]:
    """A load balancer ends TLS and sends plain text to a port on which the gateway speaks TLS.

    With a certificate of its own (annotations of the Service, or an Ingress before it) a load
    balancer decrypts, and unless it is told to encrypt again it goes on in plain text. Where its
    port leads to a server that ends TLS once more, or passes it through, Envoy finds no
    handshake and closes each connection: clients see 502, 503 or an empty answer.

    Fix: end TLS in one place. Either let the load balancer pass TCP on (remove its certificate),
    or send its port 443 to a plain HTTP server of the gateway.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: gateway
      namespace: istio-system
      annotations:
        service.beta.kubernetes.io/aws-load-balancer-ssl-cert: arn:aws:acm:x:1:certificate/x
        service.beta.kubernetes.io/aws-load-balancer-ssl-ports: "443"
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
      - port: {number: 443, name: web, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    ```finding
    critical: Service istio-system/gateway
    metadata.annotations["service.beta.kubernetes.io/aws-load-balancer-ssl-cert"]
    hosts: shop.example.com
    The load balancer of Service istio-system/gateway ends TLS and goes on in plain text to port
    8443 of Pod istio-system/gateway, where Gateway shop/web server 443 (web) takes TLS only:
    requests for shop.example.com through it get no answer.
    ```

    A server that passes TLS through needs it no less:

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: gateway
      namespace: istio-system
      annotations:
        service.beta.kubernetes.io/aws-load-balancer-ssl-cert: arn:aws:acm:x:1:certificate/x
        service.beta.kubernetes.io/aws-load-balancer-ssl-ports: "443"
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
      - port: {number: 443, name: web, protocol: TLS}
        hosts: [shop.example.com]
        tls: {mode: PASSTHROUGH}
    ```

    ```finding
    critical: Service istio-system/gateway
    metadata.annotations["service.beta.kubernetes.io/aws-load-balancer-ssl-cert"]
    hosts: shop.example.com
    The load balancer of Service istio-system/gateway ends TLS and goes on in plain text to port
    8443 of Pod istio-system/gateway, where Gateway shop/web server 443 (web) takes TLS only:
    requests for shop.example.com through it get no answer.
    ```

    Encrypted again, or sent to a plain server, it arrives:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: gateway
      namespace: istio-system
      annotations:
        service.beta.kubernetes.io/aws-load-balancer-ssl-cert: arn:aws:acm:x:1:certificate/x
        service.beta.kubernetes.io/aws-load-balancer-ssl-ports: "443"
        service.beta.kubernetes.io/aws-load-balancer-backend-protocol: ssl
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
      - port: {number: 443, name: web, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: gateway
      namespace: istio-system
      annotations:
        service.beta.kubernetes.io/aws-load-balancer-ssl-cert: arn:aws:acm:x:1:certificate/x
        service.beta.kubernetes.io/aws-load-balancer-ssl-ports: "443"
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
      - port: {number: 80, name: web, protocol: HTTP}
        hosts: [shop.example.com]
    ```

    Sources: AWS Load Balancer Controller, Service annotations (TLS); kubernetes/kubernetes issue
    40244; istio/istio issues 4037, 31421.
    """
    for each in plain_traffic_to_tls(mesh):
        is_certain = AWS in each.place.path
        yield Finding(
            message=(
                f"{_text(each)} ends TLS and goes on in plain text to port {each.listener.port} of"
                f" {each.listener.workload}, where {listing(each.servers)} takes TLS only:"
                f" requests for {host_listing(sorted(each.hosts))} through it get no answer."
            ),
            objects=(each.place, *(server.place for server in each.servers)),
            identity=Identity.of(each.place.ref, str(each.listener.port)),
            hosts=each.hosts,
            evidence=(
                Evidence(text=f"TLS ends at {each.place}", ref=each.place.ref),
                Evidence(text=f"port {each.listener.port} of the pods speaks TLS"),
            ),
            fixes=(_fix(each),),
            severity=Severity.CRITICAL if each.is_only_way else Severity.HIGH,
            confidence=Confidence.CERTAIN if is_certain else Confidence.SUSPECTED,
            servers=frozenset(server.id for server in each.servers),
        )


def _text(each: PlainTraffic) -> str:
    if each.place.ref.kind == "Ingress":
        return f"What serves {each.place.ref}"
    return f"The load balancer of {each.place.ref}"


def _fix(each: PlainTraffic) -> Fix:
    if each.place.ref.kind == "Ingress":
        title = f"Tell {each.place.ref} to speak TLS to its backend, or lead it to a plain server"
    else:
        title = "Take the certificate from the load balancer, or lead its port to a plain server"
    return Fix(
        title=title,
        commands=(get(each.place.ref),),
        verify=get(Place(each.servers[0].gateway).ref),
        why="With the certificate at the load balancer alone, the gateway needs a server with"
        " protocol HTTP behind its port 443, without httpsRedirect.",
    )
