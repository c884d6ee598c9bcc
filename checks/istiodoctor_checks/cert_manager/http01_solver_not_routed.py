"""CM006."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, create
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.challenges import (
    ingress_pods_elsewhere,
    serves_ingress,
    solver_ingress,
    stuck_challenges,
)
from istiodoctor.mesh.cert_manager.stuck_issuance import HTTP01
from istiodoctor.mesh.credentials.credentials import CredentialUse
from istiodoctor.mesh.gateways.ingresses import ISTIO_INGRESS, IngressSettings
from istiodoctor.mesh.observations.challenges import ChallengeReplyKind, challenge_replies
from istiodoctor.mesh.observations.events import events_of
from istiodoctor.model.certmanager import Http01Ingress
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place
from istiodoctor.text import listing
from istiodoctor_checks._served import hosts_of, servers_of
from istiodoctor_checks.cert_manager._challenges import DNS, challenge_evidence, replies_of
from istiodoctor_checks.cert_manager._issuing import (
    STOPS_ISSUING,
    deadline_of,
    layers,
    severity_of,
)


@check(
    "CM006",
    severity=Severity.CRITICAL,
    evidence=[events_of, challenge_replies],
    explains=STOPS_ISSUING | {"CM008", "CM019"},
)
def http01_solver_not_routed(mesh: Mesh) -> Iterator[Finding]:
    """The solver's Ingress has a class that istiod makes no routes of.

    cert-manager answers HTTP-01 challenges with a pod of its own and an Ingress that leads to it.
    With `ingressClassName: istio` istiod takes it only if an IngressClass of that name exists,
    with the controller `istio.io/ingress-controller`; with `class: istio` (the annotation) it
    needs `ingressControllerMode` other than OFF. Another class is another controller's, whose
    address the host does not have. The challenge gets a 404.

    Ingresses that istiod takes are for the pods with the label `istio` that the mesh
    configuration says (`ingressSelector`, else `ingressService`, else `ingressgateway`). Where
    the pods that serve the host have another label, as those of Istio's `gateway` chart do, the
    challenge gets a 404 just as well.

    With `--probe` the challenge is asked for as the issuer does.

    Fix: create the IngressClass, set `ingressSelector` to the label of the pods, or answer by a
    `gatewayHTTPRoute` solver or by DNS-01.

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
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
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
      reason: "Waiting for HTTP-01 challenge propagation: wrong status code '404', expected '200'"
    ```

    ```finding
    critical, suspected: ClusterIssuer letsencrypt spec.acme.solvers
    hosts: shop.example.com
    Challenge istio-system/shop-1-2 is answered by an Ingress of class istio, of which istiod makes
    no routes: requests for shop.example.com get no answer, and Certificate istio-system/shop is
    not issued.
    ```

    The mesh configuration keeps the label of the former gateway:

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-ingress, labels: {istio: gateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.24.1"}]}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data: {mesh: "ingressSelector: ingressgateway"}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: gateway}
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
    ---
    apiVersion: networking.k8s.io/v1
    kind: IngressClass
    metadata: {name: istio}
    spec: {controller: istio.io/ingress-controller}
    ---
    apiVersion: cert-manager.io/v1
    kind: Certificate
    metadata: {name: shop, namespace: istio-ingress}
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
    metadata: {name: shop-1-2, namespace: istio-ingress}
    spec: {type: HTTP-01, dnsName: shop.example.com}
    status:
      state: pending
      processing: true
      presented: true
      reason: "Waiting for HTTP-01 challenge propagation: wrong status code '404', expected '200'"
    ```

    ```finding
    critical: ConfigMap istio-system/istio data.mesh
    hosts: shop.example.com
    Challenge istio-ingress/shop-1-2 is answered by an Ingress of class istio, which istiod gives
    to pods with the label istio=ingressgateway, and Pod istio-ingress/gateway has another:
    requests for shop.example.com get no answer, and Certificate istio-ingress/shop is not issued.
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
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
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
    apiVersion: networking.k8s.io/v1
    kind: IngressClass
    metadata: {name: istio}
    spec: {controller: istio.io/ingress-controller}
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
      reason: "Waiting for HTTP-01 challenge propagation: wrong status code '404', expected '200'"
    ```

    Sources: istio.io, cert-manager integration; istio/istio issues 27643, 42985, 9030;
    cert-manager/cert-manager issue 2517.
    """
    for owner, issuance, challenge in stuck_challenges(mesh):
        certificate, ingress = owner.certificate, solver_ingress(issuance, challenge)
        served = [
            serves_ingress(mesh, use.workload, ingress.ingress_class, ingress.ingress_class_name)
            is not False
            for use in owner.uses
            if ingress
        ]
        if ingress is None or challenge.spec.type != HTTP01:
            continue
        settings = ingress_pods_elsewhere(mesh, frozenset(use.workload for use in owner.uses))
        if any(served) and (settings is None or not all(served)):
            continue
        seen = replies_of(mesh, challenge.spec.dns_name, ChallengeReplyKind.WRONG)
        written_at = settings.written_at if settings and any(served) else None
        yield Finding(
            message=(
                f"{challenge.ref} is answered by an Ingress of class {_class(ingress)},"
                f" {_why(settings if any(served) else None, owner.uses)}: requests for"
                f" {challenge.spec.dns_name} get no answer, and {certificate.ref} is not issued."
            ),
            objects=(
                *filter(None, (written_at,)),
                Place(issuance.issuer.ref, "/spec/acme/solvers"),
                Place(challenge.ref),
                Place(certificate.ref),
                Place(owner.uses[0].secret),
            ),
            identity=Identity.of(certificate.ref),
            hosts=hosts_of(owner.uses),
            evidence=(*challenge_evidence(seen), *layers(mesh, issuance)),
            fixes=_fixes(ingress, written_at, is_served=any(served)),
            severity=severity_of(owner, mesh.taken_at),
            confidence=Confidence.OBSERVED
            if seen
            else Confidence.CERTAIN
            if any(served)
            else Confidence.SUSPECTED,
            deadline=deadline_of(owner),
            credentials=frozenset({owner.key}),
            servers=servers_of(owner.uses),
        )


def _why(settings: IngressSettings | None, uses: tuple[CredentialUse, ...]) -> str:
    if settings is None:
        return "of which istiod makes no routes"
    wanted = listing(f"{name}={value}" for name, value in sorted(settings.selector))
    pods = listing(str(use.workload) for use in uses)
    return f"which istiod gives to pods with the label {wanted}, and {pods} has another"


def _fixes(
    ingress: Http01Ingress, written_at: Place | None, *, is_served: bool
) -> tuple[Fix, ...]:
    if not is_served and ingress.ingress_class_name == "istio":
        return (_create_class(ingress),)
    if written_at is None:
        return (DNS,)
    select = Fix(
        title="Set ingressSelector in the mesh configuration to the gateway pods' label `istio`",
        commands=(kubectl("edit", written_at.ref),),
        why="Every Ingress that istiod serves moves to those pods.",
    )
    return (select, DNS)


def _class(ingress: Http01Ingress) -> str:
    return ingress.ingress_class or ingress.ingress_class_name


def _create_class(ingress: Http01Ingress) -> Fix:
    return create(
        {
            "metadata": {"name": ingress.ingress_class_name},
            "spec": {"controller": ISTIO_INGRESS},
        },
        Kind.INGRESS_CLASS,
        "Create the IngressClass istio, so that istiod serves the solver",
        why="istiod then also serves other Ingresses of this class.",
    )
