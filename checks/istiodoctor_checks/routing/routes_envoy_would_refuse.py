"""VS018."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.refused_routes import (
    RefusedRouteConfiguration,
    refused_route_configurations,
)
from istiodoctor.text import SHOWN, listing


@check(
    "VS018",
    severity=Severity.CRITICAL,
    explains={"GW019", "HTTP017", "HTTP018", "SDS016", "SDS017", "VS022"},
)
def routes_envoy_would_refuse(mesh: Mesh) -> Iterator[Finding]:
    """A rule of a route is such that Envoy refuses all routes beside it.

    istiod merges the routes of all hosts of a plain port into one route configuration, and those
    of each HTTPS server into another. Envoy takes one as a whole or not at all: for a regular
    expression that is none, weights that are 0 in all, a status that is none, a direct response
    of more than 4096 bytes, a header whose value has a lone `%` or a command that Envoy does not
    know (`%FOO%`), it refuses every route of every host there and goes on with the last ones that
    it accepted. A new pod has none, and does not open the port.

    Fix: correct the rule.

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
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http:
      - match: [{uri: {regex: "/shop/(?!admin).*"}}]
        route: [{destination: {host: shop}}]
    ```

    ```finding
    critical: VirtualService shop/shop spec.http[0]
    hosts: shop.example.com
    Envoy refuses all routes of Gateway shop/web server 443 (https) on Pod istio-system/gateway for
    one rule, VirtualService shop/shop spec.http[0]: the regular expression /shop/(?!admin).* for a
    path is none: invalid perl operator: (?!. It keeps the last that it had, and a new pod does not
    open the port.
    ```

    Envoy fills in `%COMMANDS%` in the values of headers, and neither istiod nor the Gateway API
    looks at them. The character itself is written twice, `100%%`:

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
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http:
      - headers: {response: {set: {cache-hits: "100%"}}}
        route: [{destination: {host: shop}}]
    ```

    ```finding
    critical: VirtualService shop/shop spec.http[0]
    hosts: shop.example.com
    Envoy refuses all routes of Gateway shop/web server 443 (https) on Pod istio-system/gateway for
    one rule, VirtualService shop/shop spec.http[0]: the header cache-hits cannot be '100%': it has
    a % that begins no command: Envoy writes %% for the character itself. It keeps the last that it
    had, and a new pod does not open the port.
    ```

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
      - match: [{uri: {regex: "/shop/[^/]+"}}]
        headers: {response: {set: {cache-hits: "100%%", protocol: "%PROTOCOL%"}}}
        route: [{destination: {host: shop}}]
    ```

    Sources: Envoy, route_components.proto (the limits of each field), Substitution Formatter;
    istio.io, VirtualService.
    """
    for refused in refused_route_configurations(mesh):
        servers, refusal = refused.servers, refused.refusal
        place, *others = refusal.made_by
        yield Finding(
            message=(
                f"Envoy refuses all routes of {listing(servers)} on {refused.workload} for"
                f" {'one domain' if others else 'one rule'}, {place}: {refusal.text}. It keeps the"
                " last that it had, and a new pod does not open the port."
            ),
            objects=(place, *others, *(each.place for each in servers[:SHOWN])),
            identity=Identity.of(place.ref, place.path),
            hosts=_hosts(refused),
            evidence=(Evidence(text=f"{place}: {refusal.text}", ref=place.ref),),
            fixes=(
                Fix(
                    title=f"Correct {place}",
                    commands=(kubectl("edit", place.ref),),
                    why=f"Envoy says no to it: {refusal.text}.",
                ),
            ),
            severity=(
                Severity.CRITICAL if any(each.is_tls for each in servers) else Severity.HIGH
            ),
            confidence=Confidence.SUSPECTED if refused.unknown_because else Confidence.CERTAIN,
            servers=frozenset(each.id for each in servers),
        )


def _hosts(refused: RefusedRouteConfiguration) -> frozenset[str]:
    """Return every host of the servers: a route configuration is taken as a whole."""
    return frozenset(name for each in refused.servers for name in each.names)
