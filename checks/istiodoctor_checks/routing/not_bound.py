"""VS004."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.mesh.workloads.names import MESH
from istiodoctor.text import host_listing, listing
from istiodoctor_checks.routing._unbound_routes import unbound_virtual_services


@check("VS004", severity=Severity.CRITICAL, claims=Claim.NOT_FOUND, explains={"GW019", "HTTP017"})
def not_bound(mesh: Mesh) -> Iterator[Finding]:
    """A VirtualService for a Gateway's host names no gateway, so only sidecars use it.

    Without `gateways` a VirtualService is for the mesh alone. That is right for names of the
    mesh; for a public host that a Gateway has, and that no other VirtualService answers for, it
    means that the gateway ends TLS and then answers every request with 404.

    Fix: name the Gateway in `gateways`, together with `mesh` where sidecars need the routes too.

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
      http: [{route: [{destination: {host: shop}}]}]
    ```

    ```finding
    critical: VirtualService shop/shop spec.gateways
    hosts: shop.example.com
    VirtualService shop/shop names no gateway, so it is for sidecars alone. Gateway shop/web has
    shop.example.com, and no VirtualService answers for it there: requests get 404.
    ```

    A VirtualService for the mesh may stand beside the one for the Gateway:

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
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop-edge, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop-mesh, namespace: shop}
    spec:
      hosts: [shop, shop.example.com]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    Sources: istio.io, VirtualService (`gateways`), Network Problems.
    """
    for unbound in unbound_virtual_services(mesh):
        source = unbound.virtual_service
        gateways = tuple(dict.fromkeys(each.gateway for each in unbound.servers))
        names = [
            each.name if each.namespace == source.namespace else each.path for each in gateways
        ]
        yield Finding(
            message=(
                f"{source.ref} names no gateway, so it is for sidecars alone. {listing(gateways)}"
                f" has {host_listing(unbound.hosts)}, and no VirtualService answers for it there:"
                f" requests get 404."
            ),
            objects=(source.at("/spec/gateways"), *(each.place for each in unbound.servers)),
            identity=Identity.of(source.ref),
            hosts=frozenset(unbound.hosts),
            evidence=tuple(
                Evidence(text=f"{each} has {host_listing(each.names)}", ref=each.gateway)
                for each in unbound.servers
            ),
            fixes=(
                set_field(
                    source.at("/spec/gateways"),
                    [*names, *(MESH for _ in source.spec.gateways[:1])],
                    f"Bind it to {listing(names)}",
                    why="Add `mesh` to the list if sidecars use these routes too.",
                ),
            ),
            confidence=Confidence.CERTAIN if unbound.is_sure else Confidence.SUSPECTED,
            servers=frozenset(each.id for each in unbound.servers),
        )
