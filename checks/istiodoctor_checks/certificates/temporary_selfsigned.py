"""CERT016."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.certificates.coverage import served_certificates
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.ref import Place
from istiodoctor_checks._served import chain_of, hosts_of, mend, references, servers_of
from istiodoctor_checks.certificates._placeholders import is_temporary


@check("CERT016", severity=Severity.HIGH, claims=Claim.STORED_CERTIFICATE, explains={"CERT021"})
def temporary_selfsigned(mesh: Mesh) -> Iterator[Finding]:
    """The gateway serves cert-manager's temporary certificate, not the issued one.

    cert-manager puts it into the Secret until the real one is issued.

    Its issuer is `cert-manager.local`, and no client trusts it. It comes from the annotation
    `cert-manager.io/issue-temporary-certificate: "true"`; it stays as long as the issuance hangs.

    Fix: find what holds up the issuance (CM011 and the checks it names). A certificate that was
    issued, by an issuer for trials, has another fault (CERT015).

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
        reason: IncorrectIssuer
        lastTransitionTime: 2026-03-01T11:00:00Z
      - type: Ready
        status: "False"
        reason: IncorrectIssuer
        message: Issuing certificate as Secret does not exist
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com; issued by cert-manager.local
      tls.key: key of shop.example.com
    ```

    ```finding
    high: Secret istio-system/shop-cert data["tls.crt"]
    hosts: shop.example.com
    Secret istio-system/shop-cert still holds cert-manager's temporary certificate, which no client
    trusts: the real one has not been issued.
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

    Sources: cert-manager.io, Certificate resource (temporary certificates); istio/istio issues
    18061, 27643.
    """
    for served in served_certificates(mesh):
        leaf, secret = served.leaf, served.credential
        if is_temporary(leaf):
            writers = certificates_for(mesh, secret.namespace, secret.name)
            yield Finding(
                message=(
                    f"{secret.ref} still holds cert-manager's temporary certificate, which no"
                    " client trusts: the real one has not been issued."
                ),
                objects=(
                    chain_of(secret),
                    *references(served.uses),
                    *(Place(each.ref) for each in writers),
                ),
                identity=Identity.of(secret.ref),
                hosts=hosts_of(served.uses),
                evidence=(Evidence(text=f"issued by {leaf.issuer}", ref=secret.ref),),
                fixes=(mend(secret, writers, "Unblock the issuance, then issue at once"),),
                credentials=frozenset({(secret.namespace, secret.name)}),
                servers=servers_of(served.uses),
            )
