"""GW019."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, create
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.hosts import is_wildcard
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.kind import Kind
from istiodoctor.text import host_listing
from istiodoctor_checks.gateways._dropped_servers import Unrouted, unrouted_servers


@check("GW019", severity=Severity.MEDIUM, claims=Claim.NOT_FOUND, explains={"HTTP017"})
def gateway_without_routes(mesh: Mesh) -> Iterator[Finding]:
    """A Gateway serves a host for which no VirtualService has routes: every request gets 404.

    TLS works, then Envoy answers 404 (`NR route_not_found` in the access log), because no
    VirtualService is bound to the Gateway for that host. istiod logs "constructed http route
    config … with no vhosts; Setting up a default 404 vhost". Where the routes exist but are bound
    to nothing or to another Gateway, other findings say so and explain this one.

    Fix: bind a VirtualService for the host: `gateways: [namespace/name]`; or remove the host.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
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
    medium: Gateway shop/web spec.servers[0].hosts
    hosts: shop.example.com
    Gateway shop/web server 443 (https) serves shop.example.com, and no VirtualService names
    Gateway shop/web: requests get 404.
    ```

    A wildcard server needs no route for each name below it, a redirecting server none at all:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: ["*.example.com"]
        tls: {httpsRedirect: true}
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: ["*.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
      - port: {number: 8443, name: tls, protocol: TLS}
        hosts: [raw.example.org]
        tls: {mode: PASSTHROUGH}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    Sources: istio.io, Traffic Management Problems (404 errors); istio/istio issues 35772, 42985.
    """
    for each in unrouted_servers(mesh):
        server = each.server
        yield Finding(
            message=(
                f"{server} serves {host_listing(each.hosts)}, and {_nobody(each)}:"
                " requests get 404."
            ),
            objects=(server.field("/hosts"),),
            identity=Identity.of(server.gateway),
            hosts=frozenset(each.hosts),
            evidence=(Evidence(text=f"VirtualServices on {server.gateway} for it: none"),),
            fixes=(_bind(each),),
            severity=_severity(each),
            servers=frozenset({server.id}),
        )


def _bind(each: Unrouted) -> Fix:
    gateway = each.server.gateway
    backend = {"destination": {"host": "NAME-OF-THE-SERVICE"}}
    return create(
        {
            "metadata": {"name": gateway.name, "namespace": gateway.namespace},
            "spec": {
                "hosts": list(each.hosts),
                "gateways": [gateway.name],
                "http": [{"route": [backend]}],
            },
        },
        Kind.VIRTUAL_SERVICE,
        f"Route {host_listing(each.hosts)} to a Service",
        why="Put the name of the Service; an existing VirtualService may be bound instead.",
    )


def _nobody(each: Unrouted) -> str:
    gateway = each.server.gateway
    if each.is_bare:
        return f"no VirtualService names {gateway}"
    return f"no VirtualService on {gateway} has routes for it"


def _severity(each: Unrouted) -> Severity:
    """Rate a wildcard, its apex or a plain server low: it often waits for routes to come."""
    names = each.server.names
    exact = any(not is_wildcard(host) and f"*.{host}" not in names for host in each.hosts)
    return Severity.MEDIUM if exact and each.server.is_tls else Severity.LOW
