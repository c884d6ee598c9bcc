"""SVC015."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, Risk
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.interception import refusing_addresses
from istiodoctor.model.observation import Outcome
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing
from istiodoctor_checks._wire import observed_evidence


@check("SVC015", severity=Severity.CRITICAL)
def address_refuses_tls(mesh: Mesh) -> Iterator[Finding]:
    """The gateway's address refuses TLS for a host that its pods agree to it for.

    Seen on the wire: every pod that was asked completes the handshake; at the address of the load
    balancer, or the node's port, the connection is reset, refused in TLS's own words, or answered
    in plain text. What stands between them changes what comes: it sends the PROXY protocol to a
    gateway that does not expect it (SVC007), leads to another port (SVC003, HTTP003), or ends TLS
    itself without a certificate for the host.

    A reset may also come from a filter between istiodoctor and the address, so it weighs less.

    Fix: let the load balancer pass TCP through to the TLS port of the gateway, as it comes.

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
      server: shop/web/0
      sni: shop.example.com
      outcome: reset
    ```

    ```finding
    high, observed: Service istio-system/gateway
    hosts: shop.example.com
    203.0.113.10:443, the way to Gateway shop/web server 443 (https), refuses TLS for
    shop.example.com (the connection was closed without a word), while its pods agree to it.
    ```

    Where the pods refuse it too, the way to them is not the fault:

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
      outcome: reset
    - address: 203.0.113.10
      service: istio-system/gateway
      server: shop/web/0
      sni: shop.example.com
      outcome: reset
    ```

    Sources: istio.io, Configuring Gateway Network Topology (PROXY protocol); istio/istio issues
    21059, 49836.
    """
    for refusing in refusing_addresses(mesh):
        service, first = refusing.access_point.service, refusing.refused[0]
        yield Finding(
            message=(
                f"{refusing.access_point}, the way to {refusing.server}, refuses TLS for"
                f" {host_listing(sorted(refusing.hosts))} ({first.ending}), while its"
                " pods agree to it."
            ),
            objects=(*((Place(service),) if service else ()), refusing.server.place),
            identity=Identity.of(
                service or refusing.server.gateway, str(refusing.access_point.port)
            ),
            hosts=refusing.hosts,
            evidence=observed_evidence(refusing.refused),
            fixes=(
                Fix(
                    title="Let the load balancer pass TCP through to the gateway's TLS port",
                    risk=Risk.OUTSIDE_CLUSTER,
                    why="Mind its listeners, its target ports and the PROXY protocol.",
                ),
            ),
            severity=Severity.HIGH if first.outcome is Outcome.RESET else None,
            confidence=Confidence.OBSERVED,
            servers=frozenset({refusing.server.id}),
        )
