"""SVC002."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import json_patch
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.exposure.front_proxies import fronts_for
from istiodoctor.mesh.exposure.services import HTTPS_PORT, Unreachable, unreachable_servers
from istiodoctor.text import host_listing, listing


@check("SVC002", severity=Severity.CRITICAL, explains={"GW013", "HTTP003"})
def https_port_missing(mesh: Mesh) -> Iterator[Finding]:
    """A gateway serves HTTPS on 443, but its Service has no port 443.

    Clients reach the gateway through its Service (a load balancer forwards the Service's ports
    and no others), and that Service exposes only port 80 or the status port. Connections to
    https:// time out or are refused, although Envoy listens and the certificate is there.

    It is right where a proxy before the gateway ends TLS and forwards to port 80; Ingresses and
    annotations that say so are recognised.

    Fix: add port 443 to the Service.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: status, port: 15021}, {name: http, port: 80, targetPort: 8080}]
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
    ```

    ```finding
    critical: Service istio-system/gateway spec.ports
    hosts: shop.example.com
    Service istio-system/gateway has no port 443, and Gateway shop/web server 443 (https) serves
    HTTPS there: shop.example.com cannot be reached.
    ```

    Two Services may share the work:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway-tls, namespace: istio-system}
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
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    Sources: istio.io, Ingress Gateways and Installing Gateways.
    """
    for each in unreachable_servers(mesh):
        server = each.server
        if each.services and server.is_tls and server.port == HTTPS_PORT:
            hosts = [
                host
                for host in server.names
                if not any(
                    f.terminates_tls for f in fronts_for(mesh, each.listener.workload, host)
                )
            ]
            if not hosts:
                continue
            service = each.services[0]
            yield Finding(
                message=(
                    f"{listing(s.ref for s in each.services)} has no port {HTTPS_PORT}, and"
                    f" {server} serves HTTPS there: {host_listing(hosts)} cannot be reached."
                ),
                objects=(service.at("/spec/ports"), server.field("/port")),
                identity=Identity.of(service.ref),
                hosts=frozenset(hosts),
                evidence=(Evidence(text=_ports(each), ref=service.ref),),
                fixes=(
                    json_patch(
                        service.ref,
                        [
                            {
                                "op": "add",
                                "path": "/spec/ports/-",
                                "value": {
                                    "name": "https",
                                    "port": HTTPS_PORT,
                                    "targetPort": each.pod_port,
                                },
                            }
                        ],
                        f"Add port {HTTPS_PORT} to {service.ref}",
                        why="Where a chart or operator makes the Service, add it there too.",
                    ),
                ),
                confidence=Confidence.CERTAIN if each.is_certain else Confidence.SUSPECTED,
                servers=frozenset({server.id}),
            )


def _ports(each: Unreachable) -> str:
    ports = (port.port for service in each.services for port in service.spec.ports)
    return f"ports of the Service: {listing(ports, shown=8)}"
