"""GWAPI006."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Finding, Severity
from istiodoctor.fix import Fix, Risk
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.certificates.connection_coalescing import reuse_groups
from istiodoctor.mesh.gateways.servers import GatewayApi
from istiodoctor.text import listing
from istiodoctor_checks._connection_coalescing import (
    certificates,
    evidence_of,
    identity_of,
    objects_of,
    servers_of,
)


@check("GWAPI006", severity=Severity.HIGH, explains={"SNI014"})
def apex_wildcard_coalescing(mesh: Mesh) -> Iterator[Finding]:
    """Listeners with different hostnames present certificates for each other's hosts.

    A browser uses one HTTP/2 connection for every host that the certificate covers. Two listeners
    on one port with one certificate, mostly `example.com` and `*.example.com`, have separate
    routes: the host that is opened second arrives at the first listener and gets 404.

    Fix: one listener without a hostname for both, or a certificate of its own for each.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners:
      - name: apex
        hostname: example.com
        port: 443
        protocol: HTTPS
        tls: {certificateRefs: [{name: shop-cert}]}
      - name: wildcard
        hostname: "*.example.com"
        port: 443
        protocol: HTTPS
        tls: {certificateRefs: [{name: shop-cert}]}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    stringData:
      tls.crt: certificate for example.com, *.example.com
      tls.key: key of example.com
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: apex, namespace: shop}
    spec:
      parentRefs: [{name: web, sectionName: apex}]
      hostnames: [example.com]
      rules: [{backendRefs: [{name: shop, port: 80}]}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: pages, namespace: shop}
    spec:
      parentRefs: [{name: web, sectionName: wildcard}]
      hostnames: ["*.example.com"]
      rules: [{backendRefs: [{name: pages, port: 80}]}]
    ```

    ```finding
    high: Gateway API Gateway shop/web spec.listeners[0].hostname
    hosts: *.example.com, example.com
    Gateway API Gateway shop/web listener 443 (apex) and Gateway API Gateway shop/web listener 443
    (wildcard) answer on one port of Pod shop/web-istio-0 with Secret shop/shop-cert (example.com
    and *.example.com). A browser reuses its HTTP/2 connection for every host of the certificate,
    so example.com may arrive at Gateway API Gateway shop/web listener 443 (wildcard), which has
    other routes: 404.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners:
      - name: https
        port: 443
        protocol: HTTPS
        tls: {certificateRefs: [{name: shop-cert}]}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    stringData:
      tls.crt: certificate for example.com, *.example.com
      tls.key: key of example.com
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: apex, namespace: shop}
    spec:
      parentRefs: [{name: web}]
      hostnames: [example.com]
      rules: [{backendRefs: [{name: shop, port: 80}]}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: pages, namespace: shop}
    spec:
      parentRefs: [{name: web}]
      hostnames: ["*.example.com"]
      rules: [{backendRefs: [{name: pages, port: 80}]}]
    ```

    Sources: istio.io, Network Problems; istio/istio issues 52853, 55732.
    """
    for group in reuse_groups(mesh):
        misroutes = tuple(
            each
            for each in group.misroutes
            if each.server.api is GatewayApi.GATEWAY_API and not each.server.is_passthrough
        )
        if misroutes:
            servers = servers_of(misroutes)
            yield Finding(
                message=(
                    f"{listing(servers)} answer on one port of {group.listener.workload} with"
                    f" {certificates(group, misroutes)}. A browser reuses its HTTP/2 connection"
                    f" for every host of the certificate, so {misroutes[0].host} may arrive at"
                    f" {misroutes[0].lands_on}, which has other routes: 404."
                ),
                objects=objects_of(group, servers),
                identity=identity_of(group),
                hosts=frozenset(each.host for each in misroutes),
                evidence=evidence_of(misroutes),
                fixes=(
                    Fix(
                        title="Serve these hosts by one listener without a hostname",
                        risk=Risk.RESTARTS_TRAFFIC,
                        why="The routes keep their hostnames and drop sectionName.",
                    ),
                    Fix(
                        title="Or give every listener a certificate for its own hostname alone",
                        risk=Risk.NEEDS_ISSUANCE,
                    ),
                ),
                credentials=frozenset((e.namespace, e.name) for e in group.credentials),
                servers=frozenset(each.id for each in servers),
            )
