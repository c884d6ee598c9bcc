"""CERT010."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.credentials.credentials import served_credentials
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.credential import KeyState
from istiodoctor_checks._served import hosts_of, mend, references, servers_of, value_of


@check(
    "CERT010",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"SDS002", "SDS003", "SDS013", "SDS014", "SNI011", "SNI012"},
)
def key_encrypted(mesh: Mesh) -> Iterator[Finding]:
    """The private key is encrypted, and Envoy has no password for it.

    Envoy refuses the Secret: `Failed to load private key from <inline>, Cause: …
    BAD_PASSWORD_READ`. A gateway that already has a certificate keeps it until its next restart;
    a new one resets every handshake.

    Fix: decrypt the key (`openssl pkey -in encrypted.pem -out privkey.pem`) and make the Secret
    again.

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
      tls.key: key of shop.example.com; encrypted
    ```

    ```finding
    critical: Secret istio-system/shop-cert data["tls.key"]
    hosts: shop.example.com
    The private key in Secret istio-system/shop-cert data["tls.key"] is encrypted. Envoy has no
    password for it and refuses the Secret.
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

    Sources: Envoy, TLS certificate configuration; istio/istio issue 47268.
    """
    for secret, uses in served_credentials(mesh):
        pair = secret.pair
        if pair and pair.private_key.state is KeyState.ENCRYPTED:
            writers = certificates_for(mesh, secret.namespace, secret.name)
            place = value_of(secret, pair.private_key_key)
            yield Finding(
                message=(
                    f"The private key in {place} is encrypted. Envoy has no password for it and"
                    " refuses the Secret."
                ),
                objects=(place, *references(uses)),
                identity=Identity.of(secret.ref),
                hosts=hosts_of(uses),
                evidence=(
                    Evidence(
                        text=f"{pair.private_key_key}: an encrypted private key",
                        ref=secret.ref,
                    ),
                ),
                fixes=(mend(secret, writers, "Put the decrypted key into the Secret"),),
                credentials=frozenset({(secret.namespace, secret.name)}),
                servers=servers_of(uses),
            )
