"""CM004."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, Risk, get
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import issuer_of
from istiodoctor.mesh.cert_manager.reasons import without_tokens
from istiodoctor.mesh.cert_manager.stuck_issuance import gateway_certificates
from istiodoctor.mesh.observations.events import events_of
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.ref import Place, Ref
from istiodoctor_checks._events import event_evidence
from istiodoctor_checks._served import hosts_of, servers_of
from istiodoctor_checks.cert_manager._issuing import STOPS_ISSUING, deadline_of, severity_of


@check(
    "CM004",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    evidence=[events_of],
    explains=STOPS_ISSUING,
)
def issuer_not_ready(mesh: Mesh) -> Iterator[Finding]:
    """The issuer of a gateway's certificate is not ready.

    It issues nothing and renews nothing: the ACME account could not be registered or checked, its
    key Secret is wrong, the CA's Secret is missing, the server's address is not right.
    Certificates that are there go on working until they expire.

    Fix: mend what the issuer's Ready condition says.

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
    status:
      conditions:
      - type: Ready
        status: "False"
        reason: ErrRegisterACMEAccount
        message: "Failed to register ACME account: 403"
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
    ```

    ```finding
    critical: ClusterIssuer letsencrypt
    hosts: shop.example.com
    ClusterIssuer letsencrypt is not ready (ErrRegisterACMEAccount): Failed to register ACME
    account: 403. It neither issues nor renews Secret istio-system/shop-cert.
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
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    Sources: cert-manager.io, Issuer configuration; cert-manager/cert-manager issues 552, 3422.
    """
    for owner in gateway_certificates(mesh):
        resolution = issuer_of(mesh, owner.certificate)
        issuer, ready = resolution.issuer, resolution.ready
        if issuer and ready and ready.status == "False":
            yield Finding(
                message=(
                    f"{issuer.ref} is not ready ({ready.reason}):"
                    f" {without_tokens(ready.message).rstrip('.') or 'it does not say why'}."
                    f" It neither issues nor renews {owner.uses[0].secret}."
                ),
                objects=(
                    Place(issuer.ref),
                    Place(owner.certificate.ref),
                    Place(owner.uses[0].secret),
                ),
                identity=Identity.of(issuer.ref),
                hosts=hosts_of(owner.uses),
                evidence=(
                    Evidence(text=f"{owner.certificate.ref} names it", ref=owner.certificate.ref),
                    *event_evidence(mesh, (issuer.ref,)),
                ),
                fixes=(_look(issuer.ref),),
                severity=severity_of(owner, mesh.taken_at),
                deadline=deadline_of(owner),
                credentials=frozenset({owner.key}),
                servers=servers_of(owner.uses),
            )


def _look(issuer: Ref) -> Fix:
    return Fix(
        title="Mend what its Ready condition says",
        risk=Risk.NEEDS_ISSUANCE,
        verify=get(issuer),
        why="Account, address of the server and the Secret it names are the usual reasons.",
    )
