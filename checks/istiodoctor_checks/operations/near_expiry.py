"""OPS009."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for, is_issuing, knows_certificates
from istiodoctor.mesh.certificates.coverage import served_certificates
from istiodoctor.model.certmanager import Certificate
from istiodoctor.model.ref import Place
from istiodoctor_checks._served import chain_of, hosts_of, mend, references, servers_of

AT_MOST = timedelta(days=7)
NONE = "no renewal is under way"
UNKNOWN = "whether a renewal is under way is unknown, since Certificates were not read"
LAST_PART = 10
"""The last tenth of its lifetime is too late for a certificate without a renewal under way."""


@check("OPS009", severity=Severity.HIGH)
def near_expiry(mesh: Mesh) -> Iterator[Finding]:
    """A served certificate is about to expire, and nothing is renewing it.

    The measure is its own lifetime: the last tenth of it, at most seven days. A certificate of 90
    days is renewed with 30 days left, one of 6 days with 2 days left; whoever comes this close
    has no renewal, or one that does not work.

    Fix: renew now. Put certificates that are renewed by hand under a Certificate of cert-manager.

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
      tls.crt: certificate for shop.example.com; expires in 4 days
      tls.key: key of shop.example.com
    ```

    ```finding
    high: Secret istio-system/shop-cert data["tls.crt"]
    hosts: shop.example.com
    The certificate in Secret istio-system/shop-cert expires on 2026-03-05 12:00 UTC, in 4 days,
    and no renewal is under way. After that clients refuse it.
    ```

    One whose renewal is still to come in time, or under way, is no fault:

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
      tls.crt: certificate for shop.example.com; expires in 4 days
      tls.key: key of shop.example.com
    ---
    apiVersion: cert-manager.io/v1
    kind: ClusterIssuer
    metadata: {name: letsencrypt}
    spec: {acme: {server: "https://acme-v02.api.letsencrypt.org/directory"}}
    ---
    apiVersion: cert-manager.io/v1
    kind: Certificate
    metadata: {name: shop, namespace: istio-system}
    spec:
      secretName: shop-cert
      dnsNames: [shop.example.com]
      issuerRef: {name: letsencrypt, kind: ClusterIssuer}
    status:
      conditions: [{type: Ready, status: "True"}]
      renewalTime: 2026-03-03T00:00:00Z
    ```

    Sources: istio.io, Secure Gateways; cert-manager.io, Certificate resource (renewal).
    """
    for served in served_certificates(mesh):
        leaf, secret = served.leaf, served.credential
        left = leaf.not_after - mesh.taken_at
        if not timedelta(0) <= left <= min(leaf.lifetime / LAST_PART, AT_MOST):
            continue
        writers = certificates_for(mesh, secret.namespace, secret.name)
        is_known = bool(writers) or knows_certificates(mesh, secret.namespace)
        if not any(_will_renew(each, leaf.not_after, mesh.taken_at) for each in writers):
            yield Finding(
                message=(
                    f"The certificate in {secret.ref} expires on"
                    f" {leaf.not_after:%Y-%m-%d %H:%M} UTC, in {_words(left)}, and"
                    f" {NONE if is_known else UNKNOWN}. After that clients refuse it."
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
                        text=f"valid for {_words(leaf.lifetime)} in all, serial {leaf.serial}",
                        ref=secret.ref,
                    ),
                ),
                fixes=(mend(secret, writers, "Renew the certificate now"),),
                confidence=Confidence.CERTAIN if is_known else Confidence.SUSPECTED,
                deadline=leaf.not_after,
                credentials=frozenset({(secret.namespace, secret.name)}),
                servers=servers_of(served.uses),
            )


def _will_renew(certificate: Certificate, not_after: datetime, now: datetime) -> bool:
    renewal = certificate.status.renewal_time
    comes = renewal is not None and now <= renewal < not_after
    return comes or (is_issuing(certificate) and not certificate.status.failed_issuance_attempts)


def _words(span: timedelta) -> str:
    if span >= timedelta(days=2):
        return f"{span.days} days"
    hours = int(span.total_seconds() // 3600)
    return f"{hours} hours" if hours >= 2 else f"{int(span.total_seconds() // 60)} minutes"
