"""CM020."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.challenges import LostSolverRoute, lost_solver_routes
from istiodoctor.mesh.observations.events import events_of
from istiodoctor.model.ref import Place
from istiodoctor.text import listing
from istiodoctor_checks._served import hosts_of, servers_of
from istiodoctor_checks.cert_manager._challenges import DNS
from istiodoctor_checks.cert_manager._issuing import (
    STOPS_ISSUING,
    deadline_of,
    layers,
    severity_of,
)


@check(
    "CM020",
    severity=Severity.CRITICAL,
    evidence=[events_of],
    explains=STOPS_ISSUING | {"CM008", "CM019"},
)
def challenge_route_unattached(mesh: Mesh) -> Iterator[Finding]:
    """The HTTPRoute that answers a HTTP-01 challenge is attached to no listener of its host.

    A `gatewayHTTPRoute` solver makes an HTTPRoute beside the Certificate, with the `parentRefs`
    of the solver. Where the listener takes no routes of that namespace, has another hostname or
    does not exist, or where the parents are another gateway's, the challenge gets a 404.

    Fix: that of the finding above this one. Where there is none: name a Gateway in the solver's
    `parentRefs` that serves the host on port 80 and takes routes of the Certificate's namespace.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: istio-ingress
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: istio-ingress}
    spec:
      gatewayClassName: istio
      listeners:
      - {name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Same}}}
      - name: https
        port: 443
        protocol: HTTPS
        hostname: shop.example.com
        tls: {certificateRefs: [{name: shop-cert, namespace: shop}]}
        allowedRoutes: {namespaces: {from: All}}
    ---
    apiVersion: gateway.networking.k8s.io/v1beta1
    kind: ReferenceGrant
    metadata: {name: gateways, namespace: shop}
    spec:
      from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: istio-ingress}]
      to: [{group: "", kind: Secret}]
    ---
    apiVersion: cert-manager.io/v1
    kind: ClusterIssuer
    metadata: {name: letsencrypt}
    spec:
      acme:
        server: https://acme-v02.api.letsencrypt.org/directory
        solvers:
        - http01: {gatewayHTTPRoute: {parentRefs: [{name: web, namespace: istio-ingress}]}}
    ---
    apiVersion: cert-manager.io/v1
    kind: Certificate
    metadata: {name: shop, namespace: shop}
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
    metadata: {name: shop-1-2, namespace: shop}
    spec: {type: HTTP-01, dnsName: shop.example.com}
    status:
      state: pending
      processing: true
      presented: true
      reason: "Waiting for HTTP-01 challenge propagation: wrong status code '404', expected '200'"
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata:
      name: cm-acme-http-solver-x
      namespace: shop
      ownerReferences: [{kind: Challenge, name: shop-1-2, controller: true}]
    spec:
      parentRefs: [{name: web, namespace: istio-ingress, sectionName: http}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: cm-acme-http-solver-x, port: 8089}]}]
    ```

    ```finding
    critical: ClusterIssuer letsencrypt spec.acme.solvers
    hosts: shop.example.com
    HTTPRoute shop/cm-acme-http-solver-x answers Challenge shop/shop-1-2 for shop.example.com, but
    no listener takes it: the challenge gets 404, and Certificate shop/shop is not issued.
    ```

    The plain listener takes routes of every namespace:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: istio-ingress
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: istio-ingress}
    spec:
      gatewayClassName: istio
      listeners:
      - {name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
      - name: https
        port: 443
        protocol: HTTPS
        hostname: shop.example.com
        tls: {certificateRefs: [{name: shop-cert, namespace: shop}]}
        allowedRoutes: {namespaces: {from: All}}
    ---
    apiVersion: gateway.networking.k8s.io/v1beta1
    kind: ReferenceGrant
    metadata: {name: gateways, namespace: shop}
    spec:
      from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: istio-ingress}]
      to: [{group: "", kind: Secret}]
    ---
    apiVersion: cert-manager.io/v1
    kind: ClusterIssuer
    metadata: {name: letsencrypt}
    spec:
      acme:
        server: https://acme-v02.api.letsencrypt.org/directory
        solvers:
        - http01: {gatewayHTTPRoute: {parentRefs: [{name: web, namespace: istio-ingress}]}}
    ---
    apiVersion: cert-manager.io/v1
    kind: Certificate
    metadata: {name: shop, namespace: shop}
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
    metadata: {name: shop-1-2, namespace: shop}
    spec: {type: HTTP-01, dnsName: shop.example.com}
    status:
      state: pending
      processing: true
      presented: true
      reason: "Waiting for HTTP-01 challenge propagation: wrong status code '404', expected '200'"
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata:
      name: cm-acme-http-solver-x
      namespace: shop
      ownerReferences: [{kind: Challenge, name: shop-1-2, controller: true}]
    spec:
      parentRefs: [{name: web, namespace: istio-ingress, sectionName: http}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: cm-acme-http-solver-x, port: 8089}]}]
    ```

    Sources: cert-manager.io, HTTP01, Configuring the HTTP-01 Gateway API solver;
    gateway-api.sigs.k8s.io, Cross-Namespace Routing.
    """
    for each in lost_solver_routes(mesh):
        owner, challenge, route = each.owner, each.challenge, each.route
        yield Finding(
            message=(
                f"{route.ref} answers {challenge.ref} for {challenge.spec.dns_name}, but"
                f" {_where(each)}: the challenge gets 404, and {owner.certificate.ref} is not"
                " issued."
            ),
            objects=(
                Place(each.issuance.issuer.ref, "/spec/acme/solvers"),
                route.at("/spec/parentRefs"),
                Place(challenge.ref),
                Place(owner.certificate.ref),
                Place(owner.uses[0].secret),
            ),
            identity=Identity.of(owner.certificate.ref),
            hosts=hosts_of(owner.uses),
            evidence=layers(mesh, each.issuance),
            fixes=(DNS,),
            severity=severity_of(owner, mesh.taken_at),
            confidence=Confidence.SUSPECTED if each.is_attached else Confidence.CERTAIN,
            deadline=deadline_of(owner),
            credentials=frozenset({owner.key}),
            servers=servers_of(owner.uses),
            culprits=frozenset() if each.is_attached else frozenset({route.ref}),
        )


def _where(each: LostSolverRoute) -> str:
    if each.is_attached:
        parents = listing(str(one.parent) for one in each.attachments)
        return f"it is attached to {parents}, not to the gateway of that host"
    return "no listener takes it"
