"""CERT014."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.certificates.trust import untrusted_certificates
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.credential import CertificateFacts
from istiodoctor.model.ref import Place
from istiodoctor_checks._served import chain_of, hosts_of, mend, references, servers_of
from istiodoctor_checks.certificates._placeholders import is_placeholder


@check("CERT014", severity=Severity.INFO, claims=Claim.STORED_CERTIFICATE, explains={"CERT021"})
def untrusted_issuer(mesh: Mesh) -> Iterator[Finding]:
    """The certificate's chain ends in a CA that clients do not trust by default.

    It is self-signed, or comes from a private authority. That is right inside a company whose
    clients have the root, and wrong for a public host: `self-signed certificate`,
    ERR_CERT_AUTHORITY_INVALID.

    Fix, for public hosts: use a public issuer. For private ones: give clients the root (`curl
    --cacert`), and name it to istiodoctor with `--trust-anchors`, so that this is not said again.

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
      tls.crt: certificate for shop.example.com; self-signed
      tls.key: key of shop.example.com; self-signed
    ```

    ```finding
    info: Secret istio-system/shop-cert data["tls.crt"]
    hosts: shop.example.com
    The certificate in Secret istio-system/shop-cert is self-signed. Clients refuse it unless they
    were given its root.
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

    Sources: istio.io, Secure Gateways; RFC 5280 section 6.
    """
    for served in untrusted_certificates(mesh):
        leaf, secret = served.leaf, served.credential
        if not is_placeholder(leaf):
            writers = certificates_for(mesh, secret.namespace, secret.name)
            yield Finding(
                message=(
                    f"The certificate in {secret.ref} is {_kind(leaf)}. Clients refuse it unless"
                    " they were given its root."
                ),
                objects=(
                    chain_of(secret),
                    *references(served.uses),
                    *(Place(each.ref) for each in writers),
                ),
                identity=Identity.of(secret.ref),
                hosts=hosts_of(served.uses),
                evidence=(Evidence(text=f"issued by {leaf.issuer}", ref=secret.ref),),
                fixes=(mend(secret, writers, "Use a public issuer, if the host is public"),),
                credentials=frozenset({(secret.namespace, secret.name)}),
                servers=servers_of(served.uses),
            )


def _kind(leaf: CertificateFacts) -> str:
    return "self-signed" if leaf.is_self_issued else f"issued by {leaf.issuer}, trusted by nobody"
