"""CERT002."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.certificates.coverage import served_certificates
from istiodoctor.mesh.grace_times import CLOCKS_DIFFER
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor_checks._served import chain_of, hosts_of, mend, references, servers_of


@check(
    "CERT002", severity=Severity.CRITICAL, claims=Claim.STORED_CERTIFICATE, explains={"CERT018"}
)
def not_yet_valid(mesh: Mesh) -> Iterator[Finding]:
    """A gateway serves a certificate whose validity has not begun.

    Clients refuse it as they refuse an expired one. The issuer's clock ran ahead, or a
    certificate that was meant for later is already in the Secret. If clients with a right clock
    accept it, the clock of this scan is behind.

    Fix: set the clocks right (NTP) or wait; else put the certificate in force until then back
    into the Secret.

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
      tls.crt: certificate for shop.example.com; not yet valid
      tls.key: key of shop.example.com
    ```

    ```finding
    critical: Secret istio-system/shop-cert data["tls.crt"]
    hosts: shop.example.com
    The certificate in Secret istio-system/shop-cert is valid only from 2026-03-03 12:00 UTC; it
    was 2026-03-01 12:00 UTC when this was read. Clients refuse it until then.
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

    Sources: istio.io, Secure Gateways; RFC 5280 section 4.1.2.5.
    """
    for served in served_certificates(mesh):
        leaf, secret = served.leaf, served.credential
        if leaf.not_before - mesh.taken_at > CLOCKS_DIFFER:
            writers = certificates_for(mesh, secret.namespace, secret.name)
            yield Finding(
                message=(
                    f"The certificate in {secret.ref} is valid only from"
                    f" {leaf.not_before:%Y-%m-%d %H:%M} UTC; it was {mesh.taken_at:%Y-%m-%d %H:%M}"
                    " UTC when this was read. Clients refuse it until then."
                ),
                objects=(chain_of(secret), *references(served.uses)),
                identity=Identity.of(secret.ref),
                hosts=hosts_of(served.uses),
                evidence=(
                    Evidence(
                        text=f"serial {leaf.serial}, issued by {leaf.issuer}", ref=secret.ref
                    ),
                ),
                fixes=(mend(secret, writers, "Serve a certificate that is valid now"),),
                deadline=leaf.not_before,
                credentials=frozenset({(secret.namespace, secret.name)}),
                servers=servers_of(served.uses),
            )
