"""GW016."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Evidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.cipher_suites import (
    ECDSA_CIPHERS,
    EVERY_SUITE,
    KNOWN_CIPHERS,
    RSA_CIPHERS,
)
from istiodoctor.model.ref import Place
from istiodoctor_checks.fixes import remove_field
from istiodoctor_checks.gateways._conflicts import cipher_uses
from istiodoctor_checks.text import listing

FOR_KEYS = {"RSA": RSA_CIPHERS, "EC": ECDSA_CIPHERS}


@check("GW016", severity=Severity.HIGH, explains={"GW023", "SNI011"})
def cipher_suites_not_for_key(mesh: Mesh) -> Iterator[Finding]:
    """A server's cipher suites are all for another type of key than its certificate has.

    Before TLS 1.3 a cipher suite names the type of the certificate's key: ECDHE-ECDSA-… needs an
    EC key, the others an RSA key. When no listed suite fits the certificate, clients of TLS 1.2
    get "handshake failure". TLS 1.3 clients are not affected, so browsers work and older tools do
    not.

    Fix: remove `cipherSuites`, or list suites for the certificate's type of key.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls:
          mode: SIMPLE
          credentialName: shop-cert
          cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256]
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData: {tls.crt: "certificate for shop.example.com", tls.key: "key of shop.example.com"}
    ```

    The certificate of this example has an EC key:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls:
          mode: SIMPLE
          credentialName: shop-cert
          cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256, ECDHE-ECDSA-AES128-GCM-SHA256]
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData: {tls.crt: "certificate for shop.example.com", tls.key: "key of shop.example.com"}
    ```

    Sources: istio.io, Gateway reference (cipherSuites); istio/istio issue 37739.
    """
    for use in cipher_uses(mesh):
        server = use.server
        suites = server.tls.cipher_suites if server.tls else ()
        leaf = use.credential.leaf if use.credential else None
        known = [name for name in suites if name in KNOWN_CIPHERS and EVERY_SUITE not in suites]
        fitting = FOR_KEYS.get(leaf.key_algorithm, frozenset(known)) if leaf else frozenset(known)
        if leaf and known and fitting.isdisjoint(known):
            yield Finding(
                message=(
                    f"{server} offers {listing(known)} only, and the certificate in {use.secret}"
                    f" has an {leaf.key_algorithm} key: clients of TLS 1.2 fail in the handshake."
                ),
                objects=(server.field("/tls/cipherSuites"), Place(use.secret)),
                identity=Identity.of(server.gateway, f"{use.namespace}/{use.name}"),
                hosts=use.hosts,
                evidence=(
                    Evidence(text=f"key of the certificate: {leaf.key_algorithm}", ref=use.secret),
                ),
                fixes=(
                    remove_field(
                        server.field("/tls/cipherSuites"),
                        "Remove cipherSuites",
                        why="The defaults have suites for both types of key.",
                    ),
                ),
                credentials=frozenset({use.key}),
                servers=frozenset({server.id}),
            )
