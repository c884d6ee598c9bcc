"""VS023."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, get, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.backend_uses import backend_uses
from istiodoctor.mesh.configuration.service_endpoints import has_ready_endpoint
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing
from istiodoctor_checks.routing._unnamed_ports import UnnamedPort, unnamed_ports


@check(
    "VS023",
    severity=Severity.CRITICAL,
    explains={"HTTP015", "VS017"},
    evidence=[backend_uses, has_ready_endpoint],
)
def target_port_of_no_container(mesh: Mesh) -> Iterator[Finding]:
    """The targetPort of a backend's Service is a name that none of its containers has.

    A `targetPort` that is a name is looked for among the ports of each pod's containers. Of a pod
    that has none of that name Kubernetes makes no endpoint for the port, ready or not: the Service
    has endpoints and none of this port, and requests get 503 (`UH`).

    Fix: name the container's port so, or give its number as `targetPort`.

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
      http: [{route: [{destination: {host: shop, port: {number: 80}}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: web}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: shop-0, namespace: shop, labels: {app: shop}}
    spec: {containers: [{name: app, image: app, ports: [{name: http, containerPort: 8080}]}]}
    ```

    ```finding
    critical: Service shop/shop spec.ports[0].targetPort
    hosts: shop.example.com
    VirtualService shop/shop routes shop.example.com to port 80 of Service shop/shop, whose
    targetPort web is the name of no port of Pod shop/shop-0 (http): it has no endpoint, and
    requests get 503.
    ```

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
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop, port: {number: 80}}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: web}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: shop-0, namespace: shop, labels: {app: shop}}
    spec: {containers: [{name: app, image: app, ports: [{name: web, containerPort: 8080}]}]}
    ```

    Sources: kubernetes.io, Service (port definitions, named targetPort); kubernetes/kubernetes,
    staging/src/k8s.io/endpointslice/util (`FindPort`).
    """
    for found in unnamed_ports(mesh):
        service, port = found.service, found.port
        place = service.at(f"/spec/ports/{service.spec.ports.index(port)}/targetPort")
        names = listing(found.names) or "none"
        yield Finding(
            message=(
                f"{found.route.ref} routes {host_listing(found.hosts)} to port {port.port} of"
                f" {service.ref}, whose targetPort {port.target_port} is the name of no port of"
                f" {listing(found.workloads)} ({names}): it has no endpoint, and requests get 503."
            ),
            objects=(place, *(Place(each.owner) for each in found.workloads), found.route),
            identity=Identity.of(service.ref, str(port.port)),
            hosts=frozenset(found.hosts),
            evidence=(Evidence(text=f"ports of the containers: {names}", ref=service.ref),),
            fixes=tuple(_fixes(found, place)),
            severity=found.severity,
            confidence=Confidence.CERTAIN if found.is_sure else Confidence.SUSPECTED,
        )


def _fixes(found: UnnamedPort, place: Place) -> Iterator[Fix]:
    if len(found.names) == 1:
        (name,) = found.names
        yield set_field(place, name, f"Lead to the port {name} of the containers")
        return
    yield Fix(
        title=f"Give a port of the containers the name {found.port.target_port}",
        commands=(get(place.ref),),
        why="Which of their ports is meant is not for a tool to say.",
    )
