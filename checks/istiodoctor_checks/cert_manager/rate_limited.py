"""CM012."""

import re
from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, Risk
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.reasons import reasons
from istiodoctor.mesh.cert_manager.stuck_issuance import stuck_certificates
from istiodoctor.mesh.observations.events import events_of
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.ref import Place
from istiodoctor_checks._served import hosts_of, servers_of
from istiodoctor_checks.cert_manager._issuing import (
    STOPS_ISSUING,
    deadline_of,
    layers,
    severity_of,
)

LIMITED = re.compile(
    r"rateLimited|too many (certificates|failed authorizations|new orders)|\b429\b"
)
WAIT = Fix(
    title="Stop what asks again and again, then wait",
    risk=Risk.OUTSIDE_CLUSTER,
    why="Try out changes with the staging server; it has wide limits of its own.",
)


@check(
    "CM012",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    evidence=[events_of],
    explains=STOPS_ISSUING,
)
def rate_limited(mesh: Mesh) -> Iterator[Finding]:
    """The issuer refuses: its rate limit is used up.

    ACME servers count: `urn:ietf:params:acme:error:rateLimited`, `too many certificates already
    issued`. Mostly something asks again and again: two Certificates that write one Secret
    (CM013), a Secret that is deleted and made anew, a pipeline without the staging server. Each
    further try can make the wait longer.

    Fix: stop what repeats, and wait for the time that the message names. `cmctl renew` does not
    help here.

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
      conditions:
      - type: Issuing
        status: "True"
        reason: DoesNotExist
        lastTransitionTime: 2026-03-01T11:00:00Z
      - type: Ready
        status: "False"
        reason: DoesNotExist
        message: Issuing certificate as Secret does not exist
    ---
    apiVersion: cert-manager.io/v1
    kind: CertificateRequest
    metadata:
      name: shop-1
      namespace: istio-system
      annotations: {cert-manager.io/certificate-name: shop}
    status:
      conditions:
      - type: Ready
        status: "False"
        reason: Failed
        message: "429 urn:ietf:params:acme:error:rateLimited: too many certificates"
    ```

    ```finding
    critical: Certificate istio-system/shop
    hosts: shop.example.com
    Certificate istio-system/shop is refused for its issuer's rate limit (CertificateRequest
    istio-system/shop-1: 429 urn:ietf:params:acme:error:rateLimited: too many certificates). It is
    issued when that time is over, not before.
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
      conditions:
      - type: Issuing
        status: "True"
        reason: DoesNotExist
        lastTransitionTime: 2026-03-01T11:00:00Z
      - type: Ready
        status: "False"
        reason: DoesNotExist
        message: Issuing certificate as Secret does not exist
    ---
    apiVersion: cert-manager.io/v1
    kind: CertificateRequest
    metadata:
      name: shop-1
      namespace: istio-system
      annotations: {cert-manager.io/certificate-name: shop}
    status:
      conditions:
      - type: Ready
        status: "False"
        reason: Failed
        message: "403 urn:ietf:params:acme:error:unauthorized"
    ```

    Sources: letsencrypt.org, Rate Limits; cert-manager/cert-manager issue 5875.
    """
    for owner, issuance in stuck_certificates(mesh):
        limit = next((each for each in reasons(issuance) if LIMITED.search(each.text)), None)
        if limit:
            yield Finding(
                message=(
                    f"{owner.certificate.ref} is refused for its issuer's rate limit ({limit.ref}:"
                    f" {limit.text.rstrip('.')}). It is issued when that time is over, not before."
                ),
                objects=(
                    Place(owner.certificate.ref),
                    Place(limit.ref),
                    Place(owner.uses[0].secret),
                ),
                identity=Identity.of(owner.certificate.ref),
                hosts=hosts_of(owner.uses),
                evidence=layers(mesh, issuance),
                fixes=(WAIT,),
                severity=severity_of(owner, mesh.taken_at),
                deadline=deadline_of(owner),
                credentials=frozenset({owner.key}),
                servers=servers_of(owner.uses),
            )
