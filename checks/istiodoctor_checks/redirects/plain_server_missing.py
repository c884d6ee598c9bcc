"""HTTP005."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Evidence, Finding, Fix, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.servers import Server
from istiodoctor_checks.fixes import json_patch


@check("HTTP005", severity=Severity.LOW, needs=Mesh.unanswered_plain_hosts.kinds)
def plain_server_missing(mesh: Mesh) -> Iterator[Finding]:
    """A host with HTTPS has no plain server on port 80 that would redirect to it.

    The gateway's Service is open on port 80, but no server answers there for the host: who types
    the bare name gets a refused connection or 404 instead of a redirect.

    Where the Service has no port 80, or something before the gateway answers it, nothing is
    missing.

    Fix: a server on port 80 with `httpsRedirect` for the same hosts.

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
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    One redirecting server for every host is enough, in whatever Gateway:

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
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: redirect, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: ["*"]
        tls: {httpsRedirect: true}
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

    Sources: istio.io, Gateway reference (httpsRedirect).
    """
    fixes: dict[Server, Fix] = {}  # one for all hosts of a server
    for twin in mesh.unanswered_plain_hosts():
        server = twin.tls.server
        if server not in fixes:
            fixes[server] = _fix(server)
        yield Finding(
            message=(
                f"No server on port 80 answers for {twin.tls.host} of {server}: http:// is"
                " not redirected to HTTPS but refused, or answered with 404."
            ),
            objects=(server.field("/hosts"),),
            identity=Identity.of(server.gateway),
            hosts=frozenset({twin.tls.host}),
            evidence=(Evidence(text=f"plain servers for {twin.tls.host}: none"),),
            fixes=(fixes[server],),
            servers=frozenset({server.id}),
        )


def _fix(server: Server) -> Fix:
    value = {
        "port": {"number": 80, "name": "http", "protocol": "HTTP"},
        "hosts": [str(host) for host in server.hosts],
        "tls": {"httpsRedirect": True},
    }
    return json_patch(
        server.gateway,
        [{"op": "add", "path": "/spec/servers/-", "value": value}],
        "Add a server on port 80 that redirects",
        why="Every path of its hosts is redirected, ACME challenges too.",
    )
