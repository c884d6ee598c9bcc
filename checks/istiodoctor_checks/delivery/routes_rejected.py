"""SDS017."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import istioctl, kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.logs.refused_configuration import RefusedRoutes, refused_routes_in_logs
from istiodoctor.model.ref import Place
from istiodoctor.text import listing


@check(
    "SDS017",
    severity=Severity.HIGH,
    explains={"GW019", "HTTP015", "HTTP017", "HTTP018", "SDS013", "SDS016", "SNI011"},
)
def routes_rejected(mesh: Mesh) -> Iterator[Finding]:
    """Envoy refused the routes of a port, so the gateway keeps those that it had.

    istiod merges the routes of all hosts of a plain port, or of an HTTPS server, into one route
    configuration. Envoy takes it as a whole or not at all: one bad rule, or one domain that is
    there twice, keeps out every later change for every host. A pod that has just started has no
    routes, and does not open the port.

    The reason stands in the line: a domain twice (two VirtualServices that write one host in
    different spellings, in releases that do not fold them), a regular expression that is none, a
    value that is out of range, an EnvoyFilter's route.

    Fix: find the object that the reason points to and revert its last change.

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
        hosts: ["*.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop, port: {number: 80}}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: basket, namespace: shop}
    spec:
      hosts: [Shop.example.com]
      gateways: [web]
      http: [{match: [{uri: {prefix: /basket}}], route: [{destination: {host: shop}}]}]
    ```

    ```log bad istio-system/gateway/istio-proxy
    2026-03-01T11:40:00.000000Z	warning	envoy config external/envoy/grpc_subscription_impl.cc:138	gRPC config for type.googleapis.com/envoy.config.route.v3.RouteConfiguration rejected: Only unique values for domains are permitted. Duplicate entry of domain shop.example.com in route https.443.https.web.shop
    ```

    ```finding
    high, observed: VirtualService shop/basket spec.hosts[0]
    hosts: *.example.com
    Envoy in Pod istio-system/gateway refused the routes of Gateway shop/web server 443 (https):
    Only unique values for domains are permitted. Duplicate entry of domain shop.example.com in
    route https.443.https.web.shop. shop.example.com is a host of VirtualService shop/basket and
    VirtualService shop/shop. It goes on with those of before: no later change arrives, for any of
    the hosts.
    ```

    istiod says it too:

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.22.3"}]}
    ---
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
        hosts: ["*.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop, port: {number: 80}}}]}]
    ```

    ```log bad istio-system/istiod/discovery
    2026-03-01T11:40:00.000000Z	warn	ads	ADS:RDS: ACK ERROR gateway.istio-system-2 Internal:route: weighted cluster total weight must be greater than zero
    ```

    ```finding
    high, observed: Pod istio-system/gateway
    Envoy in Pod istio-system/gateway refused the routes: route: weighted cluster total weight must
    be greater than zero. It goes on with those of before: no later change arrives, for any of the
    hosts.
    ```

    A refused listener is a matter of its own:

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
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: ["*.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop, port: {number: 80}}}]}]
    ```

    ```log good istio-system/istiod/discovery
    2026-03-01T11:40:00.000000Z	warn	ads	ADS:LDS: ACK ERROR gateway.istio-system-2 Internal:Error adding/updating listener(s) 0.0.0.0_443: Address already in use
    ```

    Sources: Envoy, source/common/router/config_impl.cc (`RouteMatcher`); istio/istio issues 13940,
    13267.
    """  # noqa: E501 - lines of logs are shown whole
    for each in refused_routes_in_logs(mesh):
        owner = Place(each.workload.owner)
        hosts = [name for server in each.servers for name in server.names]
        yield Finding(
            message=(
                f"Envoy in {each.workload} refused the routes{_of(each)}: {each.last.reason}."
                f"{_written(each)} {_consequence(each)}"
            ),
            objects=(*each.places, *(server.place for server in each.servers), owner),
            identity=Identity.of(each.workload.owner, each.domain or each.route),
            hosts=frozenset(hosts or filter(None, (each.domain,))),
            evidence=(Evidence.of_line(each.last.line),),
            fixes=(
                Fix(
                    title="Write the host in one spelling"
                    if each.places
                    else "Revert the object that the reason points to",
                    commands=(
                        kubectl("get", "virtualservices.networking.istio.io,envoyfilters", "-A"),
                    ),
                    verify=istioctl("proxy-status"),
                ),
            ),
            severity=Severity.CRITICAL if each.at_start else Severity.HIGH,
            confidence=Confidence.OBSERVED,
            servers=frozenset(server.id for server in each.servers),
        )


def _of(each: RefusedRoutes) -> str:
    if each.servers:
        return f" of {listing(each.servers)}"
    return f" {each.route}" if each.route else ""


def _written(each: RefusedRoutes) -> str:
    if not each.places:
        return ""
    return f" {each.domain} is a host of {listing(dict.fromkeys(p.ref for p in each.places))}."


def _consequence(each: RefusedRoutes) -> str:
    if each.at_start:
        return "The pod had just started, so it has none."
    return "It goes on with those of before: no later change arrives, for any of the hosts."
