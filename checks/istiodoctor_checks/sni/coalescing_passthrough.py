"""SNI004."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Finding, Severity
from istiodoctor.fix import Fix, Risk
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.certificates.connection_coalescing import reuse_groups
from istiodoctor.text import listing
from istiodoctor_checks._connection_coalescing import (
    certificates,
    evidence_of,
    identity_of,
    objects_of,
    servers_of,
)


@check("SNI004", severity=Severity.HIGH, explains={"SNI014"})
def coalescing_passthrough(mesh: Mesh) -> Iterator[Finding]:
    """A server that ends TLS has a certificate for a host whose TLS passes through beside it.

    The browser has an HTTP/2 connection to the server with the wildcard certificate and uses it
    for the other host as well, which was meant to reach its backend untouched. It gets 404, or
    the wrong application, depending on which page was opened first.

    Fix: give the server that ends TLS a certificate without that host, or end TLS for both; a
    second address for the host that passes through works too.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: ["*.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: login, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: tls, protocol: TLS}
        hosts: [login.example.com]
        tls: {mode: PASSTHROUGH}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for *.example.com
      tls.key: key of *.example.com
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: web, namespace: istio-system}
    spec:
      hosts: ["*.example.com"]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: login, namespace: istio-system}
    spec:
      hosts: [login.example.com]
      gateways: [login]
      tls:
      - match: [{sniHosts: [login.example.com]}]
        route: [{destination: {host: login}}]
    ```

    ```finding
    high: Gateway istio-system/login spec.servers[0].hosts
    hosts: login.example.com
    Gateway istio-system/web server 443 (https) presents Secret istio-system/shop-cert
    (*.example.com), which also covers login.example.com; TLS for that passes through Gateway
    istio-system/login server 443 (tls). Browsers reuse the first connection and get 404 or the
    wrong application.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: login, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: tls, protocol: TLS}
        hosts: [login.example.com]
        tls: {mode: PASSTHROUGH}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: web, namespace: istio-system}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: login, namespace: istio-system}
    spec:
      hosts: [login.example.com]
      gateways: [login]
      tls:
      - match: [{sniHosts: [login.example.com]}]
        route: [{destination: {host: login}}]
    ```

    Sources: istio.io, Network Problems; istio/istio issue 26972.
    """
    for group in reuse_groups(mesh):
        misroutes = tuple(each for each in group.misroutes if each.server.is_passthrough)
        if misroutes:
            servers = servers_of(misroutes)
            hosts = listing(dict.fromkeys(each.host for each in misroutes))
            yield Finding(
                message=(
                    f"{listing(dict.fromkeys(each.lands_on for each in misroutes))} presents"
                    f" {certificates(group, misroutes)}, which also covers {hosts}; TLS for that"
                    f" passes through {listing(dict.fromkeys(e.server for e in misroutes))}."
                    f" Browsers reuse the first connection and get 404 or the wrong application."
                ),
                objects=objects_of(group, servers),
                identity=identity_of(group),
                hosts=frozenset(each.host for each in misroutes),
                evidence=evidence_of(misroutes),
                fixes=(
                    Fix(
                        title=f"Use a certificate that does not cover {hosts}",
                        risk=Risk.NEEDS_ISSUANCE,
                        why="Or serve the host that passes through at another address.",
                    ),
                ),
                credentials=frozenset((e.namespace, e.name) for e in group.credentials),
                servers=frozenset(each.id for each in servers),
            )
