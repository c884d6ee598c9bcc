"""CERT021."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.certificates import SeenCertificate, untrusted_on_wire
from istiodoctor.model.credential import CertificateFacts
from istiodoctor_checks.placeholders import is_placeholder, is_staging, is_temporary
from istiodoctor_checks.text import listing
from istiodoctor_checks.wire import (
    detail_of,
    keys_of,
    objects_of,
    observed_evidence,
    presenter,
    sureness,
)


@check("CERT021", severity=Severity.INFO)
def certificate_on_wire_untrusted(mesh: Mesh) -> Iterator[Finding]:
    """A handshake shows a certificate that leads to no root which clients trust.

    Seen on the wire: the chain as served was held against the roots of this machine and those of
    `--trust-anchors`. curl says `unable to get local issuer certificate` or `self-signed
    certificate`, browsers ERR_CERT_AUTHORITY_INVALID.

    A private authority is right where clients were given its root, so this is a note. A
    certificate of Let's Encrypt's staging environment (CERT015), or the stand-in that cert-manager
    puts into the Secret until the real one is issued (CERT016), is trusted by nobody. Where only
    an intermediate is wanting, that is said instead (CERT020).

    Fix: that of the Secret's own finding. Name a private root to istiodoctor with
    `--trust-anchors`, and this is not said again.

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
      tls.crt: certificate for shop.example.com; issued by (STAGING) Pretend Pear X1
      tls.key: key of shop.example.com
    ```

    ```tls bad
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      trusted: false
      chain: certificate for shop.example.com; issued by (STAGING) Pretend Pear X1
    ```

    A private root that was named with `--trust-anchors` is trusted:

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
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com; issued by Shop Root
      tls.key: key of shop.example.com
    ```

    ```tls good
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      trusted: true
      chain: certificate for shop.example.com; issued by Shop Root
    ```

    Sources: istio.io, Secure Gateways; RFC 5280 section 6; letsencrypt.org, Staging Environment.
    """
    for seen in untrusted_on_wire(mesh):
        yield Finding(
            message=(
                f"{presenter(seen)} presents a certificate at {listing(seen.access_points)} that"
                f" {_origin(seen.leaf)}: clients refuse it unless they were given its root."
            ),
            objects=objects_of(seen),
            identity=Identity.of(seen.server.gateway, detail_of(seen)),
            hosts=seen.hosts,
            evidence=observed_evidence(seen.handshakes),
            severity=_severity(seen),
            confidence=sureness(seen),
            credentials=keys_of(seen),
            servers=frozenset({seen.server.id}),
        )


def _severity(seen: SeenCertificate) -> Severity | None:
    is_ours = is_placeholder(seen.leaf) and not seen.is_perhaps_another_networks
    return Severity.HIGH if is_ours else None


def _origin(leaf: CertificateFacts) -> str:
    if is_temporary(leaf):
        return "is cert-manager's stand-in for one not issued yet"
    if is_staging(leaf):
        return f"comes from a staging environment ({leaf.issuer})"
    return "is self-signed" if leaf.is_self_issued else f"leads to no trusted root ({leaf.issuer})"
