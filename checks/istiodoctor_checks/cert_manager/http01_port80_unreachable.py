"""CM007."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, json_patch
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.challenges import hides_port_80, stuck_challenges
from istiodoctor.mesh.cert_manager.stuck_issuance import HTTP01
from istiodoctor.mesh.observations.challenges import ChallengeReplyKind, challenge_replies
from istiodoctor.mesh.observations.events import events_of
from istiodoctor.mesh.workloads.service_ports import services_of
from istiodoctor.model.ref import Place
from istiodoctor.model.services import Service
from istiodoctor_checks._served import hosts_of, servers_of
from istiodoctor_checks.cert_manager._challenges import DNS, challenge_evidence, replies_of
from istiodoctor_checks.cert_manager._issuing import (
    STOPS_ISSUING,
    deadline_of,
    layers,
    severity_of,
)


@check(
    "CM007",
    severity=Severity.CRITICAL,
    evidence=[events_of, challenge_replies],
    explains=STOPS_ISSUING | {"CM008", "CM019"},
)
def http01_port80_unreachable(mesh: Mesh) -> Iterator[Finding]:
    """The HTTP-01 challenge is not reachable: the gateway's Service has no port 80.

    The issuer asks for `http://HOST/.well-known/acme-challenge/…`, on port 80 and no other, even
    where the site itself is HTTPS only. A Service, load balancer or firewall that passes 443
    alone makes each challenge fail.

    With `--probe` port 80 is tried at the load balancer and where the host's name leads.

    Fix: add port 80 to the gateway's Service and let it through all the way, or answer by DNS-01.

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
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 443}]
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
    ```

    ```finding
    critical, suspected: Service istio-system/gateway spec.ports
    hosts: shop.example.com
    Challenge istio-system/shop-1-2 for shop.example.com comes in on port 80, but Service
    istio-system/gateway has no such port: Certificate istio-system/shop is not issued.
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
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: http2, port: 80, targetPort: 80}, {name: https, port: 443, targetPort: 443}]
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
    ```

    Sources: letsencrypt.org, Challenge Types; cert-manager.io, HTTP01.
    """
    for owner, issuance, challenge in stuck_challenges(mesh):
        services = [each for use in owner.uses for each in services_of(mesh, use.workload)]
        hidden = [hides_port_80(mesh, use.workload) for use in owner.uses]
        if challenge.spec.type == HTTP01 and services and all(hidden):
            seen = replies_of(mesh, challenge.spec.dns_name, ChallengeReplyKind.SILENCE)
            yield Finding(
                message=(
                    f"{challenge.ref} for {challenge.spec.dns_name} comes in on port 80, but"
                    f" {services[0].ref} has no such port: {owner.certificate.ref} is not issued."
                ),
                objects=(
                    services[0].at("/spec/ports"),
                    Place(challenge.ref),
                    Place(owner.certificate.ref),
                    Place(owner.uses[0].secret),
                ),
                identity=Identity.of(services[0].ref, "/".join(owner.key)),
                hosts=hosts_of(owner.uses),
                evidence=(*challenge_evidence(seen), *layers(mesh, issuance)),
                fixes=(_open(services[0]), DNS),
                severity=severity_of(owner, mesh.taken_at),
                confidence=Confidence.OBSERVED if seen else Confidence.SUSPECTED,
                deadline=deadline_of(owner),
                credentials=frozenset({owner.key}),
                servers=servers_of(owner.uses),
            )


def _open(service: Service) -> Fix:
    port = {"name": "http2", "port": 80, "targetPort": 80, "protocol": "TCP"}
    if any(each.target_port in (8443, "8443") for each in service.spec.ports):
        port["targetPort"] = 8080
    return json_patch(
        service.ref,
        [{"op": "add", "path": "/spec/ports/-", "value": port}],
        "Add port 80 to the gateway's Service",
        why="Load balancers and firewalls before it have to pass port 80, too.",
    )
