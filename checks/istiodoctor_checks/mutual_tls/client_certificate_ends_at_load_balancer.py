"""MTLS010."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, Risk
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.exposure.front_proxies import Front, fronts_for
from istiodoctor.mesh.gateways.listeners import listeners
from istiodoctor.mesh.gateways.merging import Listener
from istiodoctor.mesh.gateways.servers import WITH_CLIENT_CA, Server
from istiodoctor.model.istio import TlsMode
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing


@check("MTLS010", severity=Severity.CRITICAL, explains={"MTLS014"})
def client_certificate_ends_at_load_balancer(mesh: Mesh) -> Iterator[Finding]:
    """A gateway asks for client certificates behind a load balancer that ends TLS.

    A client certificate is shown to whoever ends the TLS connection. If that is the load
    balancer, it never reaches the gateway, and a server with `mode: MUTUAL` behind it refuses
    everybody.

    Fix: let the load balancer pass TCP through, or check client certificates there.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: gateway
      namespace: istio-system
      annotations: {service.beta.kubernetes.io/aws-load-balancer-ssl-cert: "arn:aws:acm:certificate"}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 443}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: MUTUAL, credentialName: shop-cert}
    ```

    ```finding
    critical: Service istio-system/gateway
    metadata.annotations["service.beta.kubernetes.io/aws-load-balancer-ssl-cert"]
    hosts: shop.example.com
    Gateway shop/web server 443 (https) asks for client certificates, but before it stands the load
    balancer of Service istio-system/gateway, which ends TLS
    (service.beta.kubernetes.io/aws-load-balancer-ssl-cert): they end there, and shop.example.com
    is refused to everybody.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: gateway
      namespace: istio-system
      annotations: {}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 443}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: MUTUAL, credentialName: shop-cert}
    ```

    A server that asks for no client certificate is not concerned:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: gateway
      namespace: istio-system
      annotations: {service.beta.kubernetes.io/aws-load-balancer-ssl-cert: "arn:aws:acm:certificate"}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 443}]
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

    Sources: istio/istio issue 35420; istio.io, Secure Gateways.
    """  # noqa: E501 - lines of logs are shown whole
    for listener in listeners(mesh):
        for server in listener.servers:
            for front, hosts in _fronts(mesh, listener, server).items():
                optional = server.mode is TlsMode.OPTIONAL_MUTUAL
                yield Finding(
                    message=(
                        f"{server} asks for client certificates, but before it stands"
                        f" {front.text}: they end there, and {host_listing(hosts)} is"
                        f" {'without them' if optional else 'refused to everybody'}."
                    ),
                    objects=(
                        front.place or server.field("/tls/mode"),
                        server.field("/tls/mode"),
                        Place(listener.workload.owner),
                    ),
                    identity=Identity.of(server.gateway),
                    hosts=frozenset(hosts),
                    evidence=(Evidence(text=front.text),),
                    fixes=(
                        Fix(
                            title="Let the load balancer pass TLS through as TCP",
                            risk=Risk.OUTSIDE_CLUSTER,
                            why="Its certificate must then be in the gateway's Secret.",
                        ),
                    ),
                    severity=Severity.MEDIUM if optional else Severity.CRITICAL,
                    servers=frozenset({server.id}),
                )


def _fronts(mesh: Mesh, listener: Listener, server: Server) -> dict[Front, list[str]]:
    """Return what ends TLS before a server that wants client certificates, with its hosts."""
    found: dict[Front, list[str]] = {}
    for host in server.names if server.mode in WITH_CLIENT_CA else ():
        for front in fronts_for(mesh, listener.workload, host):
            if front.terminates_tls and front.plain_port in (None, listener.port):
                found.setdefault(front, []).append(host)
    return found
