"""MTLS001."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.endpoints import client_certificates_required
from istiodoctor_checks.text import listing
from istiodoctor_checks.wire import observed_evidence


@check("MTLS001", severity=Severity.INFO)
def client_certificate_required(mesh: Mesh) -> Iterator[Finding]:
    """A gateway turns away clients that show no certificate.

    Seen on the wire, and mostly meant so: the server is MUTUAL. With TLS 1.3 the handshake seems
    to work and the first read ends in the alert `certificate required`; with TLS 1.2 the
    handshake itself fails. A browser says ERR_BAD_SSL_CLIENT_AUTH_CERT.

    It is said because it looks like a fault to who does not expect it: health checks of load
    balancers, monitoring, a new client.

    Fix, if it is not meant: SIMPLE, or OPTIONAL_MUTUAL where some clients have certificates.

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
    ```

    OPTIONAL_MUTUAL asks, and lets clients without one in:

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
        tls: {mode: OPTIONAL_MUTUAL, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```tls good
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      asks_for_certificate: true
      chain: certificate for shop.example.com
    ```

    Sources: istio.io, Secure Gateways, Configure a mutual TLS ingress gateway; RFC 8446 section
    6.2.
    """
    for server, seen in client_certificates_required(mesh):
        hosts = frozenset(each.target.host for each in seen if each.target.host)
        yield Finding(
            message=(
                f"{server} turns away clients without a certificate of their own, for"
                f" {listing(sorted(hosts)) or 'those who send no name'}."
            ),
            objects=(server.field("/tls/mode"),),
            identity=Identity.of(server.gateway, min(hosts, default="")),
            hosts=hosts,
            evidence=observed_evidence(seen),
            confidence=Confidence.OBSERVED,
            servers=frozenset({server.id}),
        )
