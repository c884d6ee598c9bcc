"""SVC004."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Fix, Identity, Risk, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.endpoints import (
    Unforwarded,
    is_silence_inconclusive,
    unforwarded_names,
)
from istiodoctor.model.ref import Place
from istiodoctor_checks.text import listing
from istiodoctor_checks.wire import observed_evidence


@check("SVC004", severity=Severity.CRITICAL)
def node_port_not_forwarded(mesh: Mesh) -> Iterator[Finding]:
    """Nobody answers at the host's address on port 443, and the gateway has node ports only.

    A Service of type NodePort opens a port such as 30443 on every node, not 443. A router, a
    packet filter (iptables DNAT) or a load balancer outside the cluster must forward 443 to it.
    Seen on the wire: the gateway's pods or its node port serve the host, and where its name leads
    nobody answers on 443. The rule is missing, or forwards to another number: a node port that is
    not written in the Service is chosen anew when the Service is created anew.

    Looked at from where istiodoctor runs: silence of a private address means little there.

    Fix: forward 443 to the node port of the Service, and write that number into the Service, so
    that it stays.

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
      type: NodePort
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 443, nodePort: 31390}]
    ```

    ```tls bad
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      chain: certificate for shop.example.com
    - dns: shop.example.com
      server: shop/web/0
      sni: shop.example.com
      outcome: refused
      addresses: [203.0.113.7]
    ```

    The name leads to something that forwards:

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
      type: NodePort
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 443, nodePort: 31390}]
    ```

    ```tls good
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      chain: certificate for shop.example.com
    - dns: shop.example.com
      server: shop/web/0
      sni: shop.example.com
      addresses: [203.0.113.7]
      chain: certificate for shop.example.com
    ```

    Sources: Kubernetes, Service, type NodePort; istio/istio issues 36574, 9943.
    """
    for lost in unforwarded_names(mesh):
        seen, service = lost.observation, lost.service.ref
        yield Finding(
            message=(
                f"{lost.host} leads to {listing(seen.addresses)}, where nobody answers on port"
                f" 443 ({seen.ending}). {service} opens node port {lost.node_port} for it,"
                f" {_elsewhere(lost)}: nothing forwards 443 to that."
            ),
            objects=(Place(service, "/spec/ports"), lost.server.place),
            identity=Identity.of(service, lost.host),
            hosts=frozenset({lost.host}),
            evidence=observed_evidence((seen, *lost.at_node)),
            fixes=(
                Fix(
                    title=f"Forward port 443 to node port {lost.node_port}",
                    risk=Risk.OUTSIDE_CLUSTER,
                    why="In the router, packet filter or load balancer before the nodes.",
                ),
            ),
            severity=Severity.LOW if is_silence_inconclusive((seen,)) else None,
            confidence=Confidence.OBSERVED if lost.at_node else Confidence.SUSPECTED,
            servers=frozenset({lost.server.id}),
        )


def _elsewhere(lost: Unforwarded) -> str:
    return "which answers" if lost.at_node else "and its pods answer"
