"""CERT015."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.certificates.coverage import served_certificates
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor_checks._served import chain_of, hosts_of, mend, references, servers_of
from istiodoctor_checks.certificates._placeholders import is_staging


@check("CERT015", severity=Severity.HIGH, claims=Claim.STORED_CERTIFICATE, explains={"CERT021"})
def acme_staging(mesh: Mesh) -> Iterator[Finding]:
    """The certificate comes from the staging environment of Let's Encrypt.

    Its issuer is called `(STAGING) …`, and no client trusts it. The staging server is for trying
    out; its limits are wide. Mostly the issuer was left as it was when the trial was over, or its
    `server` was changed but the Secret not issued again.

    Fix: name an issuer whose server is `https://acme-v02.api.letsencrypt.org/directory`, and
    issue again. A certificate that waits for its issuance has another fault (CERT016).

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
        server: https://acme-staging-v02.api.letsencrypt.org/directory
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
      tls.crt: certificate for shop.example.com; issued by (STAGING) Pretend Pear X1
      tls.key: key of shop.example.com
    ```

    ```finding
    high: Secret istio-system/shop-cert data["tls.crt"]
    hosts: shop.example.com
    The certificate in Secret istio-system/shop-cert comes from CN=(STAGING) Pretend Pear X1: a
    staging environment that no client trusts.
    ```

    A staging issuer that no gateway's certificate comes from harms nobody:

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
        server: https://acme-staging-v02.api.letsencrypt.org/directory
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

    Sources: letsencrypt.org, Staging Environment; cert-manager/cert-manager issues 1886, 552,
    6194.
    """
    for served in served_certificates(mesh):
        leaf, secret = served.leaf, served.credential
        if is_staging(leaf):
            writers = certificates_for(mesh, secret.namespace, secret.name)
            yield Finding(
                message=(
                    f"The certificate in {secret.ref} comes from {leaf.issuer}: a staging"
                    " environment that no client trusts."
                ),
                objects=(
                    chain_of(secret),
                    *references(served.uses),
                    *(each.at("/spec/issuerRef") for each in writers),
                ),
                identity=Identity.of(secret.ref),
                hosts=hosts_of(served.uses),
                evidence=(Evidence(text=f"issued by {leaf.issuer}", ref=secret.ref),),
                fixes=(
                    mend(secret, writers, "Change to the production issuer, then issue again"),
                ),
                credentials=frozenset({(secret.namespace, secret.name)}),
                servers=servers_of(served.uses),
            )
