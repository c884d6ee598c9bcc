"""CERT022."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.certificates.coverage import served_certificates
from istiodoctor_checks._served import chain_of, hosts_of, mend, references, servers_of

EDWARDS = frozenset({"ED25519", "ED448"})


@check("CERT022", severity=Severity.HIGH)
def key_unknown_to_browsers(mesh: Mesh) -> Iterator[Finding]:
    """The certificate's key is one of Ed25519, which browsers do not accept for TLS.

    A client says in `signature_algorithms` what it can verify. OpenSSL and Go offer Ed25519, so
    that curl and tests work; browsers do not, and Envoy answers them with `handshake_failure`
    (ERR_SSL_VERSION_OR_CIPHER_MISMATCH, SSL_ERROR_NO_CYPHER_OVERLAP). No public CA issues for such
    a key.

    Fix: issue with a P-256 or RSA key of 2048 bits (`privateKey: {algorithm: ECDSA, size: 256}`).

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
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
      tls.crt: certificate for shop.example.com; key ed25519
      tls.key: key of shop.example.com; key ed25519
    ```

    ```finding
    high: Secret istio-system/shop-cert data["tls.crt"]
    hosts: shop.example.com
    The key of the certificate in Secret istio-system/shop-cert is one of Ed25519: browsers do not
    offer to verify it, and their handshakes fail.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
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
    ```

    Sources: CA/Browser Forum, Baseline Requirements 6.1.5; golang/go issue 47681;
    cabforum/servercert issue 451; envoyproxy/envoy issue 25727.
    """
    for served in served_certificates(mesh):
        leaf, secret = served.leaf, served.credential
        if leaf.key_algorithm.upper() in EDWARDS:
            writers = certificates_for(mesh, secret.namespace, secret.name)
            yield Finding(
                message=(
                    f"The key of the certificate in {secret.ref} is one of"
                    f" {leaf.key_algorithm.capitalize()}: browsers do not offer to verify it, and"
                    " their handshakes fail."
                ),
                objects=(chain_of(secret), *references(served.uses)),
                identity=Identity.of(secret.ref),
                hosts=hosts_of(served.uses),
                evidence=(Evidence(text=f"key: {leaf.key_algorithm}", ref=secret.ref),),
                fixes=(mend(secret, writers, "Issue with a P-256 or RSA 2048 key"),),
                credentials=frozenset({(secret.namespace, secret.name)}),
                servers=servers_of(served.uses),
            )
