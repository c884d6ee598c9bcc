"""GW023."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Evidence, EvidenceKind, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor_checks.gateways._tls_versions import VersionFault, version_mismatches
from istiodoctor_checks.text import listing

SHOWN = 4
_WORDS = {
    VersionFault.REFUSES_OLDER: (
        "permits TLS 1.2, but its pods refuse it and speak TLS 1.3 alone: clients without TLS 1.3"
        " cannot connect"
    ),
    VersionFault.ACCEPTS_OLDER: (
        "asks for TLS 1.3 at least (minProtocolVersion), but its pods accept TLS 1.2"
    ),
    VersionFault.ACCEPTS_OBSOLETE: (
        "asks for TLS 1.2 at least (minProtocolVersion), but its pods accept TLS 1.1 or older"
    ),
    VersionFault.ACCEPTS_NEWER: (
        "permits TLS 1.2 at most (maxProtocolVersion), but its pods accept TLS 1.3"
    ),
}


@check("GW023", severity=Severity.HIGH)
def tls_versions_differ(mesh: Mesh) -> Iterator[Finding]:
    """A gateway pod speaks other versions of TLS than its Gateway permits.

    Seen on the wire: after a handshake with TLS 1.3 others were made that offer TLS 1.2 alone, and
    older versions alone.

    Where the Gateway permits TLS 1.2 and the pod refuses it with `handshake_failure`, no cipher
    suite is left for it: those of TLS 1.2 belong to a kind of key (GW016), and unknown ones are
    left out (GW014). Where the pod accepts what the Gateway does not permit, it has not taken the
    Gateway as it is now (SDS004, SDS010, SDS012), or an EnvoyFilter changes it.

    Fix: `cipherSuites` that fit the key, or none at all; else find out why the pod has an older
    configuration.

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
        tls: {mode: SIMPLE, credentialName: shop-cert, cipherSuites: [ECDHE-RSA-AES256-GCM-SHA384]}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```tls bad
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      versions: [TLSv1.3]
      older_alert: handshake failure
      chain: certificate for shop.example.com
    ```

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
        tls: {mode: SIMPLE, credentialName: shop-cert, minProtocolVersion: TLSV1_3}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```tls bad
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      versions: [TLSv1.2, TLSv1.3]
      chain: certificate for shop.example.com
    ```

    TLS 1.2 is refused because the Gateway says so:

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
        tls: {mode: SIMPLE, credentialName: shop-cert, minProtocolVersion: TLSV1_3}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```tls good
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      versions: [TLSv1.3]
      older_alert: protocol version
      chain: certificate for shop.example.com
    ```

    Sources: istio.io, Gateway, ServerTLSSettings; RFC 8446 section 6.2; istio/istio issue 37739.
    """
    for mismatch in version_mismatches(mesh):
        server = mismatch.server
        hosts = frozenset(each.target.host for each in mismatch.seen if each.target.host)
        refuses = mismatch.fault is VersionFault.REFUSES_OLDER
        yield Finding(
            message=f"{server} {_WORDS[mismatch.fault]}.",
            objects=(server.field("/tls"),),
            identity=Identity.of(server.gateway, str(server.port)),
            hosts=hosts,
            evidence=tuple(
                Evidence(
                    kind=EvidenceKind.TLS,
                    text=(
                        f"{each.target.access_point}, SNI {each.target.sni}: agreed on"
                        f" {listing(each.versions)}"
                        + (f", TLS 1.2 alone: '{each.older_alert}'" if each.older_alert else "")
                    ),
                    ref=each.target.access_point.pod,
                    at=each.at,
                )
                for each in mismatch.seen[:SHOWN]
            ),
            severity=None if refuses else Severity.MEDIUM,
            confidence=Confidence.OBSERVED,
            servers=frozenset({server.id}),
        )
