"""VS012."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._destinations import severity_of
from istiodoctor_checks.routing._upstream import Hidden, hidden_configuration

NOWHERE = "~"


@check("VS012", severity=Severity.CRITICAL, claims=Claim.NOT_FOUND, explains={"GW019", "HTTP017"})
def not_exported(mesh: Mesh) -> Iterator[Finding]:
    """A route, its Service or its DestinationRule is not exported to the gateway's namespace.

    `exportTo` says which namespaces may see a VirtualService, a DestinationRule or (by the
    annotation `networking.istio.io/exportTo`) a Service. What counts is the namespace of the
    gateway **pods**. A VirtualService that they cannot see is bound to nothing (404); a Service
    or subset that they cannot see has no cluster (503, `NC cluster_not_found`).

    Fix: add the namespace of the gateway pods to `exportTo`.

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
      exportTo: ["."]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ```

    ```finding
    critical: VirtualService shop/shop spec.exportTo
    hosts: shop.example.com
    VirtualService shop/shop is exported to . only, while the pods of Pod istio-system/gateway are
    in istio-system: shop.example.com has no route there (404).
    ```

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
    metadata:
      name: shop
      namespace: shop
      annotations: {networking.istio.io/exportTo: "."}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ```

    ```finding
    critical: Service shop/shop metadata.annotations["networking.istio.io/exportTo"]
    hosts: shop.example.com
    Service shop/shop is exported to . only, while the pods of Pod istio-system/gateway are in
    istio-system: VirtualService shop/shop routes shop.example.com to a cluster that Envoy does not
    have there (503, NC cluster_not_found).
    ```

    `.` is enough where the gateway pods are in the same namespace:

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
    kind: VirtualService
    metadata: {name: shop, namespace: istio-system}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      exportTo: ["."]
      http: [{route: [{destination: {host: shop.shop.svc.cluster.local}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: shop
      namespace: shop
      annotations: {networking.istio.io/exportTo: "., istio-system"}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ```

    Sources: istio.io, VirtualService (`exportTo`), Configuration Scoping; istio/istio issue 54147.
    """
    for hidden in hidden_configuration(mesh):
        source = hidden.virtual_service
        yield Finding(
            message=_message(hidden),
            objects=(hidden.place, source.at(), source.at("/spec/gateways")),
            identity=Identity.of(hidden.place.ref, hidden.workload.namespace),
            hosts=frozenset(source.spec.hosts),
            evidence=(
                Evidence(
                    text=f"{hidden.place} is {listing(hidden.exported_to)}", ref=hidden.place.ref
                ),
                Evidence(text=f"the pods of {hidden.workload} are in {hidden.workload.namespace}"),
            ),
            fixes=(_fix(hidden),),
            severity=severity_of(hidden.use) if hidden.use else None,
        )


def _message(hidden: Hidden) -> str:
    what, hosts = hidden.place.ref, host_listing(hidden.virtual_service.spec.hosts)
    effect = f"{hosts} has no route there (404)"
    if hidden.use:
        effect = (
            f"{hidden.virtual_service.ref} routes {hosts} to a cluster that Envoy does not have"
            f" there (503, NC cluster_not_found)"
        )
    return (
        f"{what} is exported to {listing(hidden.exported_to)} only, while the pods of"
        f" {hidden.workload} are in {hidden.workload.namespace}: {effect}."
    )


def _fix(hidden: Hidden) -> Fix:
    namespace = hidden.workload.namespace
    kept = [each for each in hidden.exported_to if each != NOWHERE]
    value: object = [*kept, namespace]
    if "annotations" in hidden.place.path:
        value = ",".join([*kept, namespace])
    return set_field(hidden.place, value, f"Export it to {namespace} too")
