"""GWAPI008."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.api_routes import tls_route_version
from istiodoctor.mesh.gateways.attachments import AttachmentState, attachments
from istiodoctor.mesh.workloads.control_planes import control_planes
from istiodoctor.mesh.workloads.releases import Change, is_in
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place, Ref
from istiodoctor.text import host_listing

OLD_VERSIONS = frozenset({"v1alpha2", "v1alpha3"})
DEFINITION = Ref("apiextensions.k8s.io", "CustomResourceDefinition", "", f"{Kind.TLS_ROUTE}")


@check("GWAPI008", severity=Severity.CRITICAL, explains={"GWAPI017"})
def tls_route_crd_too_old(mesh: Mesh) -> Iterator[Finding]:
    """TLSRoutes are ignored, because the cluster's Gateway API is too old for its Istio.

    From Istio 1.30 on, istiod passes over every TLSRoute unless the installed definition is of
    Gateway API 1.5 or later, without a word on the routes themselves. Their hosts lose their
    filter chain, and TLS connections to them are reset. A cluster that does not serve TLSRoutes
    as `v1` has an older definition. It happens with the upgrade of Istio.

    Only a live cluster tells which versions it serves: manifests are not judged.

    Fix: install the Gateway API of release 1.5 or later (the experimental channel where you use
    it).

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.30.1"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.30.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners: [{name: tls, port: 443, protocol: TLS, tls: {mode: Passthrough}}]
    ---
    apiVersion: gateway.networking.k8s.io/v1alpha2
    kind: TLSRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{name: web}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: shop, port: 443}]}]
    ```

    ```finding
    critical: CustomResourceDefinition tlsroutes.gateway.networking.k8s.io
    hosts: shop.example.com
    The cluster serves TLSRoutes as v1alpha2 only, of a Gateway API before 1.5: Istio 1.30.1
    ignores them, and connections to shop.example.com are reset.
    ```

    Istio 1.29 takes the same routes where a flag says so, and Istio 1.30 takes those of a newer
    Gateway API:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec:
      containers:
      - name: discovery
        image: istio/pilot:1.29.2
        env: [{name: PILOT_ENABLE_ALPHA_GATEWAY_API, value: "true"}]
    ---
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.29.2"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners: [{name: tls, port: 443, protocol: TLS, tls: {mode: Passthrough}}]
    ---
    apiVersion: gateway.networking.k8s.io/v1alpha2
    kind: TLSRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{name: web}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: shop, port: 443}]}]
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.30.1"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.30.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners: [{name: tls, port: 443, protocol: TLS, tls: {mode: Passthrough}}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: TLSRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{name: web}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: shop, port: 443}]}]
    ```

    Sources: istio.io, the analysis message IST0176; gateway-api.sigs.k8s.io, Versioning.
    """
    served, planes = tls_route_version(mesh), control_planes(mesh)
    routes = [
        each
        for each in attachments(mesh)
        if each.route.KIND is Kind.TLS_ROUTE and each.state is AttachmentState.ATTACHED
    ]
    wants_newer = bool(planes) and all(
        p.version and is_in(p.version, Change.STABLE_TLS_ROUTES) for p in planes
    )
    if routes and wants_newer and served in OLD_VERSIONS:
        hosts = frozenset(host for each in routes for host in each.hosts)
        yield Finding(
            message=(
                f"The cluster serves TLSRoutes as {served} only, of a Gateway API before 1.5:"
                f" Istio {planes[0].version} ignores them, and connections to"
                f" {host_listing(sorted(hosts))} are reset."
            ),
            objects=(Place(DEFINITION), *(each.place for each in routes[:5])),
            identity=Identity.of(DEFINITION),
            hosts=hosts,
            evidence=(
                Evidence(text=f"the best version of TLSRoutes that is served is {served}"),
                Evidence(text=f"istiod is of version {planes[0].version}"),
            ),
            fixes=(
                Fix(
                    title="Install the Gateway API of release 1.5 or later",
                    verify=kubectl("get", DEFINITION, "-o", "yaml"),
                    why="gateway.networking.k8s.io/bundle-version on it tells the release.",
                ),
            ),
            servers=frozenset(server.id for each in routes for server in each.servers),
        )
