"""VS015."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.bindings import ReferenceState, gateway_references
from istiodoctor.model.ref import Place


@check("VS015", severity=Severity.LOW)
def legacy_gateway_fqdn(mesh: Mesh) -> Iterator[Finding]:
    """A VirtualService names its Gateway like a Service, in the form of old releases.

    `web.shop.svc.cluster.local` was how a Gateway in another namespace was named before Istio
    1.1. istiod still reads it, but tools do not, and a name of another shape that holds dots is
    easily taken apart wrongly.

    Fix: write `namespace/name`.

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
    metadata: {name: shop, namespace: blog}
    spec:
      hosts: [shop.example.com]
      gateways: [web.shop.svc.cluster.local]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    ```finding
    low: VirtualService blog/shop spec.gateways[0]
    hosts: shop.example.com
    VirtualService blog/shop names Gateway shop/web as web.shop.svc.cluster.local. istiod still
    reads this form; other tools take it for a Gateway that is missing.
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
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: blog}
    spec:
      hosts: [shop.example.com]
      gateways: [shop/web]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    Sources: istio.io, VirtualService (`gateways`); istio/istio issues 27080, 26104, 11131.
    """
    for reference in gateway_references(mesh):
        target = reference.target
        is_old = "/" not in reference.text and reference.text != target.name
        if is_old and reference.state is ReferenceState.FOUND:
            yield Finding(
                message=(
                    f"{reference.virtual_service.ref} names {target} as {reference.text}. istiod"
                    f" still reads this form; other tools take it for a Gateway that is missing."
                ),
                objects=(reference.place, Place(target)),
                identity=Identity.of(reference.virtual_service.ref, target.path),
                hosts=frozenset(reference.virtual_service.spec.hosts),
                fixes=(
                    set_field(reference.place, target.path, f"Name the Gateway as {target.path}"),
                ),
            )
