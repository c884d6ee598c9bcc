"""GWAPI016."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, get
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.gateways.unrouted_listeners import unrouted_listeners
from istiodoctor.mesh.hosts import is_wildcard
from istiodoctor.text import host_listing


@check("GWAPI016", severity=Severity.MEDIUM, explains={"GWAPI017", "HTTP017", "SNI011"})
def listener_without_routes(mesh: Mesh) -> Iterator[Finding]:
    """A listener of the Gateway API has no route attached, so nothing is served for its hosts.

    A listener opens the port and shows its certificate; what becomes of requests is said by the
    routes that name its Gateway in `parentRefs`. Without any, Envoy answers 404; a listener of TLS
    or TCP is not even opened.

    Fix: attach a route, or remove the listener.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners: [{name: http, hostname: shop.example.com, port: 80, protocol: HTTP}]
    ```

    ```finding
    low: Gateway API Gateway shop/web spec.listeners[0]
    hosts: shop.example.com
    Gateway API Gateway shop/web listener 80 (http) serves shop.example.com, and no route is
    attached to it: requests get 404.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners: [{name: http, hostname: shop.example.com, port: 80, protocol: HTTP}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{name: web}]
      rules: [{backendRefs: [{name: shop, port: 80}]}]
    ```

    Sources: gateway-api.sigs.k8s.io, API reference (`attachedRoutes`); istio.io, Traffic
    Management Problems (404 errors).
    """
    for server in unrouted_listeners(mesh):
        yield Finding(
            message=(
                f"{server} serves {host_listing(server.names)}, and no route is attached to it:"
                f" {_effect(server)}."
            ),
            objects=(server.place,),
            identity=Identity.of(server.gateway, server.section_name),
            hosts=frozenset(server.names),
            evidence=(Evidence(text=f"routes on {server}: none", ref=server.gateway),),
            fixes=(
                Fix(
                    title="Attach a route, or remove the listener",
                    commands=(get(server.gateway),),
                    why="Where its requests are to go is not known.",
                ),
            ),
            severity=_severity(server),
            servers=frozenset({server.id}),
        )


def _effect(server: Server) -> str:
    return "requests get 404" if server.routes_http else "its port has nothing for them"


def _severity(server: Server) -> Severity:
    """Rate a listener of every host or a plain one low: it often waits for routes to come."""
    is_exact = server.hostname and not is_wildcard(server.hostname)
    return Severity.MEDIUM if is_exact and server.is_tls else Severity.LOW
