"""CERT013."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.certificates.coverage import served_certificates
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor_checks._served import chain_of, hosts_of, mend, references, servers_of

FEWEST_BITS = 2048


@check(
    "CERT013",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"SDS002", "SDS003", "SDS013", "SDS014", "SNI011"},
)
def rsa_too_small(mesh: Mesh) -> Iterator[Finding]:
    """The certificate has an RSA key of fewer than 2048 bits.

    Envoy refuses it: `only RSA certificates with 2048-bit or larger keys are supported`. A
    gateway that already has a certificate keeps it until its next restart.

    Fix: issue with an RSA key of 2048 bits or a P-256 key.

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
      tls.crt: certificate for shop.example.com; key rsa1024
      tls.key: key of shop.example.com; key rsa1024
    ```

    ```finding
    critical: Secret istio-system/shop-cert data["tls.crt"]
    hosts: shop.example.com
    The certificate in Secret istio-system/shop-cert has an RSA key of 1024 bits. Envoy refuses
    fewer than 2048.
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
      tls.crt: certificate for shop.example.com; key rsa2048
      tls.key: key of shop.example.com; key rsa2048
    ```

    Sources: Envoy, TLS certificate configuration.
    """
    for served in served_certificates(mesh):
        leaf, secret = served.leaf, served.credential
        if leaf.key_algorithm == "RSA" and leaf.key_bits < FEWEST_BITS:
            writers = certificates_for(mesh, secret.namespace, secret.name)
            yield Finding(
                message=(
                    f"The certificate in {secret.ref} has an RSA key of {leaf.key_bits} bits."
                    f" Envoy refuses fewer than {FEWEST_BITS}."
                ),
                objects=(chain_of(secret), *references(served.uses)),
                identity=Identity.of(secret.ref),
                hosts=hosts_of(served.uses),
                evidence=(Evidence(text=f"key: RSA, {leaf.key_bits} bits", ref=secret.ref),),
                fixes=(mend(secret, writers, "Issue with an RSA 2048 or P-256 key"),),
                credentials=frozenset({(secret.namespace, secret.name)}),
                servers=servers_of(served.uses),
            )
