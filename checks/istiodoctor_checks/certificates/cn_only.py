"""CERT004."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.certificates.coverage import served_certificates
from istiodoctor.mesh.hosts import certificate_covers
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor_checks._served import chain_of, hosts_of, mend, references, servers_of


@check("CERT004", severity=Severity.HIGH, claims=Claim.STORED_CERTIFICATE, explains={"CERT019"})
def cn_only(mesh: Mesh) -> Iterator[Finding]:
    """The certificate names its host in the Common Name only.

    Browsers, Go and Java read the subjectAltName alone and refuse a certificate without one:
    `certificate relies on legacy Common Name field`, ERR_CERT_COMMON_NAME_INVALID. Some builds of
    curl still accept it, so a test may pass. Recipes with `openssl req -subj /CN=…` make such
    certificates.

    Fix: issue again with a subjectAltName: `-addext subjectAltName=DNS:shop.example.com`, or
    `dnsNames` in the Certificate.

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
      tls.crt: certificate for shop.example.com; without subject alternative names
      tls.key: key of shop.example.com
    ```

    ```finding
    high: Secret istio-system/shop-cert data["tls.crt"]
    hosts: shop.example.com
    The certificate in Secret istio-system/shop-cert has no subjectAltName, only the Common Name
    shop.example.com. Browsers, Go and Java refuse it; some builds of curl accept it.
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

    Sources: istio.io, Secure Gateways; RFC 2818, RFC 6125; istio/istio issues 36492, 34317.
    """
    for served in served_certificates(mesh):
        leaf, secret = served.leaf, served.credential
        if not served.names:
            writers = certificates_for(mesh, secret.namespace, secret.name)
            hosts = hosts_of(served.uses)
            covered = any(certificate_covers(leaf.common_name, host) for host in hosts)
            yield Finding(
                message=(
                    f"The certificate in {secret.ref} has no subjectAltName, only the Common Name"
                    f" {leaf.common_name or '(empty)'}. Browsers, Go and Java refuse it"
                    f"{'; some builds of curl accept it.' if covered else '.'}"
                ),
                objects=(chain_of(secret), *references(served.uses)),
                identity=Identity.of(secret.ref),
                hosts=hosts,
                evidence=(Evidence(text=f"subject {leaf.subject}", ref=secret.ref),),
                fixes=(mend(secret, writers, "Issue a certificate with a subjectAltName"),),
                severity=None if covered else Severity.CRITICAL,
                credentials=frozenset({(secret.namespace, secret.name)}),
                servers=servers_of(served.uses),
            )
