"""GW006."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.bindings import bindings
from istiodoctor.mesh.gateways.listeners import servers
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.text import host_listing, listing


@check(
    "GW006",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"SNI001", "SNI005", "SNI008", "VS006", "SNI011"},
)
def tls_mode_missing(mesh: Mesh) -> Iterator[Finding]:
    """A server names a certificate but no TLS mode, so the certificate is never used.

    The default of `tls.mode` is PASSTHROUGH, not SIMPLE. Without a mode Envoy does not end TLS:
    it looks for a route by SNI, finds none in a VirtualService that has `http` routes only, and
    resets the connection. The webhook only warns ("PASSTHROUGH mode does not use certificates,
    they will be ignored").

    Fix: write `mode: SIMPLE` (or MUTUAL, where clients must present a certificate).

    ```yaml bad
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {credentialName: shop-cert}
    ```

    ```finding
    critical: Gateway shop/web spec.servers[0].tls.mode
    hosts: shop.example.com
    Gateway shop/web server 443 (https) names shop-cert but no tls.mode. The default is
    PASSTHROUGH: the gateway does not end TLS for shop.example.com, never presents the certificate
    and resets the connection.
    ```

    A redirecting server has no mode and needs none; a server without a certificate whose
    VirtualService routes TLS is meant to pass it through:

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
      - port: {number: 8443, name: tls, protocol: TLS}
        hosts: [raw.example.com]
        tls: {}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: raw, namespace: shop}
    spec:
      hosts: [raw.example.com]
      gateways: [web]
      tls: [{match: [{sniHosts: [raw.example.com]}], route: [{destination: {host: raw}}]}]
    ```

    Sources: istio.io, Gateway reference (ServerTLSSettings); pkg/config/validation; istio/istio
    issue 23886.
    """
    for server in servers(mesh):
        names = _certificates(server)
        if (
            server.is_passthrough
            and not server.mode_is_explicit
            and names
            and not any(each.virtual_service.spec.tls for each in bindings(mesh)[server])
        ):
            yield Finding(
                message=(
                    f"{server} names {listing(names)} but no tls.mode. The default is PASSTHROUGH:"
                    f" the gateway does not end TLS for {host_listing(server.names)}, never"
                    " presents the certificate and resets the connection."
                ),
                objects=(server.field("/tls/mode"),),
                identity=Identity.of(server.gateway, server.names[0] if server.names else ""),
                hosts=frozenset(server.names),
                evidence=(Evidence(text="tls has no mode", ref=server.gateway),),
                fixes=(set_field(server.field("/tls/mode"), "SIMPLE", "Set tls.mode to SIMPLE"),),
                servers=frozenset({server.id}),
            )


def _certificates(server: Server) -> tuple[str, ...]:
    """Return what the server names as its certificate, in any of the ways there are."""
    tls = server.tls
    if tls is None:
        return ()
    names = (tls.credential_name, *tls.credential_names, tls.server_certificate)
    files = (each.server_certificate for each in tls.tls_certificates)
    return tuple(filter(None, (*names, *files)))
