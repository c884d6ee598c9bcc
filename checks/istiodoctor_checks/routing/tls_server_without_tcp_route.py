"""VS019."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.misrouting import virtual_services_are_known
from istiodoctor.mesh.configuration.tls_passthrough import Chainless, chainless_servers
from istiodoctor.text import host_listing, listing


@check("VS019", severity=Severity.CRITICAL, explains={"SNI011"})
def tls_server_without_tcp_route(mesh: Mesh) -> Iterator[Finding]:
    """A server with `protocol: TLS` ends TLS, and no `tcp` route says where its bytes go.

    With `protocol: HTTPS` a server that ends TLS speaks HTTP behind it and looks for `http`
    routes. With `protocol: TLS` it hands on whatever bytes TLS held, by `tcp` routes alone: `http`
    and `tls` routes count for nothing there. Without one istiod makes no filter chain. Envoy then
    resets the handshake, gives it to a server with a wider host, or does not open the port at all.

    Fix: `protocol: HTTPS`, or a `tcp` route.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: tls, protocol: TLS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http:
      - route: [{destination: {host: shop}}]
    ```

    ```finding
    critical: Gateway shop/web spec.servers[0].port.protocol
    hosts: shop.example.com
    Gateway shop/web server 443 (tls) ends TLS with protocol TLS and hands on its bytes by tcp
    routes, but VirtualService shop/shop has none for it: the handshake for shop.example.com fails.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: tls, protocol: TLS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      tcp:
      - route: [{destination: {host: shop}}]
    ```

    Sources: pilot/pkg/networking/core/gateway.go; istio.io, Gateway (Port).
    """
    known = virtual_services_are_known(mesh)
    for found in chainless_servers(mesh):
        server, sources = found.server, found.virtual_services
        if not (sources or known):
            continue
        yield Finding(
            message=(
                f"{server} ends TLS with protocol {server.protocol} and hands on its bytes by tcp"
                f" routes, but {_missing(found)}: {_consequence(found)}."
            ),
            objects=(
                server.field("/port/protocol"),
                *(each.at("/spec/http" if each.spec.http else "/spec") for each in sources),
            ),
            identity=Identity.of(server.gateway, str(server.port)),
            hosts=frozenset(found.hosts),
            evidence=(
                Evidence(text=f"{server} speaks {server.protocol}", ref=server.gateway),
                *(Evidence(text=f"{each.ref} has no tcp route", ref=each.ref) for each in sources),
            ),
            fixes=tuple(_fixes(found)),
            severity=Severity.MEDIUM if found.answering else Severity.CRITICAL,
            confidence=Confidence.CERTAIN if known else Confidence.SUSPECTED,
            servers=frozenset({server.id}),
        )


def _missing(found: Chainless) -> str:
    if found.virtual_services:
        return f"{listing(each.ref for each in found.virtual_services)} has none for it"
    return "no VirtualService is bound there"


def _consequence(found: Chainless) -> str:
    if found.answering:
        return f"TLS for {host_listing(found.hosts)} ends at {found.answering} instead"
    return f"the handshake for {host_listing(found.hosts)} fails"


def _fixes(found: Chainless) -> Iterator[Fix]:
    server = found.server
    if any(each.spec.http for each in found.virtual_services):
        yield set_field(
            server.field("/port/protocol"), "HTTPS", f"Let {server} speak HTTPS: http routes count"
        )
    else:
        yield Fix(
            title=f"Create a VirtualService with a tcp route for {host_listing(found.hosts)}",
            why=f"It names {server.gateway.path}, and a Service that takes what TLS held.",
        )
