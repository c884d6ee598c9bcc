"""CERT001."""

from collections.abc import Iterator
from datetime import datetime

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.certificates.coverage import ServedCertificate, served_certificates
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.credential import CertificateFacts
from istiodoctor.model.ref import Place
from istiodoctor_checks._served import chain_of, hosts_of, mend, references, servers_of


@check(
    "CERT001", severity=Severity.CRITICAL, claims=Claim.STORED_CERTIFICATE, explains={"CERT018"}
)
def expired(mesh: Mesh) -> Iterator[Finding]:
    """A gateway serves a certificate that has expired.

    Envoy does not mind: it goes on presenting the certificate, and istiod only writes a line to
    its log (from Istio 1.18 on). Every client refuses it: `certificate has expired`,
    NET::ERR_CERT_DATE_INVALID.

    An expired intermediate in the chain does the same; it goes with the next renewal.

    Fix: renew. Where cert-manager writes the Secret, find out why it did not renew (CM011, CM016)
    and have it issue again; else put a new chain and key into the Secret. The gateway takes it
    within seconds; no restart.

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
      tls.crt: certificate for shop.example.com; expired
      tls.key: key of shop.example.com
    ```

    ```finding
    critical: Secret istio-system/shop-cert data["tls.crt"]
    hosts: shop.example.com
    The certificate in Secret istio-system/shop-cert expired on 2026-02-27 12:00 UTC, 2 days ago.
    Clients refuse it.
    ```

    A certificate that still has its time before it is no fault, however short that time is:

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
      tls.crt: certificate for shop.example.com; expires in 9 days
      tls.key: key of shop.example.com
    ```

    Sources: istio.io, Secure Gateways; IST0161 in the analysis messages; istio/istio issue 43891.
    """
    for served in served_certificates(mesh):
        secret, late = served.credential, _expired(served, mesh.taken_at)
        if late:
            writers = certificates_for(mesh, secret.namespace, secret.name)
            yield Finding(
                message=(
                    f"{_which(served, late)} in {secret.ref} expired on"
                    f" {late.not_after:%Y-%m-%d %H:%M} UTC,"
                    f" {_ago((mesh.taken_at - late.not_after).days)}. Clients refuse it."
                ),
                objects=(
                    chain_of(secret),
                    *references(served.uses),
                    *(Place(each.ref) for each in writers),
                ),
                identity=Identity.of(secret.ref),
                hosts=hosts_of(served.uses),
                evidence=(
                    Evidence(
                        text=f"serial {late.serial}, issued by {late.issuer}", ref=secret.ref
                    ),
                ),
                fixes=(mend(secret, writers, "Renew the certificate"),),
                deadline=late.not_after,
                credentials=frozenset({(secret.namespace, secret.name)}),
                servers=servers_of(served.uses),
            )


def _expired(served: ServedCertificate, now: datetime) -> CertificateFacts | None:
    """Return what has expired: the leaf, else its issuer where no other of that name is valid."""
    if served.leaf.not_after < now:
        return served.leaf
    chain = served.pair.chain.certificates
    issuers = [each for each in chain if each.subject == served.leaf.issuer]
    late = [each for each in issuers if each.not_after < now and not each.is_self_issued]
    return late[0] if late and len(late) == len(issuers) else None


def _which(served: ServedCertificate, late: CertificateFacts) -> str:
    return "The certificate" if late is served.leaf else f"The intermediate {late.subject}"


def _ago(days: int) -> str:
    return "less than a day ago" if days == 0 else f"{days} day{'s' if days > 1 else ''} ago"
