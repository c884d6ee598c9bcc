"""SVC010."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import dig, host_after
from istiodoctor.finding import Confidence, Finding, Fix, Identity, Risk, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.endpoints import foreign_names
from istiodoctor.model.ref import Place
from istiodoctor_checks.text import listing
from istiodoctor_checks.wire import observed_evidence


@check("SVC010", severity=Severity.CRITICAL)
def name_resolves_elsewhere(mesh: Mesh) -> Iterator[Finding]:
    """A host's name resolves to an address that is not the gateway's.

    The record still points to an old ingress, a load balancer that was made anew, or somebody
    else. Nothing that is changed at the gateway then reaches clients.

    Nothing is said where a proxy is known to stand before the gateway (`[[front_proxy]]` in
    `istiodoctor.toml`, an Ingress, an annotated load balancer), where the other side presents
    the same certificate as the gateway, and where it presents one that clients accept: that is
    taken for a proxy. Names are resolved where istiodoctor runs; another view of DNS may differ.

    Fix: the A or CNAME record.

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
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 443}]
    status: {loadBalancer: {ingress: [{ip: 203.0.113.10}]}}
    ```

    ```tls bad
    - address: 203.0.113.10
      addresses: [203.0.113.10]
      server: shop/web/0
      sni: shop.example.com
      chain: certificate for shop.example.com
    - dns: shop.example.com
      addresses: [198.51.100.7]
      server: shop/web/0
      sni: shop.example.com
      verified: false
      chain: certificate for old.example.com
    ```

    A proxy before the gateway that presents a certificate which clients accept:

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
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 443}]
    status: {loadBalancer: {ingress: [{ip: 203.0.113.10}]}}
    ```

    ```tls good
    - address: 203.0.113.10
      addresses: [203.0.113.10]
      server: shop/web/0
      sni: shop.example.com
      chain: certificate for shop.example.com
    - dns: shop.example.com
      addresses: [198.51.100.7]
      server: shop/web/0
      sni: shop.example.com
      verified: true
      chain: certificate for shop.example.com; expires in 60 days
    ```

    Sources: istio.io, Ingress Gateways, Determining the ingress IP and ports.
    """
    for foreign in foreign_names(mesh):
        seen = foreign.observation
        yield Finding(
            message=(
                f"{foreign.host} resolves to {listing(seen.addresses)}, the gateway of"
                f" {foreign.server} is at {listing(foreign.own)}. What answers there:"
                f" {seen.ending}."
            ),
            objects=(foreign.server.place, Place(seen.target.access_point.gateway)),
            identity=Identity.of(foreign.server.gateway, foreign.host),
            hosts=frozenset({foreign.host}),
            evidence=observed_evidence((seen,)),
            fixes=(
                Fix(
                    title=f"Point {foreign.host} to {listing(foreign.own)}",
                    risk=Risk.OUTSIDE_CLUSTER,
                    verify=dig("+short", host_after("-q", foreign.host)),
                    why="Or name the proxy that stands there in istiodoctor.toml.",
                ),
            ),
            confidence=Confidence.OBSERVED,
            servers=frozenset({foreign.server.id}),
        )
