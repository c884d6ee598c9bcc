"""CERT012."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.certificates.coverage import served_certificates
from istiodoctor.mesh.credentials.credentials import CredentialUse
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor_checks._served import chain_of, hosts_of, mend, references, servers_of

ALWAYS = frozenset({"P-256"})
SINCE_1_25 = frozenset({"P-384", "P-521"})
"""Taken by Envoy 1.33, which is in Istio 1.25 (envoyproxy/envoy pull request 36369)."""


@check(
    "CERT012",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"SDS002", "SDS003", "SDS013", "SDS014", "SNI011"},
)
def ecdsa_curve_unsupported(mesh: Mesh) -> Iterator[Finding]:
    """The certificate's key is on an elliptic curve that this gateway's Envoy does not take.

    Before Envoy 1.33 (Istio 1.25) the only curve is P-256: `Failed to load certificate chain from
    <inline>, only P-256 ECDSA certificates are supported`. P-384 and P-521 come after that; other
    curves never work. A gateway whose version is not known is only suspected.

    Fix: issue with P-256 (`privateKey: {algorithm: ECDSA, size: 256}`) or RSA of 2048 bits, or
    upgrade the gateway.

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
      tls.crt: certificate for shop.example.com; key ec384
      tls.key: key of shop.example.com; key ec384
    ```

    ```finding
    critical: Secret istio-system/shop-cert data["tls.crt"]
    hosts: shop.example.com
    The key of the certificate in Secret istio-system/shop-cert is on the curve P-384; Pod
    istio-system/gateway runs Istio 1.22.3, whose Envoy refuses it.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.25.0"}]}
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
      tls.crt: certificate for shop.example.com; key ec384
      tls.key: key of shop.example.com; key ec384
    ```

    Sources: Envoy, release notes of 1.33; envoyproxy/gateway issue 4768; cilium/cilium issue
    38587.
    """
    for served in served_certificates(mesh):
        leaf, secret = served.leaf, served.credential
        refusing = [each for each in served.uses if _refuses(each, leaf.curve)]
        if leaf.key_algorithm == "EC" and refusing:
            sure = any(each.workload.version for each in refusing) or leaf.curve not in SINCE_1_25
            version = refusing[0].workload.version
            writers = certificates_for(mesh, secret.namespace, secret.name)
            yield Finding(
                message=(
                    f"The key of the certificate in {secret.ref} is on the curve {leaf.curve};"
                    f" {refusing[0].workload} runs Istio {version or '(version unknown)'}"
                    f"{', whose Envoy refuses it' if sure else ': before 1.25 Envoy refuses it'}."
                ),
                objects=(chain_of(secret), *references(served.uses)),
                identity=Identity.of(secret.ref),
                hosts=hosts_of(refusing),
                evidence=(Evidence(text=f"key: EC {leaf.curve}", ref=secret.ref),),
                fixes=(mend(secret, writers, "Issue with a P-256 or RSA 2048 key"),),
                severity=None if sure else Severity.LOW,
                confidence=Confidence.CERTAIN if sure else Confidence.SUSPECTED,
                credentials=frozenset({(secret.namespace, secret.name)}),
                servers=servers_of(refusing),
            )


def _refuses(use: CredentialUse, curve: str) -> bool:
    if curve in ALWAYS:
        return False
    version = use.workload.version
    return curve not in SINCE_1_25 or version is None or not version.has((1, 25, 0))
