"""GW007."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import servers
from istiodoctor.mesh.gateways.servers import GatewayApi
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.text import host_listing

TLS_PROTOCOLS = frozenset({"HTTPS", "TLS"})


@check(
    "GW007",
    severity=Severity.CRITICAL,
    claims=Claim.UNSERVED,
    explains={"GW019", "HTTP001", "HTTP005", "SNI012"},
)
def https_without_tls(mesh: Mesh) -> Iterator[Finding]:
    """A server with protocol HTTPS or TLS has no tls section, so istiod does not configure it.

    The webhook refuses such a Gateway ("server must have TLS settings for HTTPS/TLS protocols").
    Where it was bypassed, or the object is older than the rule, istiod leaves the server out and
    nothing listens for its hosts.

    Fix: add `tls` with a mode and, unless it is PASSTHROUGH, a `credentialName`.

    ```yaml bad
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
    ```

    ```finding
    critical: Gateway shop/web spec.servers[0].tls
    hosts: shop.example.com
    Gateway shop/web server 443 (https) has protocol HTTPS and no tls section: the API server
    refuses the Gateway, and istiod configures nothing for shop.example.com.
    ```

    Passthrough needs a `tls` section too, but no certificate:

    ```yaml good
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: tls, protocol: TLS}
        hosts: [shop.example.com]
        tls: {mode: PASSTHROUGH}
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
    ```

    Sources: istio.io, Gateway reference; pkg/config/validation and pilot/pkg/model/gateway.go.
    """
    for server in servers(mesh):
        if (
            server.protocol in TLS_PROTOCOLS
            and not server.has_tls
            and server.api is GatewayApi.ISTIO
        ):
            yield Finding(
                message=(
                    f"{server} has protocol {server.protocol} and no tls section: the API server"
                    f" refuses the Gateway, and istiod configures nothing for"
                    f" {host_listing(server.names)}."
                ),
                objects=(server.field("/tls"),),
                identity=Identity.of(server.gateway, server.names[0] if server.names else ""),
                hosts=frozenset(server.names),
                evidence=(
                    Evidence(text=f"protocol: {server.protocol}, no tls", ref=server.gateway),
                ),
                fixes=(
                    set_field(
                        server.field("/tls"),
                        {"mode": "SIMPLE", "credentialName": "NAME-OF-THE-TLS-SECRET"},
                        "Add the TLS settings",
                        why="Put the name of the TLS Secret in the gateway pods' namespace.",
                    ),
                ),
                servers=frozenset({server.id}),
            )
