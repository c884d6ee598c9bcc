"""CM010."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import issuer_of
from istiodoctor.mesh.cert_manager.stuck_issuance import gateway_certificates, wildcards_by_http01
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.ref import Place
from istiodoctor.text import listing
from istiodoctor_checks._served import hosts_of, servers_of
from istiodoctor_checks.cert_manager._challenges import DNS
from istiodoctor_checks.cert_manager._issuing import STOPS_ISSUING, deadline_of, severity_of


@check("CM010", severity=Severity.CRITICAL, claims=Claim.NO_HANDSHAKE, explains=STOPS_ISSUING)
def wildcard_with_http01(mesh: Mesh) -> Iterator[Finding]:
    """A wildcard certificate is asked of an issuer that has only HTTP-01.

    ACME issues wildcards by DNS-01 alone. With HTTP-01 solvers the Order ends with `no configured
    challenge solvers can be used for this challenge`: the certificate is never issued, or cannot
    be renewed since the solver was changed.

    Fix: add a `dns01` solver to the issuer, with a selector for the zone if need be, or name each
    host.

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
        hosts: ["*.example.com"]
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
      dnsNames: ["*.example.com"]
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
    critical: ClusterIssuer letsencrypt spec.acme.solvers
    hosts: *.example.com
    Certificate istio-system/shop asks for *.example.com, but ClusterIssuer letsencrypt has only
    HTTP-01 for it, and ACME issues wildcards by DNS-01 alone.
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
        hosts: ["*.example.com"]
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
      dnsNames: ["*.example.com"]
      issuerRef: {name: letsencrypt, kind: ClusterIssuer}
    status:
      conditions: [{type: Ready, status: "True", reason: Ready}]
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: "certificate for *.example.com"
      tls.key: "key of *.example.com"
    ```

    Sources: letsencrypt.org, Challenge Types; cert-manager.io, ACME.
    """
    for owner in gateway_certificates(mesh):
        certificate, issuer = owner.certificate, issuer_of(mesh, owner.certificate)
        wild = wildcards_by_http01(certificate, issuer.issuer)
        if wild:
            yield Finding(
                message=(
                    f"{certificate.ref} asks for {listing(wild)}, but {issuer.ref} has only"
                    " HTTP-01 for it, and ACME issues wildcards by DNS-01 alone."
                ),
                objects=(
                    Place(issuer.ref, "/spec/acme/solvers"),
                    certificate.at("/spec/dnsNames"),
                    Place(owner.uses[0].secret),
                ),
                identity=Identity.of(certificate.ref),
                hosts=hosts_of(owner.uses),
                evidence=(Evidence(text=f"dnsNames: {listing(certificate.spec.dns_names)}"),),
                fixes=(DNS,),
                severity=severity_of(owner, mesh.taken_at),
                deadline=deadline_of(owner),
                credentials=frozenset({owner.key}),
                servers=servers_of(owner.uses),
            )
