"""GW012."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, json_patch
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.exposure.services import HTTPS_PORT, Unreachable, unreachable_servers
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.model.istio import TlsMode
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing


@check("GW012", severity=Severity.CRITICAL, explains={"CM007"})
def port_not_on_service(mesh: Mesh) -> Iterator[Finding]:
    """A server listens on a port that no Service of the gateway leads to.

    Envoy listens, but clients come through the gateway's Service, and none of its ports leads to
    that listener: connections to the port are refused or time out. Often the Gateway was given a
    port of its own (8443, 9443) and the Service was not, or no Service selects the pods at all.

    For a listener of the Gateway API, one of a ListenerSet too, istiod does not even open the port
    where no Service of the Gateway has it. It writes the ports into the Service that it makes
    itself; into one that `addresses` names somebody else has to.

    Fix: add the port to the gateway's Service, or use a port that it has. Missing port 443 is
    reported as SVC002.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 9443, name: https-admin, protocol: HTTPS}
        hosts: [admin.example.com]
        tls: {mode: SIMPLE, credentialName: admin-cert}
    ```

    ```finding
    critical: Gateway shop/web spec.servers[0].port.number
    hosts: admin.example.com
    Gateway shop/web server 9443 (https-admin) listens on port 9443 of Pod istio-system/gateway,
    and no port of Service istio-system/gateway leads there: clients of admin.example.com cannot
    connect.
    ```

    The pods of a Gateway of the Gateway API, whose Service is gone:

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
    spec:
      gatewayClassName: istio
      listeners:
      - name: https
        hostname: shop.example.com
        port: 443
        protocol: HTTPS
        tls: {certificateRefs: [{name: shop-cert}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    type: kubernetes.io/tls
    stringData: {tls.crt: certificate for shop.example.com, tls.key: key of shop.example.com}
    ```

    ```finding
    critical: Gateway API Gateway shop/web spec.listeners[0].port
    hosts: shop.example.com
    Gateway API Gateway shop/web listener 443 (https) listens on port 443 of Pod shop/web-istio-0,
    and no Service selects those pods: clients of shop.example.com cannot connect.
    ```

    A port in the pod that a Service port leads to is reached, whatever the Service calls it; a
    pod on the node's network needs no Service:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: edge, namespace: istio-edge, labels: {istio: edge}}
    spec:
      hostNetwork: true
      containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 8443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: edge, namespace: shop}
    spec:
      selector: {istio: edge}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [edge.example.com]
        tls: {mode: SIMPLE, credentialName: edge-cert}
    ```

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: edge, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.30.1", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: edge}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: edge}
    spec:
      gatewayClassName: istio
      addresses: [{type: Hostname, value: gateway.edge.svc.cluster.local}]
      listeners:
      - {name: http, port: 80, protocol: HTTP, hostname: shop.example.com}
    ```

    ```finding
    medium: Gateway API Gateway edge/web spec.listeners[0].port
    hosts: shop.example.com
    Service edge/gateway has no port 80, so istiod opens none for Gateway API Gateway edge/web
    listener 80 (http): clients of shop.example.com cannot connect.
    ```

    Sources: istio.io, the analysis message IST0162; istio/istio issue 55934.
    """
    for each in unreachable_servers(mesh):
        server = each.server
        if not (each.services and server.is_tls and server.port == HTTPS_PORT):
            yield Finding(
                message=f"{_start(each)}: clients of {host_listing(server.names)} cannot connect.",
                objects=(
                    server.field("/port/number"),
                    *(service.at("/spec/ports") for service in each.services),
                    Place(each.listener.workload.owner),
                ),
                identity=Identity.of(server.gateway, str(server.port)),
                hosts=frozenset(server.names),
                evidence=tuple(_evidence(each)),
                fixes=tuple(_fixes(each)),
                severity=_severity(server),
                confidence=Confidence.CERTAIN if each.is_certain else Confidence.SUSPECTED,
                servers=frozenset({server.id}),
            )


def _severity(server: Server) -> Severity:
    if not server.is_tls:
        # istiod opens port 80 for every Ingress, whether or not it is wanted.
        is_unasked = server.https_redirect or server.api is GatewayApi.INGRESS
        return Severity.LOW if is_unasked else Severity.MEDIUM
    return Severity.HIGH if server.mode is TlsMode.AUTO_PASSTHROUGH else Severity.CRITICAL


def _start(each: Unreachable) -> str:
    if not each.is_opened:
        names = listing(service.ref for service in each.services)
        return f"{names} has no port {each.server.port}, so istiod opens none for {each.server}"
    return (
        f"{each.server} listens on port {each.listener.port} of {each.listener.workload}, and"
        f" {_reason(each)}"
    )


def _reason(each: Unreachable) -> str:
    if not each.services:
        return "no Service selects those pods"
    names = listing(service.ref for service in each.services)
    return f"no port of {names} leads there"


def _evidence(each: Unreachable) -> Iterator[Evidence]:
    for service in each.services:
        ports = listing(
            (f"{port.port}→{port.target_port or port.port}" for port in service.spec.ports),
            shown=8,
        )
        yield Evidence(text=f"{service.ref} has the ports {ports}", ref=service.ref)
    if not each.services:
        yield Evidence(text=f"Services that select {each.listener.workload}: none")


def _fixes(each: Unreachable) -> Iterator[Fix]:
    for service in each.services[:1]:
        port = {
            "name": each.server.section_name or each.server.port_name or f"tcp-{each.server.port}",
            "port": each.server.port,
            "targetPort": each.listener.port,
        }
        yield json_patch(
            service.ref,
            [{"op": "add", "path": "/spec/ports/-", "value": port}],
            f"Add port {each.server.port} to {service.ref}",
            why="Where a chart or operator makes the Service, add it there too.",
        )
