"""CERT007."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.certificates.coverage import served_certificates
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor_checks._served import chain_of, hosts_of, mend, references, servers_of


@check(
    "CERT007",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"CERT020", "CERT021", "SDS002", "SDS003", "SDS013", "SDS014", "SNI011", "SNI012"},
)
def chain_order(mesh: Mesh) -> Iterator[Finding]:
    """The certificate for clients is not the first in its chain.

    Envoy takes the first certificate as its own and compares the key with it. With an
    intermediate or the root in front it refuses the Secret (KEY_VALUES_MISMATCH): a gateway that
    already has a certificate keeps the old one until its next restart, a new one resets every
    handshake.

    Fix: put the server's certificate first, then each certificate that signed the one before it.

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
      tls.crt: certificate for shop.example.com; intermediate first
      tls.key: key of shop.example.com
    ```

    ```finding
    critical: Secret istio-system/shop-cert data["tls.crt"]
    hosts: shop.example.com
    Secret istio-system/shop-cert data["tls.crt"] begins with the certificate of CN=Example
    Intermediate; that of CN=shop.example.com, which the key belongs to, comes after it. Envoy
    takes the first one and refuses the pair.
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

    Sources: RFC 8446 section 4.4.2; Envoy, TLS certificate configuration; envoyproxy/envoy issue
    5677.
    """
    for served in served_certificates(mesh):
        leaf, secret, first = served.leaf, served.credential, served.pair.chain.leaf
        if served.is_out_of_order and first:
            writers = certificates_for(mesh, secret.namespace, secret.name)
            yield Finding(
                message=(
                    f"{chain_of(secret)} begins with the certificate of {first.subject}; that of"
                    f" {leaf.subject}, which the key belongs to, comes after it. Envoy takes the"
                    " first one and refuses the pair."
                ),
                objects=(chain_of(secret), *references(served.uses)),
                identity=Identity.of(secret.ref),
                hosts=hosts_of(served.uses),
                evidence=tuple(
                    Evidence(text=f"certificate {place}: {each.subject}", ref=secret.ref)
                    for place, each in enumerate(served.pair.chain.certificates[:5], 1)
                ),
                fixes=(mend(secret, writers, "Put the server's certificate first"),),
                credentials=frozenset({(secret.namespace, secret.name)}),
                servers=servers_of(served.uses),
            )
