"""CERT018."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from istiodoctor.check import check
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.certificates import SeenCertificate, seen_certificates
from istiodoctor_checks.text import listing
from istiodoctor_checks.wire import (
    detail_of,
    doubted,
    keys_of,
    objects_of,
    observed_evidence,
    presenter,
    sureness,
)

TOLERANCE = timedelta(minutes=5)
"""By how much clocks may differ."""


@check("CERT018", severity=Severity.CRITICAL)
def certificate_on_wire_out_of_date(mesh: Mesh) -> Iterator[Finding]:
    """A handshake shows a certificate that has expired, or is not valid yet.

    Seen on the wire, whatever the Secret holds: this is what clients refuse with `certificate
    has expired`, NET::ERR_CERT_DATE_INVALID.

    Where the Secret holds the same certificate, that is the fault (CERT001, CERT002). Where the
    Secret holds a newer one, the gateway has not taken it (SDS013). Behind a PASSTHROUGH server
    the certificate is the backend's own.

    Fix: the Secret's, the delivery's or the backend's; the finding names what it was seen on.

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
      tls.crt: certificate for shop.example.com; expired
      tls.key: key of shop.example.com
    ```

    ```tls bad
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      chain: "certificate for shop.example.com; expired"
    ```

    One that is valid, however short its time, is no fault:

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
      tls.crt: certificate for shop.example.com; expires in 9 days
      tls.key: key of shop.example.com
    ```

    ```tls good
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      chain: "certificate for shop.example.com; expires in 9 days"
    ```

    Sources: istio.io, Secure Gateways; RFC 5280 section 4.1.2.5.
    """
    for seen in seen_certificates(mesh):
        fault = _fault(seen, mesh.taken_at)
        if fault:
            yield Finding(
                message=(
                    f"{presenter(seen)} presents a certificate that {fault}, at"
                    f" {listing(seen.access_points)}. Clients refuse it."
                ),
                objects=objects_of(seen),
                identity=Identity.of(seen.server.gateway, detail_of(seen)),
                hosts=seen.hosts,
                evidence=observed_evidence(seen.handshakes),
                severity=doubted(seen),
                confidence=sureness(seen),
                deadline=seen.leaf.not_after,
                credentials=keys_of(seen),
                servers=frozenset({seen.server.id}),
            )


def _fault(seen: SeenCertificate, now: datetime) -> str:
    if seen.leaf.not_after < now:
        return f"expired on {seen.leaf.not_after:%Y-%m-%d %H:%M} UTC"
    if seen.leaf.not_before > now + TOLERANCE:
        return f"is not valid before {seen.leaf.not_before:%Y-%m-%d %H:%M} UTC"
    return ""
