"""GW008."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, remove_field, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import servers
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.model.istio import TlsMode


@check("GW008", severity=Severity.HIGH, explains={"GW005", "HTTP004"})
def tls_on_plain_port(mesh: Mesh) -> Iterator[Finding]:
    """A server with protocol HTTP has a TLS mode, so the Gateway is refused.

    `protocol: HTTP` and `tls.mode: SIMPLE` (or MUTUAL) contradict each other: the webhook says
    "server cannot have TLS settings for plain text HTTP ports" and the change is not applied.
    Where it was bypassed, the server speaks plain HTTP. A redirecting server has `tls:
    {httpsRedirect: true}` and nothing else.

    Fix: `protocol: HTTPS` where TLS is meant; no mode where the server redirects.

    ```yaml bad
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTP}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    ```finding
    high: Gateway shop/web spec.servers[0].tls.mode
    hosts: shop.example.com
    Gateway shop/web server 443 (https) has protocol HTTP and tls.mode SIMPLE: the API server
    refuses the Gateway, and where it got in, the port speaks no TLS.
    ```

    A redirect without a mode is how it should be:

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

    Sources: istio.io, Gateway reference; pkg/config/validation.
    """
    for server in servers(mesh):
        if (
            server.api is GatewayApi.ISTIO
            and server.is_plain_http
            and server.mode_is_explicit
            and server.mode is not TlsMode.PASSTHROUGH
        ):
            yield Finding(
                message=(
                    f"{server} has protocol {server.protocol} and tls.mode {server.mode}: the API"
                    " server refuses the Gateway, and where it got in, the port speaks no TLS."
                ),
                objects=(server.field("/tls/mode"), server.field("/port/protocol")),
                identity=Identity.of(server.gateway, server.names[0] if server.names else ""),
                hosts=frozenset(server.names),
                evidence=(Evidence(text=f"protocol: {server.protocol}, mode: {server.mode}"),),
                fixes=(_fix(server),),
                servers=frozenset({server.id}),
            )


def _fix(server: Server) -> Fix:
    if server.https_redirect:
        return remove_field(server.field("/tls/mode"), "Remove the mode from the redirect")
    return set_field(server.field("/port/protocol"), "HTTPS", "Set the protocol to HTTPS")
