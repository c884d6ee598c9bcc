"""SNI007."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.bindings import servers_of
from istiodoctor.mesh.configuration.routed_clusters import routed_clusters
from istiodoctor.mesh.configuration.upstream_tls import speaks_plainly
from istiodoctor.text import host_listing
from istiodoctor_checks._destinations import severity_of


@check("SNI007", severity=Severity.CRITICAL, explains={"SNI011"})
def passthrough_backend_plaintext(mesh: Mesh) -> Iterator[Finding]:
    """TLS passes through to a backend port that speaks plain HTTP.

    With PASSTHROUGH the backend has to present the certificate itself. One that speaks plain HTTP
    answers the ClientHello in plain text, and clients report a wrong version number.

    Fix: route to the backend's TLS port, or end TLS at the Gateway (`mode: SIMPLE`). What a port
    speaks is judged by its name and numbers.

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
      tls:
      - match: [{sniHosts: [shop.example.com]}]
        route: [{destination: {host: shop}}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: 8080}]}
    ```

    ```finding
    critical, suspected: VirtualService shop/shop spec.tls[0].route[0].destination
    hosts: shop.example.com
    TLS for shop.example.com passes through to port 80 of Service shop/shop, which looks like plain
    HTTP (http, targetPort 8080): clients see a wrong version number.
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
        route: [{destination: {host: shop, port: {number: 443}}}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec:
      selector: {app: shop}
      ports: [{name: http, port: 80}, {name: https, port: 443, targetPort: 8443}]
    ```

    Sources: istio.io, Ingress Gateway without TLS Termination, Understanding TLS Configuration.
    """
    for routed in routed_clusters(mesh):
        service, port = routed.kubernetes_service, routed.service_port
        if service is None or port is None or not speaks_plainly(port):
            continue
        for use in routed.uses_of("tls"):
            bindings = servers_of(mesh).get(use.virtual_service.ref, ())
            hosts = [host for e in bindings if e.server.is_passthrough for host in e.hosts]
            if not hosts:
                continue
            yield Finding(
                message=(
                    f"TLS for {host_listing(hosts)} passes through to port {port.port} of"
                    f" {service.ref}, which looks like plain HTTP"
                    f" ({port.name or port.app_protocol}, targetPort"
                    f" {port.target_port or port.port}): clients see a wrong version number."
                ),
                objects=(use.place, service.at("/spec/ports")),
                identity=Identity.of(use.place.ref, routed.name.host),
                hosts=frozenset(hosts),
                evidence=(
                    Evidence(
                        text=f"port {port.port} is named {port.name or port.app_protocol}",
                        ref=service.ref,
                    ),
                ),
                fixes=(
                    Fix(
                        title="End TLS at the Gateway, or route to a port that speaks TLS",
                        why="With PASSTHROUGH the backend presents the certificate itself.",
                    ),
                ),
                severity=severity_of(use),
                confidence=Confidence.SUSPECTED,
            )
