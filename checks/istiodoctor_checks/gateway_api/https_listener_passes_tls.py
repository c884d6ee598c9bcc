"""GWAPI021."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import servers
from istiodoctor.mesh.gateways.servers import GatewayApi
from istiodoctor.text import host_listing


@check("GWAPI021", severity=Severity.CRITICAL, explains={"GWAPI016", "GWAPI017", "HTTP017"})
def https_listener_passes_tls(mesh: Mesh) -> Iterator[Finding]:
    """A listener of protocol HTTPS has `tls.mode: Passthrough`, so no route leads on from it.

    HTTPS ends TLS at the gateway: HTTPRoutes attach to such a listener, and with Passthrough none
    of them can be asked, while TLSRoutes attach to listeners of protocol TLS only. istiod makes no
    filter chain, and handshakes are reset. The API server refuses the Gateway since v1.0 of the
    Gateway API.

    Fix: set the mode to Terminate, or the protocol to TLS with a TLSRoute.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners:
      - name: https
        hostname: shop.example.com
        port: 443
        protocol: HTTPS
        tls: {mode: Passthrough, certificateRefs: [{name: shop-cert}]}
    ```

    ```finding
    critical: Gateway API Gateway shop/web spec.listeners[0].tls.mode
    hosts: shop.example.com
    Gateway API Gateway shop/web listener 443 (https) has protocol HTTPS and tls.mode Passthrough:
    no route leads on from it, and handshakes for shop.example.com are reset.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners:
      - name: https
        hostname: shop.example.com
        port: 443
        protocol: HTTPS
        tls: {mode: Terminate, certificateRefs: [{name: shop-cert}]}
      - name: tls
        hostname: api.example.com
        port: 443
        protocol: TLS
        tls: {mode: Passthrough}
    ```

    Sources: istio/istio, pilot/pkg/networking/core/gateway.go (`buildGatewayListenerOpts` takes
    SNI routes where the server passes TLS on), pilot/pkg/config/kube/gateway/conversion.go:226;
    gateway-api.sigs.k8s.io, TLS (Listeners and TLS).
    """
    for server in servers(mesh):
        is_https = server.api is GatewayApi.GATEWAY_API and server.protocol == "HTTPS"
        if is_https and server.is_passthrough and not server.faulty:
            mode = server.field("/tls/mode")
            yield Finding(
                message=(
                    f"{server} has protocol HTTPS and tls.mode Passthrough: no route leads on from"
                    f" it, and handshakes for {host_listing(server.names)} are reset."
                ),
                objects=(mode,),
                identity=Identity.of(server.gateway, server.section_name),
                hosts=frozenset(server.names),
                evidence=(Evidence(text=f"{mode}: Passthrough", ref=server.gateway),),
                fixes=(
                    set_field(
                        mode,
                        "Terminate",
                        f"End TLS at {server}",
                        why="It needs a certificate in certificateRefs. To hand TLS on instead,"
                        " set the protocol to TLS and route by a TLSRoute.",
                    ),
                ),
                servers=frozenset({server.id}),
            )
