"""CM008."""

import re
from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.challenges import stuck_challenges
from istiodoctor.mesh.cert_manager.reasons import without_tokens
from istiodoctor.mesh.cert_manager.stuck_issuance import HTTP01
from istiodoctor.mesh.observations.challenges import ChallengeReplyKind, challenge_replies
from istiodoctor.mesh.observations.events import events_of
from istiodoctor.model.observation import Via
from istiodoctor.model.ref import Place
from istiodoctor_checks._served import hosts_of, servers_of
from istiodoctor_checks.cert_manager._challenges import DNS, challenge_evidence, replies_of
from istiodoctor_checks.cert_manager._issuing import (
    STOPS_ISSUING,
    deadline_of,
    layers,
    severity_of,
)

UNREACHED = re.compile(
    r"connection refused|i/o timeout|timed? ?out|deadline exceeded|no route to host|no such host",
    re.IGNORECASE,
)


@check(
    "CM008",
    severity=Severity.CRITICAL,
    evidence=[events_of, challenge_replies],
    explains=STOPS_ISSUING,
)
def http01_self_check_hairpin(mesh: Mesh) -> Iterator[Finding]:
    """cert-manager cannot reach the host from inside the cluster to check the challenge itself.

    Before it asks the issuer, cert-manager fetches the challenge on its own. From inside, the
    public address often does not lead back in: the router does no hairpin NAT, the load balancer
    keeps the client's address, or internal DNS answers with another address. From outside
    everything works.

    With `--probe` the challenge is asked for from where istiodoctor runs: an answer there shows
    that the self check alone fails.

    Fix: let the host lead to the gateway's Service inside the cluster too (split-horizon DNS,
    `hostAliases` of the cert-manager pods), or answer by DNS-01.

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
      reason: "failed to perform self check GET request: dial tcp 203.0.113.7:80: i/o timeout"
    ```

    ```finding
    critical, suspected: Challenge istio-system/shop-1-2
    hosts: shop.example.com
    Challenge istio-system/shop-1-2: cert-manager does not get through to shop.example.com from
    inside the cluster (failed to perform self check GET request: dial tcp 203.0.113.7:80: i/o
    timeout), so it does not even ask the issuer.
    ```

    An answer, even a wrong one, shows that the way is there:

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

    Sources: cert-manager.io, Troubleshooting ACME; cert-manager/cert-manager issues 656, 2517,
    949.
    """
    for owner, issuance, challenge in stuck_challenges(mesh):
        reason = without_tokens(challenge.status.reason)
        if challenge.spec.type == HTTP01 and UNREACHED.search(reason):
            right = replies_of(mesh, challenge.spec.dns_name, ChallengeReplyKind.RIGHT)
            is_seen = any(each.via is not Via.PORT_FORWARD for each in right)
            yield Finding(
                message=(
                    f"{challenge.ref}: cert-manager does not get through to"
                    f" {challenge.spec.dns_name} from inside the cluster ({reason.rstrip('.')}),"
                    " so it does not even ask the issuer."
                ),
                objects=(
                    Place(challenge.ref),
                    Place(owner.certificate.ref),
                    Place(owner.uses[0].secret),
                ),
                identity=Identity.of(owner.certificate.ref),
                hosts=hosts_of(owner.uses),
                evidence=(*challenge_evidence(right), *layers(mesh, issuance)),
                fixes=(DNS,),
                severity=severity_of(owner, mesh.taken_at),
                confidence=Confidence.OBSERVED if is_seen else Confidence.SUSPECTED,
                deadline=deadline_of(owner),
                credentials=frozenset({owner.key}),
                servers=servers_of(owner.uses),
            )
