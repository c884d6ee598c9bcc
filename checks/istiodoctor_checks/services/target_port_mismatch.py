"""SVC003."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.exposure.services import OUTSIDE_TYPES, Misdirected, misdirected_ports
from istiodoctor.text import host_listing


@check(
    "SVC003", severity=Severity.CRITICAL, explains={"CM007", "GW021", "SVC011", "SVC014", "SVC015"}
)
def target_port_mismatch(mesh: Mesh) -> Iterator[Finding]:
    """A gateway's Service sends a port to where Envoy does not listen.

    istiod turns a server's port into the `targetPort` of the first Service (the oldest) that
    selects the gateway pods and has that port. A second Service with the same port and another
    targetPort leads past the listener. So does a Service labelled
    `experimental.istio.io/disable-gateway-port-translation` with a targetPort other than the
    port, and a targetPort name that no container of the pods declares. Connections are refused.

    Fix: give all Services of the gateway the same targetPort for the same port.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
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
      ports: [{name: https, port: 443, targetPort: 443}]
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

    ```finding
    critical: Service istio-system/public spec.ports[0].targetPort
    hosts: shop.example.com
    Service istio-system/public sends port 443 to 443, but Gateway shop/web server 443 (https)
    listens on 8443 in Pod istio-system/gateway: connections through this Service to
    shop.example.com are refused.
    ```

    Two Services with the same targetPort are fine, by number or by name:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec:
      containers:
      - name: istio-proxy
        image: istio/proxyv2:1.22.3
        args: [proxy, router]
        ports: [{name: https, containerPort: 8443}]
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
      ports: [{name: https, port: 443, targetPort: https}]
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

    A second Service may lead to another listener on purpose:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: public, namespace: istio-system, creationTimestamp: "2024-01-01T00:00:00Z"}
    spec: {selector: {istio: ingressgateway}, ports: [{port: 80, targetPort: 8080}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: local, namespace: istio-system, creationTimestamp: "2024-02-01T00:00:00Z"}
    spec: {selector: {istio: ingressgateway}, ports: [{port: 80, targetPort: 8081}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}
      - {port: {number: 8081, name: local, protocol: HTTP}, hosts: ["*"]}
    ```

    Sources: istio.io, the analysis message IST0137; pilot/pkg/model/gateway.go (resolvePorts);
    istio/istio issue 47198.
    """
    for each in misdirected_ports(mesh):
        service, port = each.route.service, each.route.port
        index = service.spec.ports.index(port)
        outside = service.spec.type in OUTSIDE_TYPES and each.server.is_tls
        yield Finding(
            message=(
                f"{service.ref} sends port {port.port} to {_target(each)}, but {each.server}"
                f" listens on {each.listener.port} in {each.listener.workload}:"
                " connections through this Service to"
                f" {host_listing(each.server.names)} are refused."
            ),
            objects=(
                service.at(f"/spec/ports/{index}/targetPort"),
                each.server.field("/port/number"),
                *((each.decided_by.at("/spec/ports"),) if each.decided_by else ()),
            ),
            identity=Identity.of(service.ref, str(port.port)),
            hosts=frozenset(each.server.names),
            evidence=tuple(_evidence(each)),
            fixes=(
                set_field(
                    service.at(f"/spec/ports/{index}/targetPort"),
                    each.listener.port,
                    f"Send port {port.port} to {each.listener.port}",
                ),
            ),
            severity=Severity.CRITICAL if outside else Severity.HIGH,
            servers=frozenset({each.server.id}),
        )


def _target(each: Misdirected) -> str:
    if each.route.target is None:
        return f"“{each.route.port.target_port}”, a port name that no container declares"
    return f"{each.route.target}"


def _evidence(each: Misdirected) -> Iterator[Evidence]:
    yield Evidence(
        text=f"targetPort: {each.route.port.target_port or each.route.port.port}",
        ref=each.route.service.ref,
    )
    if each.decided_by:
        yield Evidence(
            text=f"istiod took the targetPort of {each.decided_by.ref}", ref=each.decided_by.ref
        )
