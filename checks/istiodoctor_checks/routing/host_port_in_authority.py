"""VS013."""

from collections.abc import Iterable, Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, Risk
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.hosts import ANY, is_wildcard
from istiodoctor.mesh.version import Version
from istiodoctor.mesh.workloads.control_planes import istiod_version
from istiodoctor.mesh.workloads.releases import Change, is_in
from istiodoctor.mesh.workloads.service_ports import services_of
from istiodoctor.model.ref import Place
from istiodoctor.text import listing

NODE_PORT = "NodePort"


@check("VS013", severity=Severity.HIGH, explains={"HTTP018"})
def host_port_in_authority(mesh: Mesh) -> Iterator[Finding]:
    """An Istio before 1.15 does not know a wildcard host with a node port, and answers 404.

    Clients of a NodePort send the port with the host: `a.example.com:30443`. Up to Istio 1.14
    the gateway looked up hosts with their port. A host without a wildcard has the domain
    `host:*` as well, for any port, since 1.6, and `*` is every host with every port; but for
    `*.example.com` there was nothing with another port than the Gateway's own. Since 1.15
    gateways ignore the port.

    Fix: upgrade to 1.15 or later, name the hosts one by one, or let clients use ports 80 and 443.

    ```yaml bad
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: istiod, namespace: istio-system}
    spec:
      template:
        metadata: {labels: {app: istiod}}
        spec: {containers: [{name: discovery, image: "istio/pilot:1.14.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.14.3"}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: NodePort
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, nodePort: 30443}]
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
    ```

    ```finding
    high, suspected: Service istio-system/gateway spec.ports
    hosts: *.example.com
    Service istio-system/gateway is reached by node ports (30443), and Istio 1.14.3 has no route
    for *.example.com with such a port: clients that send it, as browsers do, get 404.
    ```

    ```yaml good
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: istiod, namespace: istio-system}
    spec:
      template:
        metadata: {labels: {app: istiod}}
        spec: {containers: [{name: discovery, image: "istio/pilot:1.14.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.14.3"}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, nodePort: 30443}]
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
    ```

    ```yaml good
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: istiod, namespace: istio-system}
    spec:
      template:
        metadata: {labels: {app: istiod}}
        spec: {containers: [{name: discovery, image: "istio/pilot:1.14.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.14.3"}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: NodePort
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, nodePort: 30443}]
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

    ```yaml good
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: istiod, namespace: istio-system}
    spec:
      template:
        metadata: {labels: {app: istiod}}
        spec: {containers: [{name: discovery, image: "istio/pilot:1.14.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.14.3"}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: NodePort
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, nodePort: 30443}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: ["*"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    Sources: pilot/pkg/networking/core/gateway.go:581 (IgnorePortInHostMatching); istio/istio
    issues 8807, 6773, 15221.
    """
    for workload, servers in servers_by_workload(mesh).items():
        version = istiod_version(mesh, workload)
        if version is None or is_in(version, Change.NODE_PORTS_IGNORED):
            continue
        services = [each for each in services_of(mesh, workload) if each.spec.type == NODE_PORT]
        hosts = frozenset(_hit(servers, version))
        if services and hosts:
            service = services[0]
            ports = listing(each.node_port for each in service.spec.ports if each.node_port)
            yield Finding(
                message=(
                    f"{service.ref} is reached by node ports ({ports or 'assigned'}), and Istio"
                    f" {version} has no route for {listing(sorted(hosts))} with such a port:"
                    f" clients that send it, as browsers do, get 404."
                ),
                objects=(service.at("/spec/ports"), Place(workload.owner)),
                identity=Identity.of(service.ref),
                hosts=hosts,
                evidence=(Evidence(text=f"istiod of {workload} is {version}"),),
                fixes=(
                    Fix(
                        title="Upgrade Istio to 1.15 or later",
                        risk=Risk.RESTARTS_TRAFFIC,
                        why="Or put a load balancer with the ports 80 and 443 before the nodes.",
                    ),
                ),
                confidence=Confidence.SUSPECTED,
            )


def _hit(servers: Iterable[Server], version: Version) -> Iterator[str]:
    """Yield the hosts that are looked up with their port and not found."""
    are_exact_found = is_in(version, Change.EXACT_HOSTS_ON_ANY_PORT)
    for server in servers:
        for name in server.names:
            if name != ANY and (is_wildcard(name) or not are_exact_found):
                yield name
