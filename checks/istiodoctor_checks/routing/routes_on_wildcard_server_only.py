"""VS014."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import json_patch
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor_checks.routing._unbound_routes import split_hosts


@check("VS014", severity=Severity.CRITICAL, claims=Claim.NOT_FOUND, explains={"GW019", "HTTP017"})
def routes_on_wildcard_server_only(mesh: Mesh) -> Iterator[Finding]:
    """A host's routes are on a wildcard server, but its SNI reaches a narrower server.

    Of all servers on a port the one with the most specific host takes the connection, and only
    the routes bound to that one count. With `*.example.com` in one Gateway, `shop.example.com` in
    another and the VirtualService bound to the first, requests for `shop.example.com` get 404.

    Fix: bind the VirtualService to the Gateway with the narrower host as well.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: wildcard, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: ["*.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: exact, namespace: shop}
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
      gateways: [wildcard]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    ```finding
    critical: VirtualService shop/shop spec.gateways
    hosts: shop.example.com
    VirtualService shop/shop answers for shop.example.com on Gateway shop/wildcard server 443
    (https), but TLS for that name reaches Gateway shop/exact server 443 (https), which is more
    specific and has no route for it: requests get 404.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: wildcard, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: ["*.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: exact, namespace: shop}
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
      gateways: ["wildcard", "exact"]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: blog, namespace: shop}
    spec:
      hosts: [blog.example.com]
      gateways: [wildcard]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    Sources: istio.io, Gateway (Server hosts); istio/istio issues 12655, 57773.
    """
    for split in split_hosts(mesh):
        source, reached = split.virtual_service, split.reached
        own = reached.gateway.namespace == source.namespace
        name = reached.gateway.name if own else reached.gateway.path
        yield Finding(
            message=(
                f"{source.ref} answers for {split.host} on {split.bound}, but TLS for that name"
                f" reaches {reached}, which is more specific and has no route for it: requests"
                f" get 404."
            ),
            objects=(source.at("/spec/gateways"), reached.field("/hosts"), split.bound.place),
            identity=Identity.of(source.ref, split.host),
            hosts=frozenset({split.host}),
            evidence=(
                Evidence(text=f"{reached} has {', '.join(reached.names)}", ref=reached.gateway),
            ),
            fixes=(
                json_patch(
                    source.ref,
                    [{"op": "add", "path": "/spec/gateways/-", "value": name}],
                    f"Bind it to {reached.gateway} as well",
                ),
            ),
            servers=frozenset({reached.id}),
        )
