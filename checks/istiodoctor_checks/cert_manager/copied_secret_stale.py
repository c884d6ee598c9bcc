"""CM017."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl, within
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, Risk
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.secrets_elsewhere import CopiedSecret, copied_secrets
from istiodoctor.model.ref import Place
from istiodoctor_checks._served import chain_of, hosts_of, references, servers_of


@check("CM017", severity=Severity.MEDIUM, explains={"CERT001", "CERT003", "OPS009"})
def copied_secret_stale(mesh: Mesh) -> Iterator[Finding]:
    """The gateway serves a copy of a Secret that cert-manager wrote elsewhere.

    The Secret carries the name of a Certificate that is not in its namespace: somebody copied it.
    cert-manager renews the original only. The copy goes on working until it expires, and nobody
    sees it coming.

    Fix: have the Certificate in the namespace of the gateway's pods, or let a controller
    (reflector, replicator) keep the copy in step.

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
    metadata: {name: shop, namespace: shop}
    spec:
      secretName: shop-cert
      dnsNames: [shop.example.com]
      issuerRef: {name: letsencrypt, kind: ClusterIssuer}
    status:
      conditions: [{type: Ready, status: "True", reason: Ready}]
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: v1
    kind: Secret
    metadata:
      name: shop-cert
      namespace: istio-system
      annotations: {cert-manager.io/certificate-name: shop}
    stringData:
      tls.crt: certificate for shop.example.com; expires in 20 days
      tls.key: key of shop.example.com
    ```

    ```finding
    high: Secret istio-system/shop-cert data["tls.crt"]
    hosts: shop.example.com
    Secret istio-system/shop-cert is a copy: it was written for the Certificate shop, which is in
    shop, and the Secret there holds a newer one by now. Nothing renews the copy; it expires on
    2026-03-21.
    ```

    A copy that a controller keeps in step is right:

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
    metadata: {name: shop, namespace: shop}
    spec:
      secretName: shop-cert
      dnsNames: [shop.example.com]
      issuerRef: {name: letsencrypt, kind: ClusterIssuer}
    status:
      conditions: [{type: Ready, status: "True", reason: Ready}]
    ---
    apiVersion: v1
    kind: Secret
    metadata:
      name: shop-cert
      namespace: istio-system
      annotations:
        cert-manager.io/certificate-name: shop
        reflector.v1.k8s.emberstack.com/reflects: shop/shop-cert
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    Sources: cert-manager.io, Syncing Secrets Across Namespaces; cert-manager/cert-manager issue
    6210; istio/istio issue 27740.
    """
    for copy in copied_secrets(mesh):
        secret, source, leaf = copy.credential, copy.source, copy.credential.leaf
        ends = f"; it expires on {leaf.not_after:%Y-%m-%d}" if leaf else ""
        stale = ", and the Secret there holds a newer one by now" if copy.is_stale else ""
        yield Finding(
            message=(
                f"{secret.ref} is a copy: it was written for the Certificate {copy.written_for},"
                f" which is {f'in {source.namespace}{stale}' if source else 'nowhere here'}."
                f" Nothing renews the copy{ends}."
            ),
            objects=(
                chain_of(secret),
                *(Place(each.ref) for each in (source,) if each),
                *references(copy.uses),
            ),
            identity=Identity.of(secret.ref),
            hosts=hosts_of(copy.uses),
            evidence=(
                Evidence(
                    text=f"cert-manager.io/certificate-name: {copy.written_for}", ref=secret.ref
                ),
            ),
            fixes=(_issue_in_place(copy),),
            severity=Severity.HIGH if copy.is_stale else None,
            deadline=leaf.not_after if leaf else None,
            credentials=frozenset({(secret.namespace, secret.name)}),
            servers=servers_of(copy.uses),
        )


def _issue_in_place(copy: CopiedSecret) -> Fix:
    secret = copy.credential
    return Fix(
        title=f"Create a Certificate with this secretName in {secret.namespace}",
        risk=Risk.NEEDS_ISSUANCE,
        verify=kubectl("get", "certificates.cert-manager.io", within(secret.namespace)),
        why="Or let a controller keep the copy in step, by annotations in its secretTemplate.",
    )
