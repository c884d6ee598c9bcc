"""CM003."""

from collections.abc import Iterator
from datetime import datetime

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, Risk, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import Issuance, IssuerResolution, issuer_of
from istiodoctor.mesh.cert_manager.reasons import is_unanswered, reasons
from istiodoctor.mesh.cert_manager.stuck_issuance import (
    GatewayCertificate,
    gateway_certificates,
    stuck_certificates,
)
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.certmanager import Certificate
from istiodoctor.model.kind import CERT_MANAGER, Kind
from istiodoctor.model.ref import Place
from istiodoctor_checks._served import hosts_of, servers_of
from istiodoctor_checks.cert_manager._issuing import STOPS_ISSUING, deadline_of, severity_of


@check("CM003", severity=Severity.CRITICAL, claims=Claim.NO_HANDSHAKE, explains=STOPS_ISSUING)
def issuer_kind_or_namespace(mesh: Mesh) -> Iterator[Finding]:
    """The Certificate names an issuer that does not exist.

    `issuerRef.kind` is `Issuer` unless it says otherwise, and an Issuer serves its own namespace
    only. The usual slips are a ClusterIssuer referenced without `kind: ClusterIssuer`, and an
    Issuer in another namespace. The CertificateRequest then waits for ever: `Referenced "Issuer"
    not found`.

    A group that is not cert-manager's is another controller's: cert-manager approves the request
    and leaves it to that one. Where there is none, nobody says a word.

    Fix: name the kind, or create the issuer where the Certificate looks for it.

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
      issuerRef: {name: letsencrypt}
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
    critical: Certificate istio-system/shop spec.issuerRef
    hosts: shop.example.com
    Certificate istio-system/shop is to be issued by Issuer istio-system/letsencrypt, which does
    not exist. There is ClusterIssuer letsencrypt, which it does not name. Secret
    istio-system/shop-cert is neither made nor renewed.
    ```

    The group is nobody's here:

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
    spec: {ca: {secretName: authority}}
    status: {conditions: [{type: Ready, status: "True"}]}
    ---
    apiVersion: cert-manager.io/v1
    kind: Certificate
    metadata: {name: shop, namespace: istio-system}
    spec:
      secretName: shop-cert
      dnsNames: [shop.example.com]
      issuerRef: {name: letsencrypt, kind: ClusterIssuer, group: certs.example.com}
    status:
      conditions:
      - type: Issuing
        status: "True"
        reason: DoesNotExist
        message: Issuing certificate as Secret does not exist
        lastTransitionTime: 2026-03-01T11:00:00Z
    ---
    apiVersion: cert-manager.io/v1
    kind: CertificateRequest
    metadata:
      name: shop-1
      namespace: istio-system
      annotations: {cert-manager.io/certificate-name: shop}
    spec: {issuerRef: {name: letsencrypt, kind: ClusterIssuer, group: certs.example.com}}
    status: {conditions: [{type: Approved, status: "True", reason: cert-manager.io}]}
    ```

    ```finding
    critical: Certificate istio-system/shop spec.issuerRef
    hosts: shop.example.com
    Certificate istio-system/shop is to be issued by ClusterIssuer letsencrypt of the group
    certs.example.com, of which no controller has answered the request. cert-manager's own
    ClusterIssuer letsencrypt has that name. Secret istio-system/shop-cert is neither made nor
    renewed.
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

    Sources: cert-manager.io, Issuer configuration; cert-manager/cert-manager issues 3335, 3422,
    2895, 552.
    """
    for owner, issuance in stuck_certificates(mesh):
        if is_unanswered(issuance):
            yield _of_another_group(owner, issuance, mesh.taken_at)
    for owner in gateway_certificates(mesh):
        certificate, issuer = owner.certificate, issuer_of(mesh, owner.certificate)
        if issuer.exists is False:
            found = f" There is {issuer.other_kind}, which it does not name." * bool(
                issuer.other_kind
            )
            yield Finding(
                message=(
                    f"{certificate.ref} is to be issued by {issuer.ref}, which does not exist."
                    f"{found} {owner.uses[0].secret} is neither made nor renewed."
                ),
                objects=(
                    certificate.at("/spec/issuerRef"),
                    *map(Place, filter(None, (issuer.other_kind,))),
                    Place(owner.uses[0].secret),
                ),
                identity=Identity.of(certificate.ref),
                hosts=hosts_of(owner.uses),
                evidence=(
                    Evidence(
                        text=f"issuerRef: {issuer.ref.kind} {issuer.ref.name}"
                        f"{'' if issuer.reference.kind else ' (the kind by default)'}",
                        ref=certificate.ref,
                    ),
                ),
                fixes=_fixes(certificate, issuer),
                severity=severity_of(owner, mesh.taken_at),
                deadline=deadline_of(owner),
                credentials=frozenset({owner.key}),
                servers=servers_of(owner.uses),
                absences=frozenset({_absence(issuer)}),
            )


