"""SVC017."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import remove_field
from istiodoctor.mesh import Mesh
from istiodoctor.text import host_listing, listing
from istiodoctor_checks.services._load_balancer_listeners import http_listeners_before_tls


@check("SVC017", severity=Severity.CRITICAL)
def http_listener_before_tls_port(mesh: Mesh) -> Iterator[Finding]:
    """A load balancer takes HTTP on the port of https://, so no TLS handshake passes.

    Some annotations make every port of a Service's load balancer one of HTTP, port 443 too, if
    the load balancer has no certificate: `aws-load-balancer-backend-protocol: http` on a Classic
    Load Balancer, `do-loadbalancer-protocol: http`, `x-forwarded-for: "true"` of OpenStack. It
    then takes the client's handshake for a malformed request and answers 400 or closes the
    connection; nothing reaches the gateway, which would end TLS.

    Fix: remove the annotation, so that the load balancer passes TCP on.

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
        service.beta.kubernetes.io/aws-load-balancer-backend-protocol: http
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
    metadata.annotations["service.beta.kubernetes.io/aws-load-balancer-backend-protocol"]
    hosts: shop.example.com
    The load balancer of Service istio-system/gateway takes HTTP on port 443, and Gateway shop/web
    server 443 (web) behind it speaks TLS: handshakes for shop.example.com do not pass.
    ```

    A Network Load Balancer passes TCP on whatever the annotation says:

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
        service.beta.kubernetes.io/aws-load-balancer-backend-protocol: http
        service.beta.kubernetes.io/aws-load-balancer-type: nlb
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

    Sources: kubernetes/cloud-provider-aws, pkg/providers/v1/aws.go (`buildListener`);
    digitalocean-cloud-controller-manager, annotations; kubernetes/kubernetes issue 40244.
    """
    for each in http_listeners_before_tls(mesh):
        service, port = each.route.service, each.route.port.port
        yield Finding(
            message=(
                f"The load balancer of {service.ref} takes HTTP on port {port}, and"
                f" {listing(each.servers)} behind it speaks TLS: handshakes for"
                f" {host_listing(sorted(each.hosts))} do not pass."
            ),
            objects=(each.place, *(server.place for server in each.servers)),
            identity=Identity.of(service.ref, str(port)),
            hosts=each.hosts,
            evidence=(
                Evidence(
                    text=f"{each.annotation}: {service.metadata.annotations[each.annotation]},"
                    " and no certificate for the load balancer",
                    ref=service.ref,
                ),
            ),
            fixes=(
                remove_field(
                    each.place,
                    "Let the load balancer pass TCP on",
                    why="It then adds no X-Forwarded-For; the PROXY protocol, or "
                    "externalTrafficPolicy: Local, keeps the client's address.",
                ),
            ),
            severity=Severity.CRITICAL if each.is_only_way else Severity.HIGH,
            confidence=Confidence.CERTAIN if each.is_certain else Confidence.SUSPECTED,
            servers=frozenset(server.id for server in each.servers),
        )
