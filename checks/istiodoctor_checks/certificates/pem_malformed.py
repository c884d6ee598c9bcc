"""CERT009."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.credentials.credentials import served_credentials
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.credential import PemDefect
from istiodoctor.text import listing
from istiodoctor_checks._served import chain_of, hosts_of, mend, references, servers_of


@check(
    "CERT009",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"GWAPI017", "SDS002", "SDS003", "SDS013", "SDS014", "SNI011", "SNI012"},
)
def pem_malformed(mesh: Mesh) -> Iterator[Finding]:
    """The value that should hold the certificate chain is not proper PEM.

    Envoy refuses the Secret as a whole (`Failed to load certificate chain from <inline>`), or
    overlooks a block: two files joined without a line break between them (`-----END
    CERTIFICATE----------BEGIN CERTIFICATE-----`), a value that was base64-encoded twice, binary
    DER, a copy that lost its line breaks or its end. istiod looks at the first block alone and
    may say nothing.

    Fix: make the Secret again from files that `openssl x509 -in FILE -noout` accepts.

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
      tls.crt: certificate for shop.example.com; glued
      tls.key: key of shop.example.com
    ```

    ```finding
    critical: Secret istio-system/shop-cert data["tls.crt"]
    hosts: shop.example.com
    Secret istio-system/shop-cert data["tls.crt"] is not proper PEM: two blocks are joined without
    a line break between them. Envoy refuses it.
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

    Sources: RFC 7468; Envoy, TLS certificate configuration; istio/istio issue 45324.
    """
    for secret, uses in served_credentials(mesh):
        chain = secret.pair.chain if secret.pair else None
        if chain and chain.is_malformed:
            writers = certificates_for(mesh, secret.namespace, secret.name)
            kept = chain.leaf is not None and HIDES.issuperset(chain.defects)
            yield Finding(
                message=(
                    f"{chain_of(secret)} is not proper PEM:"
                    f" {listing(DEFECTS[each] for each in chain.defects if each in DEFECTS)}."
                    f" Envoy {'overlooks that part' if kept else 'refuses it'}."
                ),
                objects=(chain_of(secret), *references(uses)),
                identity=Identity.of(secret.ref),
                hosts=hosts_of(uses),
                evidence=(
                    Evidence(
                        text=f"certificates that could be read in it: {len(chain.certificates)}",
                        ref=secret.ref,
                    ),
                ),
                fixes=(mend(secret, writers, "Put a proper PEM chain into the Secret"),),
                severity=Severity.HIGH if kept else None,
                credentials=frozenset({(secret.namespace, secret.name)}),
                servers=servers_of(uses),
            )


HIDES = frozenset({PemDefect.NOT_AT_LINE_START, PemDefect.LINE_BREAKS_LOST})
"""Defects that make readers pass a block over as if it were text."""
DEFECTS = {
    PemDefect.NOT_PEM: "there is no -----BEGIN line in it",
    PemDefect.GLUED: "two blocks are joined without a line break between them",
    PemDefect.DOUBLE_BASE64: "it was base64-encoded twice",
    PemDefect.DER: "it is binary DER",
    PemDefect.TRUNCATED: "a block has no -----END line",
    PemDefect.UNPARSABLE: "a block holds no X.509 certificate",
    PemDefect.NO_CERTIFICATE: "none of its blocks is a certificate",
    PemDefect.BYTE_ORDER_MARK: "a byte order mark hides the first -----BEGIN line",
    PemDefect.NOT_AT_LINE_START: "a -----BEGIN or -----END line does not start its line",
    PemDefect.LINE_BREAKS_LOST: "its line breaks were lost",
}
