"""CERT005."""

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
    "CERT005", severity=Severity.CRITICAL, claims=Claim.STORED_CERTIFICATE, explains={"CERT019"}
)
def wildcard_depth(mesh: Mesh) -> Iterator[Finding]:
    """A wildcard certificate is served for a host that has a label more or less than it covers.

    `*.example.com` stands for exactly one label: it covers `shop.example.com`, but neither
    `example.com` nor `api.shop.example.com`. Gateway hosts are different: there `*.example.com`
    takes every depth.

    Fix: add the host itself, or the deeper wildcard, to the certificate.

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
        hosts: [example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: "certificate for *.example.com"
      tls.key: "key of *.example.com"
    ```

    The wildcard with the apex beside it covers both:

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
        hosts: [example.com, "*.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: "certificate for example.com, *.example.com"
      tls.key: key of example.com
    ```

    Sources: RFC 6125 section 6.4.3; istio/istio issues 52853, 55732, 49023.
    """
    for served, uncovered in uncovered_hosts(mesh):
        secret, missed = served.credential, [each for each in uncovered if each.near]
        if missed:
            writers = certificates_for(mesh, secret.namespace, secret.name)
            sure = any(each.is_certain for each in missed)
            yield Finding(
                message=(
                    f"{missed[0].near} in the certificate of {secret.ref} stands for one label"
                    f" and does not cover {listing(each.host for each in missed)}, for which"
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
