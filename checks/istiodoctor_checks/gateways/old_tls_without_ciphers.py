"""GW015."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import remove_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import servers

OLD_VERSIONS = frozenset({"TLSV1_0", "TLSV1_1"})


@check("GW015", severity=Severity.MEDIUM)
def old_tls_without_ciphers(mesh: Mesh) -> Iterator[Finding]:
    """A server allows TLS 1.0 or 1.1 but lists no cipher suites that such clients can use.

    Envoy's default cipher suites are for TLS 1.2 and later. With `minProtocolVersion: TLSV1_0`
    (or `TLSV1_1`) and no `cipherSuites`, old clients are let in and find no suite: their
    handshake fails all the same. The webhook warns of it.

    Fix: remove `minProtocolVersion`; or, for clients that cannot do better, list suites such as
    ECDHE-RSA-AES128-SHA.

    ```yaml bad
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert, minProtocolVersion: TLSV1_0}
    ```

    ```finding
    medium: Gateway shop/web spec.servers[0].tls.minProtocolVersion
    hosts: shop.example.com
    Gateway shop/web server 443 (https) allows TLSV1_0, but the default cipher suites have none for
    it: such clients fail in the handshake.
    ```

    ```yaml good
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls:
          mode: SIMPLE
          credentialName: shop-cert
          minProtocolVersion: TLSV1_0
          cipherSuites: [ECDHE-RSA-AES128-SHA, ECDHE-RSA-AES128-GCM-SHA256]
    ```

    Sources: istio.io, Gateway reference (minProtocolVersion); istio/istio issue 41305.
    """
    for server in servers(mesh):
        tls = server.tls
        if (
            tls
            and server.terminates_tls
            and tls.min_protocol_version in OLD_VERSIONS
            and not tls.cipher_suites
        ):
            yield Finding(
                message=(
                    f"{server} allows {tls.min_protocol_version}, but the default cipher suites"
                    " have none for it: such clients fail in the handshake."
                ),
                objects=(server.field("/tls/minProtocolVersion"),),
                identity=Identity.of(server.gateway, server.names[0] if server.names else ""),
                hosts=frozenset(server.names),
                evidence=(Evidence(text="no cipherSuites", ref=server.gateway),),
                fixes=(
                    remove_field(
                        server.field("/tls/minProtocolVersion"),
                        "Keep to TLS 1.2 and later",
                        why="Clients of TLS 1.1 and older do not work now either.",
                    ),
                ),
                servers=frozenset({server.id}),
            )
