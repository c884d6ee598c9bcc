"""CM015."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.certificates.coverage import uncovered_hosts
from istiodoctor.mesh.hosts import certificate_covers
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.certmanager import Certificate
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._certificate_names import add_dns_names, named_servers


@check(
    "CM015",
    severity=Severity.CRITICAL,
    claims=Claim.STORED_CERTIFICATE,
    explains={"CERT003"},
)
def dnsnames_miss_gateway_host(mesh: Mesh) -> Iterator[Finding]:
    """The Gateway has a host that the Certificate was never asked to name.

    cert-manager issues for the `dnsNames` of the Certificate. A host that was added to the
    Gateway alone is served with a certificate that does not name it, and clients refuse it.

    Fix: add the host to `dnsNames`; cert-manager issues again by itself.

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
        hosts: [shop.example.com, api.example.com]
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

    ```finding
    critical: Certificate istio-system/shop spec.dnsNames
    hosts: api.example.com
    Certificate istio-system/shop does not ask for api.example.com, for which Gateway shop/web
    server 443 (https) serves its certificate. Clients refuse it there.
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
        hosts: [shop.example.com, api.example.com]
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
      dnsNames: [shop.example.com, api.example.com]
      issuerRef: {name: letsencrypt, kind: ClusterIssuer}
    status:
      conditions: [{type: Ready, status: "True", reason: Ready}]
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: "certificate for shop.example.com, api.example.com"
      tls.key: key of shop.example.com
    ```

    Sources: istio.io, cert-manager integration; cert-manager.io, Certificate resource.
    """
    for served, uncovered in uncovered_hosts(mesh):
        secret = served.credential
        writers = certificates_for(mesh, secret.namespace, secret.name)
        missed = [each for each in uncovered if not _asked_for(writers, each.host)]
        if writers and missed:
            hosts = tuple(dict.fromkeys(each.host for each in missed))
            sure = any(each.is_certain for each in missed)
            yield Finding(
                message=(
                    f"{writers[0].ref} does not ask for {host_listing(hosts)}, for which"
                    f" {listing(each.server for each in missed)} serves its certificate. Clients"
                    " refuse it there."
                ),
                objects=(
                    writers[0].at("/spec/dnsNames"),
                    *named_servers(missed),
                    Place(secret.ref),
                ),
                identity=Identity.of(writers[0].ref),
                hosts=frozenset(hosts),
                evidence=(
                    Evidence(
                        text=f"dnsNames: {listing(writers[0].spec.dns_names, shown=6)}",
                        ref=writers[0].ref,
                    ),
                ),
                fixes=(add_dns_names(writers[0], hosts),),
                confidence=Confidence.CERTAIN if sure else Confidence.SUSPECTED,
                credentials=frozenset({(secret.namespace, secret.name)}),
                servers=frozenset(each.server.id for each in missed),
            )


def _asked_for(writers: tuple[Certificate, ...], host: str) -> bool:
    names = (name for each in writers for name in each.spec.dns_names)
    return any(certificate_covers(name, host) for name in names)
