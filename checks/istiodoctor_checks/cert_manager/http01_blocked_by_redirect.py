"""CM005."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import is_ready
from istiodoctor.mesh.cert_manager.reasons import without_tokens
from istiodoctor.mesh.cert_manager.stuck_issuance import (
    BlockedChallenge,
    blocked_challenges,
    is_renewal_stuck,
    wildcards_by_http01,
)
from istiodoctor.mesh.observations.challenges import ChallengeReplyKind, challenge_replies
from istiodoctor.model.ref import Place
from istiodoctor_checks._served import servers_of
from istiodoctor_checks.cert_manager._challenges import (
    challenge_evidence,
    exempt_challenges,
    replies_of,
)
from istiodoctor_checks.cert_manager._issuing import STOPS_ISSUING, deadline_of


@check(
    "CM005",
    severity=Severity.CRITICAL,
    evidence=[challenge_replies],
    explains=STOPS_ISSUING | {"CM006", "CM008", "CM019"},
)
def http01_blocked_by_redirect(mesh: Mesh) -> Iterator[Finding]:
    """A redirect to HTTPS sends HTTP-01 challenges away before they can be answered.

    The issuer asks for `http://HOST/.well-known/acme-challenge/…` on port 80. `httpsRedirect`
    redirects every path of the host, and no route can exempt one. Port 443 then has no
    certificate yet, or no route to the solver: the challenge fails. A first certificate never
    comes; a renewal fails about 60 days later, when nobody remembers.

    With `--probe` the path is asked for as the issuer does.

    Fix: answer by DNS-01, or redirect in a VirtualService that leaves
    `/.well-known/acme-challenge/` out, in place of `httpsRedirect`. A redirect is harmless where
    the HTTPS server routes that path to the solver too: challenges follow redirects and ignore
    the certificate.

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
        tls: {httpsRedirect: true}
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
    critical: Gateway shop/web spec.servers[0].tls.httpsRedirect
    hosts: shop.example.com
    Gateway shop/web spec.servers[0].tls.httpsRedirect redirects plain requests for
    shop.example.com to HTTPS, those of HTTP-01 challenges too: Challenge istio-system/shop-1-2 for
    it waits, and Certificate istio-system/shop cannot be issued.
    ```

    The VirtualService redirects everything but challenges:

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
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: redirect, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http:
      - match: [{port: 80, withoutHeaders: {":path": {prefix: /.well-known/acme-challenge/}}}]
        redirect: {scheme: https, redirectCode: 301}
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

    Sources: cert-manager.io, HTTP01; istio/istio issues 33593, 27643; cert-manager/cert-manager
    issues 2526, 949, 2517.
    """
    exemptions: dict[Place, tuple[Fix, ...]] = {}  # one for all hosts behind a redirect
    for blocked in blocked_challenges(mesh):
        owner, plain, challenge = blocked.owner, blocked.plain, blocked.challenge
        severity = _severity(mesh, blocked)
        if severity:
            if plain.place not in exemptions:
                exemptions[plain.place] = exempt_challenges(mesh, plain)
            sent_away = replies_of(mesh, blocked.host, ChallengeReplyKind.REDIRECTED)
            answered = replies_of(mesh, blocked.host, ChallengeReplyKind.RIGHT)
            waits = f"{challenge.ref} for it waits" if challenge else "its challenges would fail"
            yield Finding(
                message=(
                    f"{plain.place} redirects plain requests for {blocked.host} to HTTPS, those of"
                    f" HTTP-01 challenges too: {waits}, and {owner.certificate.ref} cannot be"
                    f" {'issued' if owner.secret_is_missing else 'renewed'}."
                ),
                objects=(
                    plain.place,
                    *(Place(each.ref) for each in (challenge,) if each),
                    Place(owner.certificate.ref),
                    Place(owner.uses[0].secret),
                ),
                identity=Identity.of(plain.place.ref, "/".join(owner.key)),
                hosts=frozenset({blocked.host}),
                evidence=(
                    *challenge_evidence((*sent_away, *answered)),
                    *(
                        Evidence(text=without_tokens(each.status.reason), ref=each.ref)
                        for each in (challenge,)
                        if each and each.status.reason
                    ),
                ),
                fixes=exemptions[plain.place],
                severity=severity,
                confidence=_confidence(
                    blocked, is_seen=bool(sent_away), is_answered=bool(answered)
                ),
                deadline=deadline_of(owner),
                credentials=frozenset({owner.key}),
                servers=servers_of(owner.uses) | {plain.server.id},
            )


def _confidence(blocked: BlockedChallenge, *, is_seen: bool, is_answered: bool) -> Confidence:
    if is_seen:
        return Confidence.OBSERVED
    return Confidence.CERTAIN if blocked.challenge and not is_answered else Confidence.SUSPECTED


def _severity(mesh: Mesh, blocked: BlockedChallenge) -> Severity | None:
    """Return how near the harm is; None where nothing shows that it comes.

    Without a Challenge, an issuance that fails before it has one fails for another reason.
    """
    owner = blocked.owner
    issuer, order = blocked.issuance.issuer, blocked.issuance.order
    if not blocked.challenge and (
        issuer.exists is False
        or (issuer.ready and issuer.ready.status == "False")
        or (order and order.status.state == "errored")
        or wildcards_by_http01(owner.certificate, issuer.issuer)
    ):
        return None
    if owner.secret_is_missing:
        waits = blocked.challenge or is_ready(owner.certificate) is False
        return Severity.CRITICAL if waits else None
    if blocked.challenge or is_renewal_stuck(mesh, owner):
        return Severity.HIGH
    return Severity.LOW if owner.certificate.status.renewal_time else None
