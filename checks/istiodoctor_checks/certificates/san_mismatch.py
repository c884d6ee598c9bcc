"""CERT003."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Evidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.certificates.coverage import uncovered_hosts
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor_checks.certificate_names import add_names, named_servers, names_of, serve_another
from istiodoctor_checks.served import chain_of, references
from istiodoctor_checks.text import listing


@check(
    "CERT003", severity=Severity.CRITICAL, claims=Claim.STORED_CERTIFICATE, explains={"CERT019"}
)
def san_mismatch(mesh: Mesh) -> Iterator[Finding]:
    """The certificate does not name a host it is served for.

    Clients compare the host with the subjectAltName of the certificate, and nothing else: `no
    alternative certificate subject name matches`, ERR_CERT_COMMON_NAME_INVALID. Often the host
    was added to the Gateway later, or `credentialName` names the Secret of another host.

    For a wildcard server the hosts of the routes bound to it count; without any, the wildcard
    itself.

    Fix: add the host to the certificate (`dnsNames` of the Certificate), or give the host a
    server of its own with the right `credentialName`.

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
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for www.example.org
      tls.key: key of www.example.org
    ```

    A wildcard server is well served by a certificate that names all hosts routed there:

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
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: web, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: web}}]}]
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    Sources: istio.io, Secure Gateways; RFC 6125; istio/istio issue 34425.
    """
    for served, uncovered in uncovered_hosts(mesh):
        secret, missed = served.credential, [each for each in uncovered if not each.near]
        if missed:
            writers = certificates_for(mesh, secret.namespace, secret.name)
            sure = any(each.is_certain for each in missed)
            yield Finding(
                message=(
                    f"The certificate in {secret.ref} does not name"
                    f" {listing(each.host for each in missed)}, for which"
                    f" {listing(each.server for each in missed)} serves it."
                    " Clients refuse it there."
                ),
                objects=(chain_of(secret), *named_servers(missed), *references(served.uses)),
                identity=Identity.of(secret.ref),
                hosts=frozenset(each.host for each in missed),
                evidence=(Evidence(text=f"names in it: {names_of(served)}", ref=secret.ref),),
                fixes=(
                    *serve_another(mesh, served, missed),
                    *add_names(served, missed, writers),
                ),
                confidence=Confidence.CERTAIN if sure else Confidence.SUSPECTED,
                credentials=frozenset({(secret.namespace, secret.name)}),
                servers=frozenset(each.server.id for each in missed),
            )
