"""CM011."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, get
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.stuck_issuance import (
    GatewayCertificate,
    started,
    stuck_certificates,
    young_certificates,
)
from istiodoctor.mesh.observations.events import events_of
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.ref import Place
from istiodoctor_checks._served import hosts_of, servers_of
from istiodoctor_checks.cert_manager._issuing import (
    deepest,
    layer_places,
    layers,
    retry_words,
    try_again,
)


@check(
    "CM011",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    evidence=[events_of],
    explains={
        "CERT016",
        "CRED001",
        "CRED002",
        "GW022",
        "SDS001",
        "SDS011",
        "SDS014",
        "SNI011",
        "SNI012",
    },
)
def order_pending(mesh: Mesh) -> Iterator[Finding]:
    """A Certificate that a gateway waits for has never been issued.

    `Issuing certificate as Secret does not exist` stands on every new Certificate for a moment;
    when it stays, a deeper layer is stuck. cert-manager works through CertificateRequest, Order
    and Challenge: the deepest one that is not done says why. After a failure cert-manager waits
    an hour, then two, four, up to 32, before it tries again.

    Fix: mend what the deepest layer names, then have it tried again at once with `cmctl renew`.

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
    apiVersion: acme.cert-manager.io/v1
    kind: Challenge
    metadata: {name: shop-1-2, namespace: istio-system}
    spec: {type: HTTP-01, dnsName: shop.example.com}
    status:
      state: pending
      processing: true
      presented: true
      reason: "failed to perform self check GET request: connection refused"
    ---
    apiVersion: v1
    kind: Event
    metadata: {name: shop-1-2.17a, namespace: istio-system}
    involvedObject:
      apiVersion: acme.cert-manager.io/v1
      kind: Challenge
      namespace: istio-system
      name: shop-1-2
    type: Warning
    reason: PresentError
    message: "Error presenting challenge: services is forbidden"
    lastTimestamp: 2026-03-01T11:55:00Z
    ```

    ```finding
    critical: Certificate istio-system/shop
    hosts: shop.example.com
    Certificate istio-system/shop has been waiting to be issued since 2026-03-01 11:00 UTC:
    Challenge istio-system/shop-1-2 says: failed to perform self check GET request: connection
    refused. Secret istio-system/shop-cert does not exist until it is done.
    ```

    A first issuance gets its five minutes:

    In its first minutes it is on its way, and the missing Secret is its matter:

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
        lastTransitionTime: 2026-03-01T11:58:00Z
      - type: Ready
        status: "False"
        reason: DoesNotExist
        message: Issuing certificate as Secret does not exist
    ```

    ```finding
    low: Certificate istio-system/shop
    hosts: shop.example.com
    Certificate istio-system/shop is to write Secret istio-system/shop-cert and has only begun:
    cert-manager makes it within a few minutes, if nothing stands in the way.
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
    status: {conditions: [{type: Ready, status: "True"}]}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    Sources: cert-manager.io, Troubleshooting; cert-manager/cert-manager issues 3270, 6174, 6194,
    1718, 1886.
    """
    for owner in young_certificates(mesh):
        yield _young(owner)
    for owner, issuance in stuck_certificates(mesh):
        certificate, since = owner.certificate, started(owner.certificate)
        if owner.secret_is_missing:
            when = f" since {since:%Y-%m-%d %H:%M} UTC" if since else ""
            yield Finding(
                message=(
                    f"{certificate.ref} has been waiting to be issued{when}:"
                    f" {deepest(issuance)}. {owner.uses[0].secret} does not exist until it is"
                    f" done.{retry_words(certificate)}"
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
                        "Mend what the deepest layer names, then issue at once",
                        why="cmctl is cert-manager's own command line tool.",
                    ),
                ),
                confidence=Confidence.CERTAIN if since else Confidence.SUSPECTED,
                credentials=frozenset({owner.key}),
                servers=servers_of(owner.uses),
            )


def _young(owner: GatewayCertificate) -> Finding:
    certificate, secret = owner.certificate, owner.uses[0].secret
    return Finding(
        message=(
            f"{certificate.ref} is to write {secret} and has only begun: cert-manager makes it"
            " within a few minutes, if nothing stands in the way."
        ),
        objects=(Place(certificate.ref), Place(secret)),
        identity=Identity.of(certificate.ref),
        hosts=hosts_of(owner.uses),
        fixes=(
            Fix(
                title="Wait a few minutes and scan again",
                verify=get(certificate.ref),
                why="A Secret made by hand would be in cert-manager's way.",
            ),
        ),
        severity=Severity.LOW,
        is_settling=True,
        credentials=frozenset({owner.key}),
        servers=servers_of(owner.uses),
    )
