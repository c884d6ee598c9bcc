"""DR008."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.http2_upgrades import http2_upgrade
from istiodoctor.mesh.configuration.routed_clusters import routed_clusters
from istiodoctor.mesh.configuration.upstream_tls import workloads_behind
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.service_ports import target_port
from istiodoctor.mesh.workloads.workloads import Workload, workloads
from istiodoctor.model.ref import Place
from istiodoctor.model.services import Service, ServicePort
from istiodoctor.text import listing

HTTP2 = frozenset({"grpc", "grpc-web", "http2", "kubernetes.io/h2c"})
OPAQUE = frozenset({"tcp", "mongo", "mysql", "redis", "udp"})
ENCRYPTED = frozenset({"https", "tls"})
SAID = HTTP2 | ENCRYPTED
"""Protocols that a port may have whatever else its name says."""
PREFIXES = HTTP2 | OPAQUE | ENCRYPTED | {"http"}
GRPC_PORT = 50051
_WORDS = re.compile(r"[^a-z0-9]+")


@question
def _ports_of_grpc(mesh: Mesh) -> Mapping[Workload, frozenset[int]]:
    """Return the ports of containers that are called grpc, by workload."""
    found: dict[Workload, set[int]] = defaultdict(set)
    for workload in workloads(mesh):
        for container in workload.spec.containers:
            for each in container.ports:
                if "grpc" in _WORDS.split(each.name.lower()):
                    found[workload].add(each.container_port)
    return {workload: frozenset(ports) for workload, ports in found.items()}


def _leads_to_grpc(mesh: Mesh, service: Service, port: ServicePort) -> bool:
    """Whether the containers behind a port, declared as HTTP, call theirs grpc."""
    of_grpc = _ports_of_grpc(mesh)
    if not of_grpc or _protocol(port) in SAID:
        return False
    return any(
        target_port(port, each) in of_grpc.get(each, ())
        for each in workloads_behind(mesh, service)
    )


@check(
    "DR008",
    severity=Severity.HIGH,
    explains={"HTTP015"},
    evidence=[_ports_of_grpc, workloads_behind, http2_upgrade],
)
def backend_port_misnamed(mesh: Mesh) -> Iterator[Finding]:
    """A Service port's name tells Istio another protocol than the route to it.

    Istio takes the protocol of a backend from `appProtocol`, else from the part of the port's
    name before the first dash: `grpc-api` is gRPC, `api-grpc` says nothing. A gateway does not
    guess: what is not declared http2 or grpc it sends as HTTP/1.1, so gRPC calls fail (502, 503
    or `upstream connect error`). A port declared `tcp` is handled as bytes by sidecars, without
    HTTP routing, retries and telemetry, although an HTTP route leads to it.

    Where the Service's port is declared as HTTP and the container calls the port behind it grpc,
    the two contradict each other.

    Fix: name the port for what it speaks, or set `appProtocol`.

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
    spec: {selector: {app: shop}, ports: [{name: api-grpc, port: 8080, targetPort: 50051}]}
    ```

    ```finding
    high, suspected: Service shop/shop spec.ports[0]
    hosts: shop.example.com
    port 8080 (api-grpc) of Service shop/shop seems to speak gRPC, but nothing that Istio reads
    says so: the gateway sends HTTP/1.1, and gRPC calls for shop.example.com fail.
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
    spec: {selector: {app: shop}, ports: [{name: tcp-web, port: 80}]}
    ```

    ```finding
    low, suspected: Service shop/shop spec.ports[0]
    hosts: shop.example.com
    HTTP routes for shop.example.com lead to port 80 (tcp-web) of Service shop/shop, which is
    declared as tcp: sidecars treat it as bytes, without HTTP routing, retries or telemetry.
    ```

    A port without a name is nothing to worry about for HTTP/1.1, and `appProtocol` comes before
    the name:

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
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{port: 80, targetPort: 8080}]}
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
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: api-grpc, port: 50051, appProtocol: grpc}]}
    ```

    Sources: istio.io, Protocol Selection, PortNameIsNotUnderNamingConvention (IST0118);
    istio/istio issue 19614.
    """
    for routed in routed_clusters(mesh):
        service, port = routed.kubernetes_service, routed.service_port
        if service is None or port is None:
            continue
        wanted = _declared_wrong(port)
        is_by_container = wanted != "grpc" and _leads_to_grpc(mesh, service, port)
        if is_by_container:
            wanted = "grpc"
        if not wanted:
            continue
        if wanted == "grpc" and http2_upgrade(mesh, routed.workload, routed.name):
            continue
        for use in routed.uses_of("http"):
            hosts = use.virtual_service.spec.hosts
            yield Finding(
                message=_message(service, port, wanted, listing(hosts)),
                objects=(_place(service, port), use.place),
                identity=Identity.of(service.ref, str(port.port)),
                hosts=frozenset(hosts),
                evidence=(
                    Evidence(
                        text=f"port {port.port} is {_protocol(port) or 'of no declared protocol'}",
                        ref=service.ref,
                    ),
                ),
                fixes=(
                    set_field(
                        Place(service.ref, f"{_place(service, port).path}/appProtocol"),
                        wanted,
                        f"Declare port {port.port} as {wanted}",
                    ),
                ),
                severity=_severity(wanted, is_by_container=is_by_container),
                confidence=Confidence.SUSPECTED,
            )


def _severity(wanted: str, *, is_by_container: bool) -> Severity | None:
    if is_by_container:
        return Severity.MEDIUM
    return None if wanted == "grpc" else Severity.LOW


def _declared_wrong(port: ServicePort) -> str:
    """Return the protocol that a port seems to speak if it is declared as another; else empty."""
    declared = _protocol(port)
    if declared in SAID:
        return ""
    named = "grpc" in _WORDS.split(f"{port.name} {port.target_port or ''}".lower())
    numbered = GRPC_PORT in (port.port, port.target_port) and not declared
    if named or numbered:
        return "grpc"
    return "http" if declared in OPAQUE else ""


def _protocol(port: ServicePort) -> str:
    """Return what istiod takes a port's protocol to be from its declaration; empty for none."""
    if port.app_protocol:
        return port.app_protocol.lower()
    name = port.name.lower()
    if name.startswith("grpc-web"):
        return "grpc-web"
    prefix = name.partition("-")[0]
    return prefix if prefix in PREFIXES else ""


def _place(service: Service, port: ServicePort) -> Place:
    return service.at(f"/spec/ports/{service.spec.ports.index(port)}")


def _message(service: Service, port: ServicePort, wanted: str, hosts: str) -> str:
    where = f"port {port.port} ({port.name or 'unnamed'}) of {service.ref}"
    if wanted == "grpc":
        return (
            f"{where} seems to speak gRPC, but nothing that Istio reads says so: the gateway sends"
            f" HTTP/1.1, and gRPC calls for {hosts} fail."
        )
    return (
        f"HTTP routes for {hosts} lead to {where}, which is declared as {_protocol(port)}:"
        f" sidecars treat it as bytes, without HTTP routing, retries or telemetry."
    )
