"""GW009."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import remove_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import servers


@check("GW009", severity=Severity.MEDIUM)
def redirect_on_https_server(mesh: Mesh) -> Iterator[Finding]:
    """An HTTPS server asks for a redirect to HTTPS.

    `httpsRedirect` belongs on a plain HTTP server. On an HTTPS server the webhook warns
    ("tls.httpsRedirect should only be used with http servers"). It does nothing until the gateway
    trusts a proxy (`numTrustedProxies: 1`) that sends `X-Forwarded-Proto: http`: then HTTPS
    itself is redirected without end.

    Fix: move it to the server on port 80.

    ```yaml bad
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert, httpsRedirect: true}
    ```

    ```finding
    medium: Gateway shop/web spec.servers[0].tls.httpsRedirect
    hosts: shop.example.com
    Gateway shop/web server 443 (https) speaks TLS and has httpsRedirect: behind a trusted proxy
    that says http, HTTPS requests are redirected without end.
    ```

    ```yaml good
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
        tls: {httpsRedirect: true}
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    Sources: pkg/config/validation; istio/istio issue 26972.
    """
    for server in servers(mesh):
        if server.https_redirect and server.is_tls:
            yield Finding(
                message=(
                    f"{server} speaks TLS and has httpsRedirect: behind a trusted proxy that says"
                    " http, HTTPS requests are redirected without end."
                ),
                objects=(server.field("/tls/httpsRedirect"),),
                identity=Identity.of(server.gateway, server.names[0] if server.names else ""),
                hosts=frozenset(server.names),
                evidence=(Evidence(text="httpsRedirect: true", ref=server.gateway),),
                fixes=(
                    remove_field(
                        server.field("/tls/httpsRedirect"),
                        "Remove httpsRedirect from the HTTPS server",
                        why="A server on port 80 is the place for it.",
                    ),
                ),
                servers=frozenset({server.id}),
            )
