"""CM009."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.challenges import stuck_challenges
from istiodoctor.mesh.cert_manager.reasons import without_tokens
from istiodoctor.mesh.cert_manager.stuck_issuance import DNS01
from istiodoctor.mesh.observations.events import events_of
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.ref import Place
from istiodoctor_checks._served import hosts_of, servers_of
from istiodoctor_checks.cert_manager._issuing import (
    STOPS_ISSUING,
    deadline_of,
    layers,
    severity_of,
    try_again,
)


@check(
    "CM009",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    evidence=[events_of],
    explains=STOPS_ISSUING,
)
def dns01_failure(mesh: Mesh) -> Iterator[Finding]:
    """A DNS-01 challenge of a gateway's certificate fails.

    cert-manager writes a TXT record `_acme-challenge.HOST` by the DNS provider's API and waits
    until it can be seen. It fails on wrong or missing credentials, on a zone that the solver's
    selector or the account does not have, or since the name servers that it asks do not show the
    record (split-horizon DNS).

    Fix: mend what the Challenge says; for records that do not show,
    `--dns01-recursive-nameservers-only`.

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
        solvers: [{dns01: {cloudDNS: {project: example}}}]
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
    apiVersion: acme.cert-manager.io/v1
    kind: Challenge
    metadata: {name: shop-1-2, namespace: istio-system}
    spec: {type: DNS-01, dnsName: shop.example.com}
    status:
      state: pending
      processing: true
      presented: true
      reason: "error getting clouddns service account: secrets clouddns not found"
    ```

    ```finding
    critical: ClusterIssuer letsencrypt spec.acme.solvers
    hosts: shop.example.com
    Challenge istio-system/shop-1-2 for shop.example.com fails: error getting clouddns service
    account: secrets clouddns not found. Certificate istio-system/shop is not issued until the DNS
    record can be made and seen.
    ```

    The minutes that a record takes to show are no fault:

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
        solvers: [{dns01: {cloudDNS: {project: example}}}]
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
        lastTransitionTime: 2026-03-01T11:58:00Z
      - type: Ready
        status: "False"
        reason: DoesNotExist
        message: Issuing certificate as Secret does not exist
    ---
    apiVersion: acme.cert-manager.io/v1
    kind: Challenge
    metadata: {name: shop-1-2, namespace: istio-system}
    spec: {type: DNS-01, dnsName: shop.example.com}
    status:
      state: pending
      processing: true
      presented: true
      reason: "Waiting for DNS-01 challenge propagation: DNS record not yet propagated"
    ```

    Sources: cert-manager.io, DNS01 and Troubleshooting ACME; cert-manager/cert-manager issues
    3335, 3270, 6194, 1718.
    """
    for owner, issuance, challenge in stuck_challenges(mesh):
        reason = without_tokens(challenge.status.reason).strip()
        if challenge.spec.type == DNS01 and reason:
            yield Finding(
                message=(
                    f"{challenge.ref} for {challenge.spec.dns_name} fails: {reason.rstrip('.')}."
                    f" {owner.certificate.ref} is not issued until the DNS record can be made"
                    " and seen."
                ),
                objects=(
                    Place(issuance.issuer.ref, "/spec/acme/solvers"),
                    Place(challenge.ref),
                    Place(owner.certificate.ref),
                    Place(owner.uses[0].secret),
                ),
                identity=Identity.of(owner.certificate.ref),
                hosts=hosts_of(owner.uses),
                evidence=layers(mesh, issuance),
                fixes=(
                    try_again(
                        owner.certificate,
                        "Mend credentials, zone or name servers, then issue at once",
                    ),
                ),
                severity=severity_of(owner, mesh.taken_at),
                deadline=deadline_of(owner),
                credentials=frozenset({owner.key}),
                servers=servers_of(owner.uses),
            )
