"""SNI006."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.tls_passthrough import repeated_sni_hosts
from istiodoctor.mesh.logs.repeated_snis import LoggedRepetition, logged_repetitions
from istiodoctor.model.ref import Place, Ref
from istiodoctor.text import host_listing, listing

VIRTUAL_SERVICE = "VirtualService"


@check("SNI006", severity=Severity.HIGH, explains={"SNI005"}, evidence=[logged_repetitions])
def passthrough_duplicate_sni(mesh: Mesh) -> Iterator[Finding]:
    """Two `tls` routes on one server match the same SNI host, and one of them is left out.

    Envoy can have one filter chain per name. istiod keeps the rule of the older VirtualService
    (or TLSRoute) and skips the other one, with all of its names (`skipping VirtualService …
    duplicate SNI host names` in its log).

    Fix: match each SNI host once.

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
        hosts: ["*.example.com"]
        tls: {mode: PASSTHROUGH}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: old, namespace: shop, creationTimestamp: "2024-05-01T08:00:00Z"}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      tls:
      - match: [{port: 443, sniHosts: [shop.example.com]}]
        route: [{destination: {host: shop}}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: new, namespace: shop, creationTimestamp: "2026-02-01T08:00:00Z"}
    spec:
      hosts: [shop.example.com, api.example.com]
      gateways: [web]
      tls:
      - match: [{port: 443, sniHosts: [shop.example.com, api.example.com]}]
        route: [{destination: {host: api}}]
    ```

    ```finding
    high: VirtualService shop/new spec.tls
    hosts: shop.example.com
    VirtualService shop/old and VirtualService shop/new both match the SNI host shop.example.com on
    Gateway shop/web server 443 (tls). One filter chain is possible: the rule of VirtualService
    shop/new is left out, with all its names.
    ```

    A wildcard beside an exact name is legal, and a match for another port is another place:

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
        hosts: ["*.example.com"]
        tls: {mode: PASSTHROUGH}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: ["*.example.com"]
      gateways: [web]
      tls:
      - match: [{port: 443, sniHosts: ["*.example.com"]}]
        route: [{destination: {host: pages}}]
      - match:
        - {port: 443, sniHosts: [shop.example.com]}
        - {port: 8443, sniHosts: [shop.example.com]}
        route: [{destination: {host: shop}}]
    ```

    Sources: istio.io, VirtualService (TLSRoute); istio/istio issue 17079.
    """
    told: set[Ref] = set()
    for repeated in repeated_sni_hosts(mesh):
        told.add(repeated.second)
        first, second, server = repeated.first, repeated.second, repeated.server
        yield Finding(
            message=(
                f"{first} and {second} both match the SNI host"
                f" {host_listing(repeated.hosts)} on {server}. One filter chain is possible: the"
                f" rule of {second} is left out, with all its names."
            ),
            objects=(_rules(second), _rules(first), server.place),
            identity=Identity.of(second, first.path),
            hosts=frozenset(repeated.hosts),
            evidence=tuple(
                Evidence(text=f"{each} matches {host_listing(repeated.hosts)}", ref=each)
                for each in dict.fromkeys((first, second))
            ),
            fixes=(
                Fix(
                    title=f"Match {host_listing(repeated.hosts)} in one {first.kind}",
                    why="The other one keeps the names that are its own.",
                ),
            ),
            confidence=(Confidence.CERTAIN if repeated.order_is_known else Confidence.SUSPECTED),
            servers=frozenset({server.id}),
        )
    for logged in logged_repetitions(mesh):
        if logged.second not in told:
            yield _by_log(logged)


def _by_log(each: LoggedRepetition) -> Finding:
    others = listing(each.others) or "another rule"
    return Finding(
        message=(
            f"istiod left out a rule of {each.second} on {each.gateway}, with all its names:"
            f" {others} matches the SNI host {host_listing(each.hosts)} already."
        ),
        objects=(_rules(each.second), *map(_rules, each.others), Place(each.gateway)),
        identity=Identity.of(each.second, str(each.gateway.path)),
        hosts=frozenset(each.hosts),
        evidence=(Evidence.of_line(each.fact.line),),
        fixes=(
            Fix(
                title=f"Match {host_listing(each.hosts)} in one {each.second.kind}",
                why="The other one keeps the names that are its own.",
            ),
        ),
        confidence=Confidence.OBSERVED,
    )


def _rules(source: Ref) -> Place:
    return Place(source, "/spec/tls" if source.kind == VIRTUAL_SERVICE else "/spec/rules")
