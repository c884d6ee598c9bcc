"""SNI005."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, json_patch
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.misrouting import virtual_services_are_known
from istiodoctor.mesh.configuration.tls_passthrough import PassthroughGap, passthrough_gaps
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.text import host_listing, listing


@check("SNI005", severity=Severity.CRITICAL, claims=Claim.NO_HANDSHAKE, explains={"SNI011"})
def passthrough_no_tls_match(mesh: Mesh) -> Iterator[Finding]:
    """TLS for a host should pass through, but no route's `sniHosts` match takes it.

    With `mode: PASSTHROUGH` each host needs a `tls` route whose `match.sniHosts` has it. Without
    one Envoy has no filter chain for the name and resets the connection after the ClientHello
    (`NR filter_chain_not_found`).

    Fix: add the host to `match.sniHosts` of the VirtualService.

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
        hosts: ["shop.example.com", "api.example.com"]
        tls: {mode: PASSTHROUGH}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com, api.example.com]
      gateways: [web]
      tls:
      - match: [{port: 443, sniHosts: [shop.example.com]}]
        route: [{destination: {host: shop}}]
    ```

    ```finding
    critical: VirtualService shop/shop spec.tls
    hosts: api.example.com
    TLS for api.example.com should pass through Gateway shop/web server 443 (tls), but no tls match
    of VirtualService shop/shop has its name: Envoy has no filter chain for it and resets the
    handshake.
    ```

    A wildcard server needs no more than the hosts that exist, and an east-west gateway
    (AUTO_PASSTHROUGH) no VirtualService at all:

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
    kind: Gateway
    metadata: {name: cross-network, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 15443, name: tls, protocol: TLS}
        hosts: ["*.local"]
        tls: {mode: AUTO_PASSTHROUGH}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      tls:
      - match: [{port: 443, sniHosts: [shop.example.com]}]
        route: [{destination: {host: shop}}]
    ```

    Sources: istio.io, Ingress Gateway without TLS Termination, VirtualService (TLSRoute);
    istio/istio issues 34612, 31814, 24424.
    """
    for gap in passthrough_gaps(mesh):
        if not any(each.spec.http and not each.spec.tls for each in gap.virtual_services):
            yield Finding(
                message=_message(gap),
                objects=(
                    *(each.at("/spec/tls") for each in gap.virtual_services),
                    gap.server.field("/hosts"),
                ),
                identity=Identity.of(gap.server.gateway, f"{gap.server.port}"),
                hosts=frozenset(gap.hosts),
                evidence=(
                    Evidence(
                        text=f"{gap.server} has tls.mode PASSTHROUGH", ref=gap.server.gateway
                    ),
                ),
                fixes=tuple(_fixes(gap)),
                severity=Severity.MEDIUM if gap.answering else Severity.CRITICAL,
                confidence=(
                    Confidence.CERTAIN
                    if virtual_services_are_known(mesh)
                    else Confidence.SUSPECTED
                ),
                servers=frozenset({gap.server.id}),
            )


def _message(gap: PassthroughGap) -> str:
    if gap.virtual_services:
        routes = f"no tls match of {listing(e.ref for e in gap.virtual_services)} has its name"
    else:
        routes = "no VirtualService is bound there for it"
    instead = f"hands it to {gap.answering}" if gap.answering else "resets the handshake"
    return (
        f"TLS for {host_listing(gap.hosts)} should pass through {gap.server}, but {routes}: Envoy"
        f" has no filter chain for it and {instead}."
    )


def _fixes(gap: PassthroughGap) -> Iterator[Fix]:
    for source in gap.virtual_services[:1]:
        if source.spec.tls and source.spec.tls[0].match:
            yield json_patch(
                source.ref,
                [
                    {"op": "add", "path": "/spec/tls/0/match/0/sniHosts/-", "value": host}
                    for host in gap.hosts
                ],
                f"Take {host_listing(gap.hosts)} in {source.ref}",
                why="They go to that rule's backend; another one needs a rule of its own.",
            )
    if not gap.virtual_services:
        yield Fix(
            title=f"Create a VirtualService with tls routes for {host_listing(gap.hosts)}",
            why=f"It names {gap.server.gateway.path}, and each host in match.sniHosts.",
        )
