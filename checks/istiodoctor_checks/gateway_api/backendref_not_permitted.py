"""GWAPI007."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import create
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.conditions import route_condition
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing
from istiodoctor_checks.gateway_api._listeners import status_evidence
from istiodoctor_checks.gateway_api._refused_references import refused_backends

GRANT_VERSION = "gateway.networking.k8s.io/v1beta1"


@check("GWAPI007", severity=Severity.CRITICAL, explains={"GWAPI017"})
def backendref_not_permitted(mesh: Mesh) -> Iterator[Finding]:
    """A route leads to a Service in another namespace that does not permit it.

    A `backendRefs` entry with another namespace needs a ReferenceGrant **in the namespace of the
    Service**, from the route's namespace. Without it the backend is left out (`ResolvedRefs` is
    False, reason `RefNotPermitted`) and its requests get 500.

    Fix: create the ReferenceGrant beside the Service, or keep the route beside it.

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
    spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{name: web}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: api, namespace: backend, port: 80}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: api, namespace: backend}
    spec: {selector: {app: api}, ports: [{name: http, port: 80}]}
    ```

    ```finding
    critical: HTTPRoute shop/shop spec.rules[0].backendRefs[0]
    hosts: shop.example.com
    HTTPRoute shop/shop routes to Service backend/api, and no ReferenceGrant in backend permits
    that to HTTPRoutes of shop: requests for shop.example.com that take this route get 500.
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
    spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{name: web}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: api, namespace: backend, port: 80}]}]
    ---
    apiVersion: gateway.networking.k8s.io/v1beta1
    kind: ReferenceGrant
    metadata: {name: shop-routes, namespace: backend}
    spec:
      from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}]
      to: [{group: "", kind: Service, name: api}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: api, namespace: backend}
    spec: {selector: {app: api}, ports: [{name: http, port: 80}]}
    ```

    Sources: gateway-api.sigs.k8s.io, ReferenceGrant, Cross-Namespace Routing.
    """
    for refused in refused_backends(mesh):
        route, service = refused.attachment.route, refused.service
        yield Finding(
            message=(
                f"{route.ref} routes to {service}, and no ReferenceGrant in {service.namespace}"
                f" permits that to {route.ref.kind}s of {route.namespace}: requests for"
                f" {host_listing(refused.attachment.hosts)} that take this route get 500."
            ),
            objects=(refused.place, Place(service)),
            identity=Identity.of(route.ref, service.path),
            hosts=frozenset(refused.attachment.hosts),
            evidence=(
                Evidence(text=f"no ReferenceGrant in {service.namespace} fits"),
                *status_evidence(
                    route_condition(mesh, refused.attachment, "ResolvedRefs"), route.ref
                ),
            ),
            fixes=(
                create(
                    {
                        "apiVersion": GRANT_VERSION,
                        "metadata": {
                            "name": f"{route.namespace}-{route.name}",
                            "namespace": service.namespace,
                        },
                        "spec": {
                            "from": [
                                {
                                    "group": route.ref.group,
                                    "kind": route.ref.kind,
                                    "namespace": route.namespace,
                                }
                            ],
                            "to": [{"group": "", "kind": "Service", "name": service.name}],
                        },
                    },
                    Kind.REFERENCE_GRANT,
                    f"Permit it in {service.namespace}",
                ),
            ),
            severity=None if refused.is_whole else Severity.HIGH,
        )
