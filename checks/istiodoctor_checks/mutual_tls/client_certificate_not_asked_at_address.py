"""MTLS014."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.interception import unasked_clients
from istiodoctor.model.istio import TlsMode
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._wire import observed_evidence


@check("MTLS014", severity=Severity.CRITICAL)
def client_certificate_not_asked_at_address(mesh: Mesh) -> Iterator[Finding]:
    """The pods of a gateway ask for client certificates, but its address does not.

    Seen on the wire: the pods send a CertificateRequest, and the address of the load balancer
    completes the handshake without one. Something before the gateway ends TLS there: certificates
    of clients do not come as far as the gateway, and a server with `mode: MUTUAL` refuses
    everybody who comes that way.

    Nothing is said where applications answer through that address: what ends TLS there has a
    certificate of its own for the gateway.

    Fix: let TLS pass through to the gateway, or check client certificates where TLS ends.

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
        tls: {mode: MUTUAL, credentialName: shop-cert}
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
      outcome: alert
      alert: certificate required
      asks_for_certificate: true
      chain: certificate for shop.example.com
    - address: 203.0.113.10
      service: istio-system/gateway
      server: shop/web/0
      sni: shop.example.com
      chain: certificate for shop.example.com; renewed
    ```

    ```finding
    critical, observed: Service istio-system/gateway
    hosts: shop.example.com
    The pods of Gateway shop/web server 443 (https) ask for client certificates, but at
    203.0.113.10:443 nobody does: something ends TLS there, and shop.example.com is refused to
    everybody behind it.
    ```

    The same question everywhere:

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
        tls: {mode: MUTUAL, credentialName: shop-cert}
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
      outcome: alert
      alert: certificate required
      asks_for_certificate: true
      chain: certificate for shop.example.com
    - address: 203.0.113.10
      service: istio-system/gateway
      server: shop/web/0
      sni: shop.example.com
      outcome: alert
      alert: certificate required
      asks_for_certificate: true
      chain: certificate for shop.example.com
    ```

    Sources: istio/istio issue 35420; RFC 8446 section 4.3.2.
    """
    for unasked in unasked_clients(mesh):
        server, first = unasked.server, unasked.unasked[0]
        hosts = frozenset(each.target.host for each in unasked.unasked if each.target.host)
        access_points = listing(each.target.access_point for each in unasked.unasked)
        optional = server.mode is TlsMode.OPTIONAL_MUTUAL
        yield Finding(
            message=(
                f"The pods of {server} ask for client certificates, but at {access_points} nobody"
                f" does: something ends TLS there, and {host_listing(sorted(hosts))} is"
                f" {'without them' if optional else 'refused to everybody'} behind it."
            ),
            objects=(
                *(
                    (Place(first.target.access_point.service),)
                    if first.target.access_point.service
                    else ()
                ),
                server.field("/tls/mode"),
            ),
            identity=Identity.of(server.gateway),
            hosts=hosts,
            evidence=observed_evidence((*unasked.unasked[:2], *unasked.at_pods[:2])),
            severity=Severity.MEDIUM if optional else None,
            confidence=Confidence.OBSERVED,
            servers=frozenset({server.id}),
        )
