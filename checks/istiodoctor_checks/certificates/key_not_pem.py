"""CERT011."""

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

UNUSABLE = frozenset({KeyState.NOT_PEM, KeyState.UNPARSABLE})


@check(
    "CERT011",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"SDS002", "SDS003", "SDS013", "SDS014", "SNI011", "SNI012"},
)
def key_not_pem(mesh: Mesh) -> Iterator[Finding]:
    """The value that should hold the private key holds none that Envoy can read.

    It has no `-----BEGIN … PRIVATE KEY-----` line, or what follows it is no key: a placeholder, a
    certificate in the wrong field, binary DER, a copy that lost its line breaks. Envoy refuses
    the Secret (`NO_START_LINE`); often that is noticed at the next restart only, since a running
    gateway keeps what it had.

    The same words in the gateway's log with a right Secret are another fault: `istioctl
    proxy-status POD` of Istio 1.27.1 spoils istiod's cache (SDS006).

    Fix: make the Secret again from a key that `openssl pkey -in privkey.pem -noout` accepts.

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
      tls.key: see the vault
    ```

    ```finding
    critical: Secret istio-system/shop-cert data["tls.key"]
    hosts: shop.example.com
    Secret istio-system/shop-cert data["tls.key"] holds no private key that Envoy can read: there
    is no -----BEGIN … PRIVATE KEY----- line in it. Envoy refuses the Secret.
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

    Sources: RFC 7468; Envoy, TLS certificate configuration; istio/istio issues 53497, 57789.
    """
    for secret, uses in served_credentials(mesh):
        pair = secret.pair
        if pair and pair.private_key.state in UNUSABLE:
            writers = certificates_for(mesh, secret.namespace, secret.name)
            place = value_of(secret, pair.private_key_key)
            yield Finding(
                message=(
                    f"{place} holds no private key that Envoy can read"
                    f"{_why(pair.private_key.state)}. Envoy refuses the Secret."
                ),
                objects=(place, *references(uses)),
                identity=Identity.of(secret.ref),
                hosts=hosts_of(uses),
                evidence=(
                    Evidence(
                        text=f"{pair.private_key_key}: {pair.private_key.state.value}",
                        ref=secret.ref,
                    ),
                ),
                fixes=(mend(secret, writers, "Put the PEM private key into the Secret"),),
                credentials=frozenset({(secret.namespace, secret.name)}),
                servers=servers_of(uses),
            )


def _why(state: KeyState) -> str:
    if state is KeyState.NOT_PEM:
        return ": there is no -----BEGIN … PRIVATE KEY----- line in it"
    return ": what stands in it cannot be parsed"
