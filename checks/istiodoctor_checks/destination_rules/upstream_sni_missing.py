"""DR009."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.logs.upstream_failures import UnnamedBackend, unnamed_backends
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing


@check("DR009", severity=Severity.HIGH, explains={"DR006", "DR011", "HTTP015"})
def upstream_sni_missing(mesh: Mesh) -> Iterator[Finding]:
    """A gateway speaks TLS to a host outside without telling it that host's name.

    A server on the Internet chooses its certificate by the SNI; many refuse a connection without
    one (`handshake_failure`, 503 at the client). Istio sends an SNI where the DestinationRule has
    `tls.sni`. Where it has none, releases before 1.21 send no SNI, and later ones send the Host
    of the request: for a route from shop.example.com to api.vendor.example that is the shop's
    name, unless the route rewrites the authority.

    Fix: set `tls.sni` in the DestinationRule to the name of the host outside.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.20.4"}]}
    ---
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
      http:
      - rewrite: {authority: api.vendor.example}
        route: [{destination: {host: api.vendor.example, port: {number: 443}}}]
    ---
    apiVersion: networking.istio.io/v1
    kind: ServiceEntry
    metadata: {name: vendor, namespace: shop}
    spec:
      hosts: [api.vendor.example]
      resolution: DNS
      ports: [{number: 443, name: https, protocol: HTTPS}]
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: api.vendor.example, trafficPolicy: {tls: {mode: SIMPLE}}}
    ```

    ```finding
    high, suspected: DestinationRule shop/shop spec.trafficPolicy.tls.sni
    hosts: shop.example.com
    DestinationRule shop/shop makes the gateway speak TLS (SIMPLE) to api.vendor.example without
    tls.sni, so istiod 1.20.4 has no SNI sent: a server with several certificates refuses requests
    for shop.example.com.
    ```

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.24.1"}]}
    ---
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
      http: [{route: [{destination: {host: api.vendor.example, port: {number: 443}}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: ServiceEntry
    metadata: {name: vendor, namespace: shop}
    spec:
      hosts: [api.vendor.example]
      resolution: DNS
      ports: [{number: 443, name: https, protocol: HTTPS}]
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: api.vendor.example, trafficPolicy: {tls: {mode: SIMPLE}}}
    ```

    ```finding
    low, suspected: DestinationRule shop/shop spec.trafficPolicy.tls.sni
    hosts: shop.example.com
    DestinationRule shop/shop makes the gateway speak TLS (SIMPLE) to api.vendor.example without
    tls.sni, so istiod 1.24.1 has the Host of the request (shop.example.com) sent in its place.
    ```

    From 1.21 on, a route that rewrites the authority needs no `sni`:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.24.1"}]}
    ---
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
      http:
      - rewrite: {authority: api.vendor.example}
        route: [{destination: {host: api.vendor.example, port: {number: 443}}}]
    ---
    apiVersion: networking.istio.io/v1
    kind: ServiceEntry
    metadata: {name: vendor, namespace: shop}
    spec:
      hosts: [api.vendor.example]
      resolution: DNS
      ports: [{number: 443, name: https, protocol: HTTPS}]
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: api.vendor.example, trafficPolicy: {tls: {mode: SIMPLE}}}
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.20.4"}]}
    ---
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
      http: [{route: [{destination: {host: api.vendor.example, port: {number: 443}}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: ServiceEntry
    metadata: {name: vendor, namespace: shop}
    spec:
      hosts: [api.vendor.example]
      resolution: DNS
      ports: [{number: 443, name: https, protocol: HTTPS}]
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: api.vendor.example, trafficPolicy: {tls: {mode: SIMPLE, sni: api.vendor.example}}}
    ```

    Sources: istio.io, DestinationRule (ClientTLSSettings), Istio 1.21 Upgrade Notes, Egress TLS
    Origination; istio/istio issue 27208.
    """
    for unnamed in unnamed_backends(mesh):
        upstream = unnamed.upstream
        hosts = upstream.use.virtual_service.spec.hosts
        place = upstream.place or upstream.use.place
        yield Finding(
            message=(
                f"{place.ref} makes the gateway speak TLS ({upstream.mode}) to"
                f" {upstream.fqdn} without tls.sni, so istiod {unnamed.version}"
                f" {_consequence(unnamed)}."
            ),
            objects=(Place(place.ref, f"{place.path}/sni"), upstream.use.place),
            identity=Identity.of(place.ref, upstream.fqdn),
            hosts=frozenset(hosts),
            evidence=(Evidence(text=f"{place} has no sni", ref=place.ref),),
            fixes=(
                set_field(
                    Place(place.ref, f"{place.path}/sni"),
                    upstream.fqdn,
                    f"Send the SNI {upstream.fqdn}",
                ),
            ),
            severity=Severity.LOW if unnamed.is_automatic else None,
            confidence=Confidence.SUSPECTED,
        )


def _consequence(unnamed: UnnamedBackend) -> str:
    hosts = host_listing(unnamed.upstream.use.virtual_service.spec.hosts)
    if unnamed.is_automatic:
        return f"has the Host of the request ({hosts}) sent in its place"
    return f"has no SNI sent: a server with several certificates refuses requests for {hosts}"
