"""DR004."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, Risk
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.upstream_tls import upstream_tls, workloads_behind
from istiodoctor.mesh.workloads.control_planes import namespace_exists
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing
from istiodoctor_checks._destinations import severity_of
from istiodoctor_checks.destination_rules._backend_tls import remove_tls

MESH_TLS = "ISTIO_MUTUAL"


@check("DR004", severity=Severity.CRITICAL, explains={"DR011", "HTTP015"})
def dr_istio_mutual_no_sidecar(mesh: Mesh) -> Iterator[Finding]:
    """A DestinationRule asks for mesh TLS, but the backend's pods have no sidecar.

    `tls.mode: ISTIO_MUTUAL` makes the gateway speak mutual TLS of the mesh. Without a sidecar (or
    ambient mode) nobody in the pod understands it: requests get 503 (`UF`, often with
    `WRONG_VERSION_NUMBER`).

    Fix: remove `tls` from the DestinationRule, since istiod uses mutual TLS by itself wherever a
    backend can take it, or inject the sidecar.

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
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: shop-0, namespace: shop, labels: {app: shop}}
    spec: {containers: [{name: shop}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: shop, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}
    ```

    ```finding
    critical: DestinationRule shop/shop spec.trafficPolicy.tls
    hosts: shop.example.com
    DestinationRule shop/shop makes the gateway speak mutual TLS of the mesh to Service shop/shop,
    but Pod shop/shop-0 has no sidecar to understand it: requests for shop.example.com get 503.
    ```

    A sidecar may also be a native one, among the init containers, and ambient mode needs none:

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
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: api, namespace: quiet}
    spec:
      hosts: [api.example.com]
      gateways: [shop/web]
      http: [{route: [{destination: {host: api}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: api, namespace: quiet}
    spec: {selector: {app: api}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: v1
    kind: Namespace
    metadata: {name: quiet, labels: {istio.io/dataplane-mode: ambient}}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: shop-0, namespace: shop, labels: {app: shop}}
    spec: {containers: [{name: shop}], initContainers: [{name: istio-proxy}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: api-0, namespace: quiet, labels: {app: api}}
    spec: {containers: [{name: api}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: every, namespace: istio-system}
    spec: {host: "*.svc.cluster.local", trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}
    ```

    Sources: istio.io, DestinationRule (ClientTLSSettings), Network Problems; istio/istio issue
    18596.
    """
    for upstream in upstream_tls(mesh):
        service, place = upstream.routed.kubernetes_service, upstream.place
        if upstream.mode == MESH_TLS and service and place:
            # A template gets its sidecar only when its pods are made.
            found = workloads_behind(mesh, service)
            bare = [each for each in found if each.pods and not each.proxy]
            hosts = upstream.use.virtual_service.spec.hosts
            for backend in bare:
                yield Finding(
                    message=(
                        f"{place.ref} makes the gateway speak mutual TLS of the mesh to"
                        f" {service.ref}, but {backend} has no sidecar to understand it: requests"
                        f" for {host_listing(hosts)} get 503."
                    ),
                    objects=(place, Place(backend.owner), service.at(), upstream.use.place),
                    identity=Identity.of(place.ref, upstream.fqdn),
                    hosts=frozenset(hosts),
                    evidence=(
                        Evidence(
                            text=f"{backend} has no container istio-proxy", ref=backend.owner
                        ),
                    ),
                    fixes=(
                        remove_tls(place, "Leave TLS to istiod"),
                        Fix(
                            title=f"Or inject a sidecar into {backend}",
                            risk=Risk.RESTARTS_TRAFFIC,
                            why="Label its namespace istio-injection=enabled and restart it.",
                        ),
                    ),
                    severity=severity_of(upstream.use),
                    confidence=Confidence.SUSPECTED
                    if namespace_exists(mesh, backend.namespace) is None
                    else Confidence.CERTAIN,
                )
