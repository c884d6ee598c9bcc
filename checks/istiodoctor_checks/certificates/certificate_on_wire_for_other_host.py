"""CERT019."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.certificates import mismatched_certificates
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._wire import (
    detail_of,
    doubted,
    keys_of,
    objects_of,
    observed_evidence,
    presenter,
    sureness,
)


@check("CERT019", severity=Severity.CRITICAL)
def certificate_on_wire_for_other_host(mesh: Mesh) -> Iterator[Finding]:
    """A handshake shows a certificate that is not for the host that was asked for.

    Seen on the wire: clients refuse it with `no alternative certificate subject name matches`,
    ERR_CERT_COMMON_NAME_INVALID.

    Where the Secret of the server holds this certificate, its names are the fault (CERT003). Where
    it holds another, something else is served in its place (SDS013, CERT017).

    Fix: a certificate with these names in the Secret that the server names. For hosts behind a
    wildcard, any name was asked for; where the certificate names some hosts under the wildcard,
    that is not held against it.

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
      tls.crt: certificate for www.example.com
      tls.key: key of shop.example.com
    ```

    ```tls bad
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      chain: certificate for www.example.com
    ```

    ```finding
    critical, observed: Secret istio-system/shop-cert data["tls.crt"]
    hosts: shop.example.com
    Gateway shop/web server 443 (https) presents a certificate for www.example.com to clients who
    ask for shop.example.com. They refuse it.
    ```

    A wildcard certificate covers the hosts one label below it:

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
        hosts: ["*.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for *.example.com
      tls.key: key of shop.example.com
    ```

    ```tls good
    - pod: istio-system/gateway
      server: shop/web/0
      host: "*.example.com"
      sni: probe.example.com
      chain: certificate for *.example.com
    ```

    Sources: istio.io, Secure Gateways; RFC 6125 section 6.4.3.
    """
    for seen, hosts in mismatched_certificates(mesh):
        names = (*seen.leaf.dns_names, *seen.leaf.ip_addresses)
        own = f"for {listing(names)}" if names else "without any subject alternative name"
        yield Finding(
            message=(
                f"{presenter(seen)} presents a certificate {own} to clients who ask for"
                f" {host_listing(hosts)}. They refuse it."
            ),
            objects=objects_of(seen),
            identity=Identity.of(seen.server.gateway, detail_of(seen)),
            hosts=frozenset(hosts),
            evidence=observed_evidence(seen.handshakes),
            severity=doubted(seen),
            confidence=sureness(seen),
            credentials=keys_of(seen),
            servers=frozenset({seen.server.id}),
        )
