"""CERT003."""

from collections.abc import Iterable, Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.certificates.coverage import UncoveredHost, uncovered_hosts
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.text import listing
from istiodoctor_checks._certificate_names import add_names, named_servers, names_of, serve_another
from istiodoctor_checks._served import chain_of, references


@check(
    "CERT003", severity=Severity.CRITICAL, claims=Claim.STORED_CERTIFICATE, explains={"CERT019"}
)
def san_mismatch(mesh: Mesh) -> Iterator[Finding]:
    """The certificate does not name a host it is served for.

    Clients compare the host with the subjectAltName of the certificate, and nothing else: `no
    alternative certificate subject name matches`, ERR_CERT_COMMON_NAME_INVALID. Often the host
    was added to the Gateway later, or `credentialName` names the Secret of another host.

    A wildcard in a certificate stands for exactly one label: `*.example.com` covers
    `shop.example.com`, but neither `example.com` nor `api.shop.example.com`. Gateway hosts are
    different: there `*.example.com` takes every depth.

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

    ```finding
    critical: Secret istio-system/shop-cert data["tls.crt"]
    hosts: shop.example.com
    The certificate in Secret istio-system/shop-cert does not name shop.example.com, for which
    Gateway shop/web server 443 (https) serves it. Clients refuse it there.
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

    A wildcard does not cover the domain it stands under:

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

    ```finding
    critical: Secret istio-system/shop-cert data["tls.crt"]
    hosts: example.com
    The certificate in Secret istio-system/shop-cert does not name example.com, for which Gateway
    shop/web server 443 (https) serves it. Clients refuse it there. *.example.com stands for
    exactly one label.
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

    Sources: istio.io, Secure Gateways; RFC 6125 section 6.4.3; istio/istio issues 34425, 52853,
    55732, 49023.
    """
    for served, uncovered in uncovered_hosts(mesh):
        secret = served.credential
        writers = certificates_for(mesh, secret.namespace, secret.name)
        sure = any(each.is_certain for each in uncovered)
        yield Finding(
            message=(
                f"The certificate in {secret.ref} does not name"
                f" {listing(each.host for each in uncovered)}, for which"
                f" {listing(each.server for each in uncovered)} serves it."
                f" Clients refuse it there.{_too_deep(uncovered)}"
            ),
            objects=(chain_of(secret), *named_servers(uncovered), *references(served.uses)),
            identity=Identity.of(secret.ref),
            hosts=frozenset(each.host for each in uncovered),
            evidence=(Evidence(text=f"names in it: {names_of(served)}", ref=secret.ref),),
            fixes=(
                *serve_another(mesh, served, uncovered),
                *add_names(served, uncovered, writers),
            ),
            confidence=Confidence.CERTAIN if sure else Confidence.SUSPECTED,
            credentials=frozenset({(secret.namespace, secret.name)}),
            servers=frozenset(each.server.id for each in uncovered),
        )


def _too_deep(uncovered: Iterable[UncoveredHost]) -> str:
    """Say which wildcards miss a host by the number of its labels alone."""
    near = tuple(dict.fromkeys(each.near for each in uncovered if each.near))
    if not near:
        return ""
    return f" {listing(near)} {'stands' if len(near) == 1 else 'stand'} for exactly one label."
