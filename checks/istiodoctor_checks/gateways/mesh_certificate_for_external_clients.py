"""GW017."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.exposure.services import HTTPS_PORT, Exposure, exposure
from istiodoctor.mesh.gateways.listeners import listeners_of, live_servers
from istiodoctor.model.istio import TlsMode
from istiodoctor.text import host_listing

MESH_DOMAINS = ("local", "global", "internal", "mesh")


@check("GW017", severity=Severity.HIGH)
def mesh_certificate_for_external_clients(mesh: Mesh) -> Iterator[Finding]:
    """A server that external clients reach asks them for certificates of the mesh.

    `mode: ISTIO_MUTUAL` is for clients with a workload certificate of the same mesh: the gateway
    presents its own workload certificate, which no browser trusts, and asks for the client's. It
    is right for egress gateways and between meshes.

    Fix: `mode: SIMPLE` with a `credentialName` for clients outside; MUTUAL where they have
    certificates of their own.

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
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: ISTIO_MUTUAL}
    ```

    ```finding
    high, suspected: Gateway shop/web spec.servers[0].tls.mode
    hosts: shop.example.com
    Gateway shop/web server 443 (https) has mode ISTIO_MUTUAL and is open to the outside: clients
    of shop.example.com without a certificate of this mesh are refused, and browsers do not trust
    the certificate they see.
    ```

    An egress gateway has a Service inside the cluster only:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: ClusterIP
      selector: {istio: ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [api.example.org]
        tls: {mode: ISTIO_MUTUAL}
    ```

    Sources: istio.io, Gateway reference (TLSmode); istio/istio issue 34317.
    """
    for server in live_servers(mesh):
        hosts = [name for name in server.names if name.rpartition(".")[2] not in MESH_DOMAINS]
        if (
            server.mode is TlsMode.ISTIO_MUTUAL
            and server.tls
            and server.port == HTTPS_PORT
            and hosts
            and any(
                exposure(mesh, each.workload) is Exposure.OUTSIDE
                for each in listeners_of(mesh, server)
            )
        ):
            yield Finding(
                message=(
                    f"{server} has mode ISTIO_MUTUAL and is open to the outside: clients of"
                    f" {host_listing(hosts)} without a certificate of this mesh are refused, and"
                    " browsers do not trust the certificate they see."
                ),
                objects=(server.field("/tls/mode"),),
                identity=Identity.of(server.gateway, hosts[0]),
                hosts=frozenset(hosts),
                evidence=(Evidence(text="mode: ISTIO_MUTUAL", ref=server.gateway),),
                fixes=(
                    set_field(
                        server.field("/tls"),
                        {"mode": "SIMPLE", "credentialName": "NAME-OF-THE-TLS-SECRET"},
                        "Serve a certificate of the host's own",
                        why="Put the name of the TLS Secret in the gateway pods' namespace.",
                    ),
                ),
                confidence=Confidence.SUSPECTED,
                servers=frozenset({server.id}),
            )
