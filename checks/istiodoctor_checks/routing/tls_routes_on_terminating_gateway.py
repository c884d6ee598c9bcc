"""VS005."""

from collections.abc import Iterator
from typing import Any

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, json_patch
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.tls_passthrough import IgnoredTlsRoutes, ignored_tls_routes
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.istio import TlsMode
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._destinations import written

TLS_PORTS = frozenset({443, 8443})


@check("VS005", severity=Severity.CRITICAL, claims=Claim.NOT_FOUND, explains={"GW019", "HTTP017"})
def tls_routes_on_terminating_gateway(mesh: Mesh) -> Iterator[Finding]:
    """A VirtualService has only `tls` routes, but its Gateway ends TLS.

    `tls` routes choose a backend by SNI for TLS that passes through. Where the Gateway ends TLS
    itself (SIMPLE, MUTUAL) they are ignored and `http` routes are looked for: there are none, so
    the handshake succeeds and every request gets 404.

    Fix: write `http` routes, or let TLS pass through (`mode: PASSTHROUGH`) so that the backend
    presents the certificate.

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
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      tls:
      - match: [{sniHosts: [shop.example.com]}]
        route: [{destination: {host: shop}}]
    ```

    ```finding
    critical: VirtualService shop/shop spec.tls
    hosts: shop.example.com
    VirtualService shop/shop has only tls routes, but Gateway shop/web server 443 (https) ends TLS
    itself (SIMPLE) and looks for http routes: requests for shop.example.com get 404.
    ```

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
      - port: {number: 443, name: tls, protocol: TLS}
        hosts: [shop.example.com]
        tls: {mode: PASSTHROUGH}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      tls:
      - match: [{sniHosts: [shop.example.com]}]
        route: [{destination: {host: shop}}]
    ```

    Sources: istio.io, Network Problems (Gateway mismatch); istio/istio issue 25233.
    """
    for ignored in ignored_tls_routes(mesh):
        source = ignored.virtual_service
        modes = listing(sorted({str(each.mode) for each in ignored.servers}))
        yield Finding(
            message=(
                f"{source.ref} has only tls routes, but {listing(ignored.servers)} ends TLS"
                f" itself ({modes}) and looks for http routes: requests for"
                f" {host_listing(ignored.hosts)} get 404."
            ),
            objects=(source.at("/spec/tls"), *(e.field("/tls/mode") for e in ignored.servers)),
            identity=Identity.of(source.ref),
            hosts=frozenset(ignored.hosts),
            evidence=tuple(
                Evidence(text=f"{each} has tls.mode {each.mode}", ref=each.gateway)
                for each in ignored.servers
            ),
            fixes=_fixes(ignored),
            servers=frozenset(each.id for each in ignored.servers),
        )


def _fixes(ignored: IgnoredTlsRoutes) -> tuple[Fix, ...]:
    ports = {
        each.destination.port.number
        for rule in ignored.virtual_service.spec.tls
        for each in rule.route
        if each.destination.port
    }
    fixes = (_http_routes(ignored), *_passthrough(ignored))
    return fixes[::-1] if ports & TLS_PORTS else fixes


def _http_routes(ignored: IgnoredTlsRoutes) -> Fix:
    source = ignored.virtual_service
    rules = [
        {"route": [written(each.destination, each.weight) for each in rule.route]}
        for rule in source.spec.tls[:1]
    ]
    return json_patch(
        source.ref,
        [
            {"op": "remove", "path": "/spec/tls"},
            {"op": "add", "path": "/spec/http", "value": rules},
        ],
        "Turn the tls routes into http routes",
        why="The backend's port must then speak HTTP, or a DestinationRule speak TLS to it.",
    )


def _passthrough(ignored: IgnoredTlsRoutes) -> tuple[Fix, ...]:
    def value(written: str) -> list[dict[str, Any]]:
        return [
            {"op": "add", "path": f"{written}/tls", "value": {"mode": TlsMode.PASSTHROUGH.value}}
        ]

    return tuple(
        json_patch(
            server.gateway,
            value(server.path),
            f"Let TLS pass through {server}",
            why="The backend must then present the certificate itself.",
        )
        for server in ignored.servers[:1]
    )
