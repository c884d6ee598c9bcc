"""VS006."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, json_patch
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.misrouting import virtual_services_are_known
from istiodoctor.mesh.configuration.tls_passthrough import PassthroughGap, passthrough_gaps
from istiodoctor.model.istio import VirtualService
from istiodoctor.text import host_listing
from istiodoctor_checks._destinations import written


@check("VS006", severity=Severity.CRITICAL)
def http_routes_on_passthrough(mesh: Mesh) -> Iterator[Finding]:
    """A VirtualService has only `http` routes, but its Gateway lets TLS pass through.

    With `mode: PASSTHROUGH` the gateway never sees HTTP: it chooses a backend by SNI from `tls`
    routes. `http` routes count for nothing there, so the host has no filter chain and the
    handshake is reset (`NR filter_chain_not_found` in the access log).

    Fix: add `tls` routes with `match.sniHosts`, or end TLS at the Gateway (`mode: SIMPLE` with a
    `credentialName`).

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
      http: [{route: [{destination: {host: shop}}]}]
    ```

    ```finding
    critical: VirtualService shop/shop spec.http
    hosts: shop.example.com
    VirtualService shop/shop has only http routes, but Gateway shop/web server 443 (tls) lets TLS
    pass through and chooses by SNI from tls routes: the handshake for shop.example.com is reset.
    ```

    One VirtualService may hold both kinds: `http` for port 80, `tls` for what passes through.

    As clients meet it, by a load balancer:

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: PASSTHROUGH}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    ```finding
    critical: VirtualService shop/shop spec.http
    hosts: shop.example.com
    VirtualService shop/shop has only http routes, but Gateway shop/web server 443 (https) lets TLS
    pass through and chooses by SNI from tls routes: the handshake for shop.example.com is reset.
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
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{redirect: {scheme: https}}]
      tls:
      - match: [{port: 443, sniHosts: [shop.example.com]}]
        route: [{destination: {host: shop}}]
    ```

    Sources: istio.io, Network Problems (Gateway mismatch); istio/istio issues 34612, 25233.
    """
    for gap in passthrough_gaps(mesh):
        sources = [each for each in gap.virtual_services if each.spec.http and not each.spec.tls]
        for source in sources:
            yield Finding(
                message=(
                    f"{source.ref} has only http routes, but {gap.server} lets TLS pass through"
                    f" and chooses by SNI from tls routes: {_consequence(gap)}."
                ),
                objects=(source.at("/spec/http"), gap.server.field("/tls/mode")),
                identity=Identity.of(source.ref),
                hosts=frozenset(gap.hosts),
                evidence=(
                    Evidence(
                        text=f"{gap.server} has tls.mode PASSTHROUGH", ref=gap.server.gateway
                    ),
                ),
                fixes=(*_tls_routes(source, gap), _terminate(gap)),
                severity=Severity.MEDIUM if gap.answering else Severity.CRITICAL,
                confidence=(
                    Confidence.CERTAIN
                    if virtual_services_are_known(mesh)
                    else Confidence.SUSPECTED
                ),
                servers=frozenset({gap.server.id}),
            )


def _consequence(gap: PassthroughGap) -> str:
    if gap.answering:
        return f"TLS for {host_listing(gap.hosts)} ends at {gap.answering} instead"
    return f"the handshake for {host_listing(gap.hosts)} is reset"


def _tls_routes(source: VirtualService, gap: PassthroughGap) -> Iterator[Fix]:
    routes = next((rule.route for rule in source.spec.http if rule.route), ())
    if routes:
        rule = {
            "match": [{"port": gap.server.port, "sniHosts": list(gap.hosts)}],
            "route": [written(each.destination, each.weight) for each in routes],
        }
        yield json_patch(
            source.ref,
            [{"op": "add", "path": "/spec/tls", "value": [rule]}],
            f"Route {host_listing(gap.hosts)} by SNI",
            why="The backend's port must speak TLS and present the certificate itself.",
        )


def _terminate(gap: PassthroughGap) -> Fix:
    return Fix(
        title=f"Or end TLS at {gap.server.gateway}",
        why=(
            "Set tls.mode to SIMPLE, protocol to HTTPS and credentialName to a Secret in the"
            " namespace of the gateway pods."
        ),
    )
