"""VS010."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.destinations import PortFault, port_faults
from istiodoctor.model.ref import Place
from istiodoctor.model.services import Service
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._destinations import ports_of, severity_of
from istiodoctor_checks.routing._backends import backend_ports


@check("VS010", severity=Severity.CRITICAL, explains={"GWAPI017", "HTTP015"})
def destination_port(mesh: Mesh) -> Iterator[Finding]:
    """A route leads to a port that its Service does not have.

    `destination.port.number` is a port of the **Service**, not the `targetPort` of its pods.
    Without a number, and with several ports to choose from, istiod takes the number of the
    Gateway's own server, mostly 443. Envoy has no cluster for a port that the Service lacks, and
    answers 503 (`NC cluster_not_found`).

    Fix: write a port of the Service.

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
      http: [{route: [{destination: {host: shop, port: {number: 8080}}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: 8080}]}
    ```

    ```finding
    critical: VirtualService shop/shop spec.http[0].route[0].destination.port.number
    hosts: shop.example.com
    VirtualService shop/shop routes to port 8080 of shop.shop.svc.cluster.local, but that Service
    has 80 (http): requests for shop.example.com that take this route get 503 (NC
    cluster_not_found).
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
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}, {name: metrics, port: 9090}]}
    ```

    ```finding
    critical: VirtualService shop/shop spec.http[0].route[0].destination
    hosts: shop.example.com
    VirtualService shop/shop routes to shop.shop.svc.cluster.local without a port, so the server's
    is taken (443), but that Service has 80 (http), 9090 (metrics): requests for shop.example.com
    that take this route get 503 (NC cluster_not_found).
    ```

    A single port needs no number, and neither do several when one has the server's:

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
    metadata: {name: api, namespace: shop}
    spec:
      hosts: [api.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: api}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 8000, targetPort: 8080}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: api, namespace: shop}
    spec: {selector: {app: api}, ports: [{name: http, port: 80}, {name: tls, port: 443}]}
    ```

    Sources: istio.io, VirtualService (Destination), VirtualServiceDestinationPortSelectorRequired
    (IST0112); istio/istio issue 31925.
    """
    for fault in port_faults(mesh):
        use, service = fault.use, fault.service
        yield Finding(
            message=_message(fault, ports_of(service)),
            objects=(_port(fault), service.source.at("/spec/ports")),
            identity=Identity.of(use.place.ref, service.hostname),
            hosts=frozenset(use.virtual_service.spec.hosts),
            evidence=(
                Evidence(text=f"{service.ref} has {ports_of(service)}", ref=service.ref),
                *(Evidence(text=f"there is no cluster {name}") for name in fault.names),
            ),
            fixes=tuple(_fixes(fault)),
            severity=severity_of(use),
        )
    yield from backend_ports(mesh)


def _port(fault: PortFault) -> Place:
    place = fault.use.place
    return Place(place.ref, place.path + ("/port/number" if fault.use.destination.port else ""))


def _message(fault: PortFault, ports: str) -> str:
    use, fqdn = fault.use, fault.service.hostname
    hosts = host_listing(use.virtual_service.spec.hosts)
    if use.destination.port:
        what = f"routes to port {use.destination.port.number} of {fqdn}"
    else:
        what = (
            f"routes to {fqdn} without a port, so the server's is taken ({listing(fault.ports)})"
        )
    return (
        f"{use.place.ref} {what}, but that {fault.service.ref.kind} has {ports}: requests for"
        f" {hosts} that take this route get 503 (NC cluster_not_found)."
    )


def _fixes(fault: PortFault) -> Iterator[Fix]:
    path = f"{fault.use.place.path}/port"
    source, wanted = fault.service.source, (*fault.ports, *map(str, fault.ports))
    targets = (
        {each.port for each in source.spec.ports if each.target_port in wanted}
        if isinstance(source, Service)
        else set()
    )
    ports = fault.service.clustered_ports
    meant = [each for each in ports if each.number in targets]
    usual = sorted(ports, key=lambda each: not each.name.startswith("http"))
    for each in (meant or usual)[:2]:
        title = f"Route to port {each.number}" + (f" ({each.name})" if each.name else "")
        yield set_field(Place(fault.use.place.ref, path), {"number": each.number}, title)
