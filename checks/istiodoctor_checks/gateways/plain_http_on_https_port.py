"""GW005."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, json_patch, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.exposure.plain_https import PlainHttps, plain_https_servers
from istiodoctor.mesh.exposure.services import HTTPS_PORT
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing

TLS_TARGET = 8443


@check(
    "GW005",
    severity=Severity.CRITICAL,
    claims=Claim.UNSERVED,
    explains={"GW021", "HTTP001", "HTTP005"},
)
def plain_http_on_https_port(mesh: Mesh) -> Iterator[Finding]:
    """A server on the HTTPS port speaks plain HTTP, so every TLS handshake fails.

    `protocol` decides whether Envoy speaks TLS; the port number does not. A server on 443 with
    `protocol: HTTP` answers a ClientHello with "400 Bad Request" in the clear: curl says "wrong
    version number", browsers ERR_SSL_PROTOCOL_ERROR. The same happens when the Service sends its
    port 443 to the port of a plain server.

    It is right where a load balancer or proxy ends TLS and sends plain HTTP to 443. Annotations
    and Ingresses that say so are recognised; tell of others with `[[front_proxy]]` in
    `istiodoctor.toml`.

    Fix: `protocol: HTTPS` and a `tls` section with `mode: SIMPLE` and a `credentialName`.

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
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTP}
        hosts: [shop.example.com]
    ```

    ```finding
    critical: Gateway shop/web spec.servers[0].port.protocol
    hosts: shop.example.com
    Gateway shop/web server 443 (https) speaks plain HTTP, and 443 is the port of https://: a TLS
    handshake for shop.example.com fails with “wrong version number”.
    ```

    A listener of TLS may be beside it on the port:

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.31.0"}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: web-istio, namespace: shop}
    spec:
      type: LoadBalancer
      selector: {gateway.networking.k8s.io/gateway-name: web}
      ports: [{name: https, port: 443}]
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    type: kubernetes.io/tls
    stringData: {tls.crt: certificate for shop.example.com, tls.key: key of shop.example.com}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners:
      - name: https
        hostname: shop.example.com
        port: 443
        protocol: HTTPS
        tls: {certificateRefs: [{name: shop-cert}]}
      - {name: plain, hostname: api.example.com, port: 443, protocol: HTTP}
    ```

    ```finding
    critical: Gateway API Gateway shop/web spec.listeners[1].protocol
    hosts: api.example.com
    Gateway API Gateway shop/web listener 443 (plain) speaks plain HTTP, and 443 is the port of
    https://: a TLS handshake for api.example.com fails with “wrong version number”. Gateway API
    Gateway shop/web listener 443 (https) speaks TLS on the same port, for other hosts only.
    ```

    Here the load balancer ends TLS:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: gateway
      namespace: istio-system
      annotations:
        service.beta.kubernetes.io/aws-load-balancer-ssl-cert: arn:aws:acm:eu:1:certificate/a
        service.beta.kubernetes.io/aws-load-balancer-ssl-ports: https
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTP}
        hosts: [shop.example.com]
    ```

    Sources: istio.io, Secure Gateways and Traffic Management Problems; istio/istio issues 16778,
    17265, 40923.
    """
    for each in plain_https_servers(mesh):
        server = each.server
        yield Finding(
            message=(
                f"{server} speaks plain HTTP, and {_why_https(each)}: a TLS handshake for"
                f" {host_listing(each.hosts)} fails with “wrong version number”."
                f"{_beside(each)}"
            ),
            objects=tuple(_objects(each)),
            identity=Identity.of(server.gateway, str(server.port)),
            hosts=frozenset(each.hosts),
            evidence=(
                Evidence(
                    text=f"protocol: {server.protocol} on port {server.port}", ref=server.gateway
                ),
                Evidence(text="no load balancer or proxy is known to end TLS before it"),
            ),
            fixes=(_fix(each),),
            confidence=Confidence.CERTAIN if each.is_certain else Confidence.SUSPECTED,
            servers=frozenset({server.id}),
        )


def _why_https(each: PlainHttps) -> str:
    if each.server.port == HTTPS_PORT or not each.services:
        return "443 is the port of https://"
    return f"port 443 of {listing(service.ref for service in each.services)} leads to it"


def _objects(each: PlainHttps) -> Iterator[Place]:
    server = Place(each.server.gateway, _protocol(each.server))
    services = (service.at("/spec/ports") for service in each.services)
    yield from (server, *services) if each.server.port == HTTPS_PORT else (*services, server)
    for other in each.tls_servers:
        yield Place(other.gateway, _protocol(other))


def _beside(each: PlainHttps) -> str:
    """Name the server of TLS on the same port: the host table makes that port look right."""
    if not each.tls_servers:
        return ""
    return f" {listing(each.tls_servers)} speaks TLS on the same port, for other hosts only."


def _fix(each: PlainHttps) -> Fix:
    server = each.server
    if server.port == HTTPS_PORT:
        return json_patch(
            server.gateway,
            [
                {"op": "replace", "path": _protocol(server), "value": "HTTPS"},
                {"op": "add", "path": f"{server.path}/tls", "value": _tls(server)},
            ],
            f"Make {server} speak TLS",
            why="Put the name of the TLS Secret, which the gateway pods' namespace holds.",
        )
    service = each.services[0]
    ports = service.spec.ports
    index = next(i for i, port in enumerate(ports) if port.port == HTTPS_PORT)
    return set_field(
        service.at(f"/spec/ports/{index}/targetPort"),
        TLS_TARGET,
        f"Send port {HTTPS_PORT} of {service.ref} to a port of its own",
        why="A server with port 443, protocol HTTPS and tls then listens there.",
    )


def _protocol(server: Server) -> str:
    istio = server.api is GatewayApi.ISTIO
    return f"{server.path}/port/protocol" if istio else f"{server.path}/protocol"


def _tls(server: Server) -> dict[str, object]:
    if server.api is GatewayApi.ISTIO:
        return {"mode": "SIMPLE", "credentialName": "NAME-OF-THE-TLS-SECRET"}
    return {"certificateRefs": [{"name": "NAME-OF-THE-TLS-SECRET"}]}
