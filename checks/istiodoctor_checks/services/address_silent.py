"""SVC011."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Fix, Identity, Risk, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.endpoints import Unreached, unreached_addresses
from istiodoctor.model.ref import Place
from istiodoctor_checks.wire import observed_evidence


@check("SVC011", severity=Severity.HIGH)
def address_silent(mesh: Mesh) -> Iterator[Finding]:
    """The gateway's address does not answer, though its pods do.

    Through the API server a pod completes the handshake; at the address of the load balancer, or
    the node's port, nobody answers. Between them stand a firewall, a security group, the health
    check of the load balancer, or `externalTrafficPolicy: Local` on nodes without a pod.

    It is suspected, not sure: istiodoctor looks from where it runs. An address for the inside of
    a network is not meant to answer outside it: for a private one this is low, and means little
    unless it was asked from that inside.

    Fix: permit the port in the firewall, and look at the load balancer's health checks.

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
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 443}]
    status: {loadBalancer: {ingress: [{ip: 203.0.113.10}]}}
    ```

    ```tls bad
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      chain: certificate for shop.example.com
    - address: 203.0.113.10
      service: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      outcome: timed-out
    ```

    Where the pods are silent too, the way to them is not the fault:

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
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 443}]
    status: {loadBalancer: {ingress: [{ip: 203.0.113.10}]}}
    ```

    ```tls good
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      outcome: timed-out
    - address: 203.0.113.10
      service: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      outcome: timed-out
    ```

    Sources: istio.io, Ingress Gateways, Troubleshooting; Kubernetes, Preserving the client
    source IP.
    """
    for silent in unreached_addresses(mesh):
        seen = silent.observations[0]
        service = silent.access_point.service
        yield Finding(
            message=(
                f"{silent.access_point}, the way to {silent.server}, does not answer from here"
                f" ({seen.ending}), while its pods do.{_inside(silent)}"
            ),
            objects=(
                *((Place(service),) if service else ()),
                silent.server.place,
            ),
            identity=Identity.of(service or silent.server.gateway),
            hosts=frozenset(each.target.host for each in silent.observations if each.target.host),
            evidence=observed_evidence(silent.observations),
            fixes=(
                Fix(
                    title=f"Permit port {silent.access_point.port} on the way to the gateway",
                    risk=Risk.OUTSIDE_CLUSTER,
                    why="In the firewall; mind the load balancer's health checks.",
                ),
            ),
            severity=Severity.LOW if silent.is_inside else None,
            confidence=Confidence.SUSPECTED,
            servers=frozenset({silent.server.id}),
        )


def _inside(silent: Unreached) -> str:
    if not silent.is_inside:
        return ""
    return " It is a private address: look again from inside its network before you act on it."
