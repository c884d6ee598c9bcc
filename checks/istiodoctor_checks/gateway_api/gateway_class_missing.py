"""GWAPI015."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, get, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.gateway_classes import ClasslessGateway, gateways_without_class
from istiodoctor.model.kind import Kind
from istiodoctor.text import host_listing, listing


@check("GWAPI015", severity=Severity.CRITICAL, explains={"GWAPI011", "GWAPI017", "HTTP017"})
def gateway_class_missing(mesh: Mesh) -> Iterator[Finding]:
    """A Gateway is of a class that does not exist.

    A controller serves the Gateways of its classes alone. Where no GatewayClass has the name that
    `gatewayClassName` says, nobody takes the Gateway: it gets no pods, no listener and no address,
    and its conditions stay `Unknown`. Mostly the name is misspelt (`isto`), or the controller was
    removed.

    Fix: name a class that exists, mostly `istio`.

    ```yaml bad
    apiVersion: gateway.networking.k8s.io/v1
    kind: GatewayClass
    metadata: {name: istio}
    spec: {controllerName: istio.io/gateway-controller}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: isto
      listeners: [{name: http, hostname: shop.example.com, port: 80, protocol: HTTP}]
    ```

    ```finding
    critical: Gateway API Gateway shop/web spec.gatewayClassName
    hosts: shop.example.com
    Gateway API Gateway shop/web is of the class isto, which does not exist: no controller takes
    it, and nothing listens for shop.example.com.
    ```

    The class of another controller is that one's to serve:

    ```yaml good
    apiVersion: gateway.networking.k8s.io/v1
    kind: GatewayClass
    metadata: {name: cloud}
    spec: {controllerName: example.com/controller}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: cloud
      listeners: [{name: http, hostname: shop.example.com, port: 80, protocol: HTTP}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: api, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners: [{name: http, hostname: api.example.com, port: 80, protocol: HTTP}]
    ```

    Sources: gateway-api.sigs.k8s.io, API reference (GatewayClass); istio/istio,
    pilot/pkg/config/kube/gateway/gateway_collection.go.
    """
    for found in gateways_without_class(mesh):
        gateway, name = found.gateway, found.gateway.spec.gateway_class_name
        hosts = tuple(dict.fromkeys(each.hostname or "*" for each in gateway.spec.listeners))
        yield Finding(
            message=(
                f"{gateway.ref} is of the class {name}, which does not exist: no controller takes"
                f" it, and nothing listens for {host_listing(hosts)}."
            ),
            objects=(gateway.at("/spec/gatewayClassName"),),
            identity=Identity.of(gateway.ref, name),
            hosts=frozenset(hosts),
            evidence=(
                Evidence(text=f"GatewayClasses: {listing(found.classes) or 'none'}"),
                *(Evidence(text=f"{each} is a name alike") for each in found.near),
            ),
            fixes=tuple(_fixes(found)),
            severity=None if found.near else Severity.MEDIUM,
            absences=frozenset({(Kind.GATEWAY_CLASS, "", name)}),
        )


def _fixes(found: ClasslessGateway) -> Iterator[Fix]:
    place = found.gateway.at("/spec/gatewayClassName")
    for name in found.near:
        yield set_field(place, name, f"Name the class {name}")
    if not found.near:
        yield Fix(
            title="Name a class that exists",
            verify=get(found.gateway.ref),
            why="Which controller is to serve the Gateway is not known.",
        )