def _of_another_group(owner: GatewayCertificate, issuance: Issuance, now: datetime) -> Finding:
    certificate, issuer = owner.certificate, issuance.issuer
    said = reasons(issuance)[:1]
    other = issuer.other_kind
    own = f" cert-manager's own {other} has that name." if other else ""
    fix = (
        set_field(
            certificate.at("/spec/issuerRef/group"),
            CERT_MANAGER,
            f"Name {other} as the issuer",
            risk=Risk.NEEDS_ISSUANCE,
        )
        if other and other.kind == issuer.reference.effective_kind
        else Fix(
            title=f"Name an issuer of cert-manager, or see to the controller of {issuer.ref}",
            risk=Risk.NEEDS_ISSUANCE,
        )
    )
    return Finding(
        message=(
            f"{certificate.ref} is to be issued by {issuer.ref} of the group"
            f" {issuer.reference.group}, of which no controller has answered the request.{own}"
            f" {owner.uses[0].secret} is neither made nor renewed."
        ),
        objects=(
            certificate.at("/spec/issuerRef"),
            *(Place(each.ref) for each in (issuance.request,) if each),
            *(Place(each) for each in (other,) if each),
            Place(owner.uses[0].secret),
        ),
        identity=Identity.of(certificate.ref),
        hosts=hosts_of(owner.uses),
        evidence=(
            Evidence(text=f"issuerRef.group: {issuer.reference.group}", ref=certificate.ref),
            *(Evidence(text=f"{each.ref}: {each.text}", ref=each.ref) for each in said),
        ),
        fixes=(fix,),
        severity=severity_of(owner, now),
        confidence=Confidence.CERTAIN if other else Confidence.SUSPECTED,
        deadline=deadline_of(owner),
        credentials=frozenset({owner.key}),
        servers=servers_of(owner.uses),
    )


def _absence(issuer: IssuerResolution) -> tuple[Kind, str, str]:
    kind = Kind.CLUSTER_ISSUER if issuer.ref.kind == "ClusterIssuer" else Kind.ISSUER
    return (kind, issuer.ref.namespace, issuer.ref.name)


def _fixes(certificate: Certificate, issuer: IssuerResolution) -> tuple[Fix, ...]:
    other = issuer.other_kind
    if other and other.namespace in ("", certificate.namespace):
        return (
            set_field(
                certificate.at("/spec/issuerRef/kind"),
                other.kind,
                f"Name {other} as the issuer",
                risk=Risk.NEEDS_ISSUANCE,
            ),
        )
    if other:
        title = f"Make {other} a ClusterIssuer, or create it in {certificate.namespace} too"
        return (Fix(title=title, risk=Risk.NEEDS_ISSUANCE, why="An Issuer serves its namespace."),)
    title = f"Create {issuer.ref}, or name an issuer that exists"
    verify = kubectl("get", "clusterissuers")
    return (Fix(title=title, risk=Risk.NEEDS_ISSUANCE, verify=verify),)
