"""CM019."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.challenges import (
    ChallengeReply,
    ChallengeReplyKind,
    unanswered_challenges,
)
from istiodoctor.mesh.observations.events import events_of
from istiodoctor.mesh.observations.http_answers import is_own
from istiodoctor.model.ref import Place
from istiodoctor_checks._served import hosts_of, servers_of
from istiodoctor_checks.cert_manager._challenges import DNS, challenge_evidence
from istiodoctor_checks.cert_manager._issuing import (
    STOPS_ISSUING,
    deadline_of,
    layers,
    severity_of,
)


@check(
    "CM019", severity=Severity.CRITICAL, evidence=[events_of], explains=STOPS_ISSUING | {"CM008"}
)
def challenge_not_answered(mesh: Mesh) -> Iterator[Finding]:
    """A HTTP-01 challenge that waits was asked for as its issuer asks, and is not answered right.

    Seen on the wire: `http://HOST/.well-known/acme-challenge/TOKEN`, asked where the host's name
    leads, else at the load balancer, else at the pod. The right answer begins with the token. It
    was redirected and not answered there (CM005), answered with something else, mostly 404
    (CM006), or nobody took the connection (CM007). The issuer gets the same, from wherever it
    asks.

    Fix: that of the cause in the report. Where there is none: a redirect or a 404 that is not
    Envoy's comes from something before the gateway, which must let port 80 through; a 404 of
    Envoy's means that the solver's route is not bound to the gateway. Or answer by DNS-01.

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
    spec: {type: HTTP-01, dnsName: shop.example.com, token: example-token}
    status: {state: pending, processing: true, presented: true}
    ```

    ```http bad
    - host: shop.example.com
      dns: shop.example.com
      port: 80
      answer_begins: example-token.
      steps:
      - {url: "http://shop.example.com/.well-known/acme-challenge/example-token", status: 404}
    ```

    ```finding
    critical, observed: Challenge istio-system/shop-1-2
    hosts: shop.example.com
    Challenge istio-system/shop-1-2 for shop.example.com waits, and its issuer gets no right
    answer: asked as it asks, shop.example.com:80 answers 404, by the gateway.
    ```

    A redirect does no harm where the answer comes after it:

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
    spec: {type: HTTP-01, dnsName: shop.example.com, token: example-token}
    status: {state: pending, processing: true, presented: true}
    ```

    ```http good
    - host: shop.example.com
      dns: shop.example.com
      port: 80
      answer_begins: example-token.
      steps:
      - url: "http://shop.example.com/.well-known/acme-challenge/example-token"
        status: 301
        location: "https://shop.example.com/.well-known/acme-challenge/example-token"
      - url: "https://shop.example.com/.well-known/acme-challenge/example-token"
        status: 200
        is_expected: true
    ```

    Sources: RFC 8555, Automatic Certificate Management Environment, section 8.3; letsencrypt.org,
    Challenge Types; cert-manager.io, HTTP01.
    """
    for each in unanswered_challenges(mesh):
        owner, challenge = each.owner, each.challenge
        yield Finding(
            message=(
                f"{challenge.ref} for {challenge.spec.dns_name} waits, and its issuer gets no"
                f" right answer: asked as it asks, {_ending(each.replies[0])}."
            ),
            objects=(
                Place(challenge.ref),
                Place(owner.certificate.ref),
                Place(owner.uses[0].secret),
            ),
            identity=Identity.of(owner.certificate.ref),
            hosts=hosts_of(owner.uses),
            evidence=(*challenge_evidence(each.replies), *layers(mesh, each.issuance)),
            fixes=(DNS,),
            severity=severity_of(owner, mesh.taken_at),
            confidence=Confidence.OBSERVED,
            deadline=deadline_of(owner),
            credentials=frozenset({owner.key}),
            servers=servers_of(owner.uses),
        )


def _ending(reply: ChallengeReply) -> str:
    step = reply.first
    who = "the gateway" if is_own(step) else step.server or "something before the gateway"
    match reply.kind:
        case ChallengeReplyKind.SILENCE:
            return f"{step.access_point} does not answer"
        case ChallengeReplyKind.REDIRECTED:
            return f"{step.access_point} redirects to https://, where the answer does not come"
        case _:
            return f"{step.access_point} answers {step.status}, by {who}"
