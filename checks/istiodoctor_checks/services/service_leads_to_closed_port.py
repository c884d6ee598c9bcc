"""SVC014."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence, EvidenceKind
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.envoy.listeners import open_ports
from istiodoctor.mesh.exposure.services import misdirected_ports
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._wire import SHOWN


@check("SVC014", severity=Severity.HIGH, explains={"SVC011"})
def service_leads_to_closed_port(mesh: Mesh) -> Iterator[Finding]:
    """A gateway's Service leads to a port of the pods on which Envoy does not listen.

    Envoy says on its admin port where it listens. The Service's `targetPort` is none of these
    ports: connections through it are refused (SVC003 says why). Only ports that a server of a
    Gateway is meant for are looked at; a Service may well have others that nobody uses yet.

    Fix: give the Service the targetPort on which Envoy listens.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: internal, namespace: istio-system, creationTimestamp: "2024-01-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: public, namespace: istio-system, creationTimestamp: "2024-02-01T00:00:00Z"}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 9443}]
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
    ```

    ```envoy bad istio-system/gateway
    listeners:
    - {name: 0.0.0.0_8443, port: 8443}
    ```

    ```finding
    high, observed: Service istio-system/public spec.ports[0].targetPort
    hosts: shop.example.com
    Service istio-system/public leads port 443 to 9443, where Envoy in Pod istio-system/gateway
    does not listen: connections through it to shop.example.com are refused.
    ```

    Where Envoy listens there all the same, the Service is right:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: internal, namespace: istio-system, creationTimestamp: "2024-01-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: public, namespace: istio-system, creationTimestamp: "2024-02-01T00:00:00Z"}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 9443}]
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
    ```

    ```envoy good istio-system/gateway
    listeners:
    - {name: 0.0.0.0_8443, port: 8443}
    - {name: 0.0.0.0_9443, port: 9443}
    ```

    Sources: istio.io, the analysis message IST0137; Envoy, Administration interface; istio/istio
    issue 47198.
    """
    for each in misdirected_ports(mesh):
        ports = open_ports(mesh).get(each.listener.workload, {})
        target, service = each.route.target, each.route.service
        if ports and target and not any(target in opened for opened in ports.values()):
            index = service.spec.ports.index(each.route.port)
            yield Finding(
                message=(
                    f"{service.ref} leads port {each.route.port.port} to {target}, where Envoy in"
                    f" {each.listener.workload} does not listen: connections through it to"
                    f" {host_listing(each.server.names)} are refused."
                ),
                objects=(
                    service.at(f"/spec/ports/{index}/targetPort"),
                    Place(each.listener.workload.owner),
                ),
                identity=Identity.of(service.ref, str(each.route.port.port)),
                hosts=frozenset(each.server.names),
                evidence=tuple(
                    Evidence(
                        kind=EvidenceKind.ENVOY,
                        text=f"Envoy in {pod} listens on {listing(sorted(opened), shown=8)}",
                        ref=pod,
                    )
                    for pod, opened in list(ports.items())[:SHOWN]
                ),
                confidence=Confidence.OBSERVED,
                servers=frozenset({each.server.id}),
            )
