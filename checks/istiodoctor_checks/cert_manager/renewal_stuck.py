"""CM016."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.stuck_issuance import stuck_certificates
from istiodoctor.mesh.observations.events import events_of
from istiodoctor.model.ref import Place
from istiodoctor_checks._served import hosts_of, servers_of
from istiodoctor_checks.cert_manager._issuing import (
    deadline_of,
    deepest,
    layer_places,
    layers,
    retry_words,
    severity_of,
    try_again,
)


@check("CM016", severity=Severity.HIGH, evidence=[events_of], explains={"CERT001", "OPS009"})
def renewal_stuck(mesh: Mesh) -> Iterator[Finding]:
    """A Certificate is past its time of renewal and has not been renewed.

    The old certificate still works, so nothing looks wrong until it expires. Renewal fails for
    the reasons a first issuance does: a redirect in the way of the challenge, an issuer that is
    not ready, DNS that moved. cert-manager tries again after one hour, then two, four, up to 32.

    Fix: mend what the deepest layer names, then renew at once with `cmctl renew`.

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
    apiVersion: cert-manager.io/v1
    kind: ClusterIssuer
    metadata: {name: letsencrypt}
    spec:
      acme:
        server: https://acme-v02.api.letsencrypt.org/directory
        solvers: [{http01: {ingress: {ingressClassName: istio}}}]
    status: {conditions: [{type: Ready, status: "True"}]}
    ---
    apiVersion: cert-manager.io/v1
    kind: Certificate
    metadata: {name: shop, namespace: istio-system}
    spec:
      secretName: shop-cert
      dnsNames: [shop.example.com]
      issuerRef: {name: letsencrypt, kind: ClusterIssuer}
    status:
      conditions: [{type: Ready, status: "True", reason: Ready}]
      notAfter: 2026-03-20T00:00:00Z
      renewalTime: 2026-02-18T00:00:00Z
      lastFailureTime: 2026-03-01T08:00:00Z
      failedIssuanceAttempts: 4
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com; expires in 18 days
      tls.key: key of shop.example.com
    ```

    ```finding
    high: Certificate istio-system/shop
    hosts: shop.example.com
    Certificate istio-system/shop should have been renewed since 2026-02-18 and expires on
    2026-03-19: cert-manager gives no reason. It failed 4 times; cert-manager tries again by itself
    at 2026-03-01 16:00 UTC.
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
    apiVersion: cert-manager.io/v1
    kind: ClusterIssuer
    metadata: {name: letsencrypt}
    spec:
      acme:
        server: https://acme-v02.api.letsencrypt.org/directory
        solvers: [{http01: {ingress: {ingressClassName: istio}}}]
    status: {conditions: [{type: Ready, status: "True"}]}
    ---
    apiVersion: cert-manager.io/v1
    kind: Certificate
    metadata: {name: shop, namespace: istio-system}
    spec:
      secretName: shop-cert
      dnsNames: [shop.example.com]
      issuerRef: {name: letsencrypt, kind: ClusterIssuer}
    status:
      conditions: [{type: Ready, status: "True", reason: Ready}]
      notAfter: 2027-01-01T00:00:00Z
      renewalTime: 2026-12-01T00:00:00Z
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    Sources: cert-manager.io, Certificate resource (renewal); cert-manager/cert-manager issues
    949, 5193, 9126.
    """
    for owner, issuance in stuck_certificates(mesh):
        certificate, status = owner.certificate, owner.certificate.status
        if not owner.secret_is_missing:
            due = status.renewal_time
            late = f"should have been renewed since {due:%Y-%m-%d}" if due else "is not renewed"
            if due and due > mesh.taken_at:
                late = "is to be issued anew and is not"
            ends = f" and expires on {owner.not_after:%Y-%m-%d}" if owner.not_after else ""
            yield Finding(
                message=(
                    f"{certificate.ref} {late}{ends}:"
                    f" {deepest(issuance)}.{retry_words(certificate)}"
                ),
                objects=(
                    Place(certificate.ref),
                    *layer_places(issuance),
                    Place(owner.uses[0].secret),
                ),
                identity=Identity.of(certificate.ref),
                hosts=hosts_of(owner.uses),
                evidence=layers(mesh, issuance),
                fixes=(
                    try_again(
                        certificate,
                        "Mend what the deepest layer names, then renew at once",
                        why="cmctl is cert-manager's own command line tool.",
                    ),
                ),
                severity=severity_of(owner, mesh.taken_at),
                deadline=deadline_of(owner),
                credentials=frozenset({owner.key}),
                servers=servers_of(owner.uses),
            )
