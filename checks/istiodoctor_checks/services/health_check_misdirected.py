"""SVC009."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, Patch, PatchType, get, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.exposure.azure_probes import FailingProbe, failing_probes
from istiodoctor.text import host_listing
from istiodoctor_checks.services._health_checks import (
    CHECK_PATH,
    CHECK_PORT,
    CHECK_PROTOCOL,
    READY_PATH,
    READY_PORT,
    HealthCheck,
    failing_health_checks,
)


@check("SVC009", severity=Severity.HIGH)
def health_check_misdirected(mesh: Mesh) -> Iterator[Finding]:
    """A load balancer's health check asks where the gateway does not tell its health.

    Annotations of the Service tell an AWS load balancer where to ask; Azure's asks for `/` in HTTP
    or HTTPS where a port has `appProtocol: http` or `https`, as those of Gateway API Gateways
    have, unless an annotation says `tcp`. A gateway pod answers
    `/healthz/ready` on port 15021 and on no other: asked on 443 or 80, Envoy resets the connection
    or answers 404; and plain HTTP (`healthcheck-protocol: http`) on a port of TLS gets no answer.
    Where the port leads nowhere at all, every check fails too. A load balancer
    that sees no healthy target answers 503 itself, or takes targets at random.

    A bare TCP check of the traffic ports is fine, and so is any path that routes of your own
    answer.

    Fix: on Azure, have the probe ask by TCP (`port_443_health-probe_protocol: tcp`); on AWS, ask
    for `/healthz/ready` by way of the port 15021 of the Service (its node port, where
    targets are instances).

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: gateway
      namespace: istio-system
      annotations:
        service.beta.kubernetes.io/aws-load-balancer-healthcheck-port: "31021"
        service.beta.kubernetes.io/aws-load-balancer-healthcheck-path: /healthz/ready
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports:
      - {name: status-port, port: 15021, targetPort: 15021, nodePort: 30021}
      - {name: https, port: 443, targetPort: 8443, nodePort: 30443}
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
    high: Service istio-system/gateway
    metadata.annotations["service.beta.kubernetes.io/aws-load-balancer-healthcheck-port"]
    hosts: shop.example.com
    The load balancer of Service istio-system/gateway is told to ask for the gateway's health on
    port 31021, where nothing listens: it takes every pod for dead, and shop.example.com get no
    answer through it.
    ```

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: gateway
      namespace: istio-system
      annotations:
        service.beta.kubernetes.io/aws-load-balancer-healthcheck-path: /healthz/ready
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 8443, nodePort: 30443}]
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
    high, suspected: Service istio-system/gateway
    metadata.annotations["service.beta.kubernetes.io/aws-load-balancer-healthcheck-path"]
    hosts: shop.example.com
    The load balancer of Service istio-system/gateway is told to ask for the gateway's health on
    traffic-port with the path /healthz/ready, which only port 15021 knows: it takes every pod for
    dead, and shop.example.com get no answer through it.
    ```

    Azure's, which asks in HTTPS without an SNI:

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec:
      nodeName: aks-default-31415926-vmss000000
      containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 8443, appProtocol: https}]
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
    high, suspected: Service istio-system/gateway spec.ports[0].appProtocol
    hosts: shop.example.com
    Azure's load balancer of Service istio-system/gateway asks for the gateway's health on port 443
    with HTTPS and the path /, but it sends no SNI, and no server takes a handshake without one: it
    takes every node for dead, and shop.example.com get no answer through it.
    ```

    and by TCP:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec:
      nodeName: aks-default-31415926-vmss000000
      containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: gateway
      namespace: istio-system
      annotations: {service.beta.kubernetes.io/port_443_health-probe_protocol: tcp}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 8443, appProtocol: https}]
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

    The node port of 15021, or that port itself where targets are pods, is right; and with
    `externalTrafficPolicy: Local` the nodes answer on a port of their own:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: instances
      namespace: istio-system
      annotations:
        service.beta.kubernetes.io/aws-load-balancer-healthcheck-port: "30021"
        service.beta.kubernetes.io/aws-load-balancer-healthcheck-path: /healthz/ready
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports:
      - {name: status-port, port: 15021, targetPort: 15021, nodePort: 30021}
      - {name: https, port: 443, targetPort: 8443, nodePort: 30443}
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: pods
      namespace: istio-system
      annotations:
        service.beta.kubernetes.io/aws-load-balancer-healthcheck-port: "15021"
        service.beta.kubernetes.io/aws-load-balancer-healthcheck-path: /healthz/ready
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 8443, nodePort: 31443}]
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: local
      namespace: istio-system
      annotations:
        service.beta.kubernetes.io/aws-load-balancer-healthcheck-port: "32211"
        service.beta.kubernetes.io/aws-load-balancer-healthcheck-path: /healthz
    spec:
      type: LoadBalancer
      externalTrafficPolicy: Local
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 8443, nodePort: 32443}]
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

    Sources: istio.io, Ingress Gateways; AWS Load Balancer Controller, Service annotations (health
    check); kubernetes-sigs/cloud-provider-azure, pkg/provider/azure_loadbalancer_healthprobe.go;
    istio/istio issues 3867, 56189; Azure/AKS issue 3646.
    """
    yield from (_of_azure(each) for each in failing_probes(mesh))
    for each in failing_health_checks(mesh):
        service = each.service
        status = next((p for p in service.spec.ports if p.port == READY_PORT), None)
        right = str(status.node_port or READY_PORT) if status else str(READY_PORT)
        port = service.at(f"/metadata/annotations/{CHECK_PORT.replace('/', '~1')}")
        yield Finding(
            message=(
                f"The load balancer of {service.ref} is told to ask for the gateway's health on"
                f" {_where(each)}: it takes every pod for dead, and"
                f" {host_listing(sorted(each.hosts))} get no answer through it."
            ),
            objects=(each.place, service.at("/spec/ports")),
            identity=Identity.of(service.ref),
            hosts=each.hosts,
            evidence=(
                Evidence(text=f"{CHECK_PORT}: {each.asked}", ref=service.ref),
                Evidence(text=f"{CHECK_PATH}: {each.path or '(not set)'}", ref=service.ref),
                *_plain(each),
            ),
            fixes=(
                set_field(
                    port,
                    right,
                    f"Ask on port {right}",
                    why=f"With {CHECK_PATH}: {READY_PATH}; the Service must have port 15021 where"
                    " targets are instances.",
                ),
            ),
            confidence=Confidence.CERTAIN if each.leads_nowhere else Confidence.SUSPECTED,
        )


def _of_azure(each: FailingProbe) -> Finding:
    service, number = each.service, each.port.port
    index = service.spec.ports.index(each.port)
    return Finding(
        message=(
            f"Azure's load balancer of {service.ref} asks for the gateway's health on port"
            f" {number} with {each.protocol.upper()} and the path {each.path}, but {each.reason}:"
            f" it takes every node for dead, and {host_listing(sorted(each.hosts))} get no answer"
            " through it."
        ),
        objects=(service.at(f"/spec/ports/{index}/appProtocol"),),
        identity=Identity.of(service.ref, str(number)),
        hosts=each.hosts,
        evidence=(
            Evidence(
                text=f"appProtocol: {each.port.app_protocol or '(not set)'}", ref=service.ref
            ),
            Evidence(text=f"{each.annotation}: (not tcp)", ref=service.ref),
        ),
        fixes=(
            Fix(
                title=f"Have the probe of port {number} ask by TCP",
                patches=(
                    Patch(
                        ref=service.ref,
                        type=PatchType.MERGE,
                        body={"metadata": {"annotations": {each.annotation: "tcp"}}},
                    ),
                ),
                verify=get(service.ref),
                why="For a Gateway of the Gateway API write it to its"
                " spec.infrastructure.annotations too, so that it outlives the Service.",
            ),
        ),
        confidence=Confidence.SUSPECTED,
    )


def _plain(each: HealthCheck) -> Iterator[Evidence]:
    if each.is_plain_to_tls:
        yield Evidence(text=f"{CHECK_PROTOCOL}: http", ref=each.service.ref)


def _where(each: HealthCheck) -> str:
    if each.leads_nowhere:
        return f"port {each.asked}, where nothing listens"
    if each.is_plain_to_tls:
        return f"{each.asked} in plain HTTP, where TLS is spoken"
    return f"{each.asked} with the path {each.path}, which only port {READY_PORT} knows"
