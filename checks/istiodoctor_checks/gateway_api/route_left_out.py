"""GWAPI018."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, get
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.api_left_out import routes_left_out
from istiodoctor.mesh.configuration.left_out import LeftOut, Omission
from istiodoctor.mesh.gateways.attachments import attachments
from istiodoctor.model.kind import Kind
from istiodoctor.text import host_listing

OF_HTTP = frozenset({Kind.HTTP_ROUTE.value.kind, Kind.GRPC_ROUTE.value.kind})


@check("GWAPI018", severity=Severity.CRITICAL, explains={"GWAPI017", "HTTP017"})
def route_left_out(mesh: Mesh) -> Iterator[Finding]:
    """A route of the Gateway API is left out by istiod for one field that it does not take.

    One field that istiod cannot translate costs the whole route, not only its rule: a
    `backendRefs` entry without a port, a Service named by its hostname (`shop.shop.svc`), or a
    filter that istiod does not know (`ExtensionRef`). `Accepted` of the route is then `False`, and
    its hosts get 404.

    Fix: correct the field.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
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
      rules:
      - backendRefs: [{name: shop, port: 80}]
      - matches: [{path: {value: /admin}}]
        filters:
        - type: ExtensionRef
          extensionRef: {group: example.com, kind: Login, name: staff}
        backendRefs: [{name: admin, port: 80}]
    ```

    ```finding
    critical: HTTPRoute shop/shop spec.rules[1].filters[0]
    hosts: shop.example.com
    istiod makes nothing of HTTPRoute shop/shop: istiod serves no filter ExtensionRef
    (spec.rules[1].filters[0]). Requests for shop.example.com find no route.
    ```

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: GRPCRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{name: web}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: shop}]}]
    ```

    ```finding
    critical: GRPCRoute shop/shop spec.rules[0].backendRefs[0]
    hosts: shop.example.com
    istiod makes nothing of GRPCRoute shop/shop: the port is missing
    (spec.rules[0].backendRefs[0]). Requests for shop.example.com find no route.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
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
      rules: [{backendRefs: [{name: shop, port: 80}]}]
    ```

    Sources: istio/istio, pilot/pkg/config/kube/gateway/conversion.go (`convertHTTPRoute`,
    `buildDestination`), route_collections.go:620.
    """
    refused = [each for each in routes_left_out(mesh) if each.omission is Omission.INVALID_ROUTE]
    if not refused:
        return
    routes = {each.place.ref for each in refused}
    others = (each for each in attachments(mesh) if each.route.ref not in routes)
    answered = frozenset(host for each in others for host in each.hosts)
    for each in refused:
        is_answered = answered.issuperset(each.hosts)
        yield Finding(
            message=(
                f"istiod makes nothing of {each.place.ref}: {each.because} ({each.place.field})."
                f" {_effect(each, is_answered=is_answered)}"
            ),
            objects=(each.place,),
            identity=Identity.of(each.place.ref),
            hosts=frozenset(each.hosts),
            evidence=(Evidence(text=f"{each.place}: {each.because}", ref=each.place.ref),),
            fixes=(
                Fix(
                    title="Correct the field, or take the rule out",
                    commands=(get(each.place.ref),),
                    why="The other rules of the route count again as soon as istiod takes it.",
                ),
            ),
            severity=Severity.MEDIUM if is_answered else None,
        )


def _effect(left_out: LeftOut, *, is_answered: bool) -> str:
    if is_answered:
        return "Other routes answer for its hosts, none of its rules applies."
    what = "Requests" if left_out.place.ref.kind in OF_HTTP else "Connections"
    return f"{what} for {host_listing(left_out.hosts)} find no route."
