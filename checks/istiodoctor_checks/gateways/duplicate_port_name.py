"""GW003."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Evidence, Finding, Fix, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import servers
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor_checks.fixes import set_field
from istiodoctor_checks.text import listing


@check("GW003", severity=Severity.HIGH, claims=Claim.UNSERVED, explains={"GW022", "SNI012"})
def duplicate_port_name(mesh: Mesh) -> Iterator[Finding]:
    """Two servers of one Gateway have ports of the same name, so the Gateway is refused.

    Port names must be unique within a Gateway: the webhook says "port names in servers must be
    unique: duplicate name …" and the whole change is not applied, so the cluster keeps the old
    Gateway. Old versions accepted it and left out the second server.

    Fix: give each server's port a name of its own.

    ```yaml bad
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - {port: {number: 80, name: web, protocol: HTTP}, hosts: [shop.example.com]}
      - port: {number: 443, name: web, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    Two Gateways may use the same names:

    ```yaml good
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
    kind: Gateway
    metadata: {name: blog, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [blog.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    Sources: pkg/config/validation; istio/istio issue 8073.
    """
    seen: dict[tuple[str, str, str], Server] = {}
    for server in servers(mesh):
        key = (server.gateway.namespace, server.gateway.name, server.port_name)
        first = seen.setdefault(key, server)
        if first is not server and server.port_name and server.api is GatewayApi.ISTIO:
            yield Finding(
                message=(
                    f"{server} and the server before it on port {first.port} both name their port"
                    f" “{server.port_name}”: the API server refuses the Gateway, and changes to it"
                    " do not arrive."
                ),
                objects=(server.field("/port/name"), first.field("/port/name")),
                identity=Identity.of(server.gateway, server.port_name),
                hosts=frozenset(server.names),
                evidence=(Evidence(text=f"ports {listing((first.port, server.port))}"),),
                fixes=(_rename(server),),
                servers=frozenset({server.id}),
            )


def _rename(server: Server) -> Fix:
    name = f"{server.protocol.lower()}-{server.port}-{server.index}"
    return set_field(server.field("/port/name"), name, f"Name the port {name}")
