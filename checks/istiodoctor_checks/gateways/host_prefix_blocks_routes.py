"""GW010."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.text import host_listing, listing
from istiodoctor_checks.gateways._conflicts import Blocked, blocked_virtual_services


@check(
    "GW010",
    severity=Severity.CRITICAL,
    claims=Claim.NOT_FOUND,
    explains={"GW019", "HTTP017", "VS003"},
)
def host_prefix_blocks_routes(mesh: Mesh) -> Iterator[Finding]:
    """A namespace before a Gateway's host keeps the VirtualService of another namespace out.

    A host of a server may be written `namespace/host`: then only VirtualServices of that
    namespace may bind to it, and `./host` means the Gateway's own namespace. A VirtualService
    elsewhere that names the Gateway is accepted and has no effect: requests get 404.

    Where routes of the right namespace answer for the host, the prefix does what it is for, and
    this is only a word about the VirtualService that is left out.

    Fix: list the namespace of the VirtualService, or `*/host` for every namespace.

    ```yaml bad
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: istio-ingress}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: ["./shop.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [istio-ingress/web]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    ```finding
    critical: Gateway istio-ingress/web spec.servers[0].hosts
    hosts: shop.example.com
    Gateway istio-ingress/web server 443 (https) lists istio-ingress/shop.example.com, which lets
    in no routes from namespace shop: VirtualService shop/shop has no effect there, and requests
    get 404 for shop.example.com.
    ```

    A server beside it that redirects answers nothing:

    ```yaml bad
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: istio-ingress}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [store/shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
        tls: {httpsRedirect: true}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [istio-ingress/web]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    ```finding
    critical: Gateway istio-ingress/web spec.servers[0].hosts
    hosts: shop.example.com
    Gateway istio-ingress/web server 443 (https) lists store/shop.example.com, which lets in no
    routes from namespace shop: VirtualService shop/shop has no effect there, and requests get 404
    for shop.example.com.
    ```

    ```yaml good
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: istio-ingress}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: ["shop/shop.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [istio-ingress/web]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    Sources: istio.io, Gateway reference (hosts); the analysis message IST0132; istio/istio issue
    17079.
    """
    for each in blocked_virtual_services(mesh):
        server, source = each.server, each.virtual_service
        yield Finding(
            message=(
                f"{server} lists {listing(server.hosts)}, which lets in no routes from"
                f" namespace {source.namespace}: {source.ref} has no effect there, and"
                f" {'others answer' if each.is_served else 'requests get 404'} for"
                f" {host_listing(each.hosts)}."
            ),
            objects=(server.field("/hosts"), source.at("/spec/gateways")),
            identity=Identity.of(source.ref),
            hosts=frozenset(each.hosts),
            evidence=(
                Evidence(text=f"hosts of {server}: {listing(server.hosts)}", ref=server.gateway),
            ),
            fixes=(_admit(each),),
            severity=_severity(each),
            servers=frozenset({server.id}),
        )


def _severity(each: Blocked) -> Severity:
    if each.is_served:
        return Severity.LOW
    return Severity.CRITICAL if each.server.is_tls else Severity.MEDIUM


def _admit(each: Blocked) -> Fix:
    namespace = each.virtual_service.namespace
    more = [f"{namespace}/{host}" for host in each.hosts]
    return set_field(
        each.server.field("/hosts"),
        [*(str(host) for host in each.server.hosts), *more],
        f"Let {namespace} bind routes for {host_listing(each.hosts)}",
        why="Where the same host is listed twice, keep one entry: */host admits every namespace.",
    )
