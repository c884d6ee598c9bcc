"""VS003."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, json_patch, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.misrouting import UnservedHost, unserved_hosts
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing


@check(
    "VS003",
    severity=Severity.CRITICAL,
    claims=Claim.UNSERVED,
    explains={"GW019", "HTTP017", "SNI012"},
)
def host_not_in_gateway(mesh: Mesh) -> Iterator[Finding]:
    """A VirtualService has a host that no server of its Gateway has.

    A VirtualService answers on a Gateway only for hosts that both have. For any other host there
    is no server: the TLS handshake is reset because no server has the name, or another server
    takes the connection and answers 404. `www.example.com` and `example.com` are different hosts,
    and `*.example.com` takes `www.example.com` but not `example.com`.

    Fix: add the host to the server of the Gateway (its certificate must cover it), or correct
    the host in the VirtualService.

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
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [www.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    ```finding
    critical: VirtualService shop/shop spec.hosts[0]
    hosts: example.com
    VirtualService shop/shop has the host example.com, which is in no server of Gateway shop/web:
    requests for it are reset or get 404. The Gateway has www.example.com instead.
    ```

    A wildcard on either side is enough, and names of the mesh are for the sidecars:

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
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: ["*.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com, shop.shop.svc.cluster.local]
      gateways: [web, mesh]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: every, namespace: shop}
    spec:
      hosts: ["*"]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    Sources: istio.io, VirtualServiceHostNotFoundInGateway (IST0132); istio/istio issue 31423.
    """
    for lost in unserved_hosts(mesh):
        source = lost.virtual_service
        place = source.at(f"/spec/hosts/{lost.index}")
        yield Finding(
            message=_message(lost),
            objects=(place, *(_gateways(lost) or map(Place, lost.gateways))),
            identity=Identity.of(source.ref, lost.host),
            hosts=frozenset({lost.host}),
            evidence=tuple(
                Evidence(text=f"{each} has {host_listing(each.names)}", ref=each.gateway)
                for each in lost.servers
            ),
            fixes=_fixes(lost),
            severity=None if any(each.names for each in lost.servers) else Severity.MEDIUM,
            servers=frozenset(each.id for each in lost.servers),
            culprits=frozenset(lost.gateways),
        )


def _message(lost: UnservedHost) -> str:
    if not lost.servers:
        return (
            f"{lost.virtual_service.ref} has the host {lost.host}, and {listing(lost.gateways)}"
            " has no servers at all: requests for it are not served there."
        )
    gateways = listing(dict.fromkeys(each.gateway for each in lost.servers))
    near = f" The Gateway has {listing(lost.near)} instead." if lost.near else ""
    if any(each.startswith("*.") for each in lost.near):
        near += " A wildcard takes names below it, never the name itself."
    return (
        f"{lost.virtual_service.ref} has the host {lost.host}, which is in no server of"
        f" {gateways}: requests for it are reset or get 404.{near}"
    )


def _gateways(lost: UnservedHost) -> tuple[Place, ...]:
    return tuple(dict.fromkeys(each.field("/hosts") for each in _candidates(lost)))


def _candidates(lost: UnservedHost) -> tuple[Server, ...]:
    """Return the servers to which the host would be added: those with a near one, else TLS."""
    wanted = set(lost.near)
    near = tuple(each for each in lost.servers if wanted and not wanted.isdisjoint(each.names))
    return near or tuple(each for each in lost.servers if each.is_tls) or lost.servers


def _fixes(lost: UnservedHost) -> tuple[Fix, ...]:
    found = []
    by_gateway: dict[Place, list[Server]] = {}
    for server in _candidates(lost):
        by_gateway.setdefault(Place(server.gateway), []).append(server)
    for place, servers in by_gateway.items():
        found.append(
            json_patch(
                place.ref,
                [
                    {"op": "add", "path": f"{each.path}/hosts/-", "value": lost.host}
                    for each in servers
                ],
                f"Add {lost.host} to {place.ref}",
                why="The certificate of a server that ends TLS must cover the host too.",
            )
        )
    exact = [each for each in lost.near if not each.startswith("*")]
    if len(exact) == 1:
        place = lost.virtual_service.at(f"/spec/hosts/{lost.index}")
        found.append(set_field(place, exact[0], f"Name {exact[0]} in the VirtualService"))
    return tuple(found)
