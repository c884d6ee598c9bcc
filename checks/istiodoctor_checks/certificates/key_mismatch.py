"""CERT008."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.certificates.coverage import served_certificates
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor_checks._served import chain_of, hosts_of, mend, references, servers_of, value_of


@check(
    "CERT008",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"GWAPI017", "SDS002", "SDS003", "SDS013", "SDS014", "SNI011", "SNI012"},
)
def key_mismatch(mesh: Mesh) -> Iterator[Finding]:
    """The private key does not belong to the certificate beside it.

    Envoy refuses the Secret: `Failed to load private key from <inline>, Cause: …
    KEY_VALUES_MISMATCH`. A gateway that already has a certificate keeps the old one until its
    next restart; a new one resets every handshake. Mostly one of the two files comes from an
    earlier issuance.

    Fix: put certificate and key of one issuance into the Secret. Compare them first: `openssl
    x509 -in fullchain.pem -noout -pubkey` and `openssl pkey -in privkey.pem -pubout` print the
    same.

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
      tls.key: key of www.example.com
    ```

    ```finding
    critical: Secret istio-system/shop-cert data["tls.key"]
    hosts: shop.example.com
    In Secret istio-system/shop-cert the key in tls.key does not belong to the certificate in
    tls.crt. Envoy refuses the pair: HTTPS fails, or goes on with an older certificate until the
    next restart.
    ```

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
    ```

    Sources: Envoy, TLS certificate configuration; envoyproxy/envoy issue 5677; istio/istio issue
    45324.
    """
    for served in served_certificates(mesh):
        secret, pair = served.credential, served.pair
        if pair.key_matches_leaf is False and not served.is_out_of_order:
            writers = certificates_for(mesh, secret.namespace, secret.name)
            yield Finding(
                message=(
                    f"In {secret.ref} the key in {pair.private_key_key} does not belong to the"
                    f" certificate in {pair.certificate_key}. Envoy refuses the pair: HTTPS fails,"
                    " or goes on with an older certificate until the next restart."
                ),
                objects=(
                    value_of(secret, pair.private_key_key),
                    chain_of(secret),
                    *references(served.uses),
                ),
                identity=Identity.of(secret.ref),
                hosts=hosts_of(served.uses),
                evidence=(
                    Evidence(
                        text=f"the certificate of {served.leaf.subject} has another public key",
                        ref=secret.ref,
                    ),
                ),
                fixes=(mend(secret, writers, "Serve certificate and key of one issuance"),),
                credentials=frozenset({(secret.namespace, secret.name)}),
                servers=servers_of(served.uses),
            )
