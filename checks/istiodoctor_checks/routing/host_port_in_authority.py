"""VS013."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Evidence, Finding, Fix, Identity, Risk, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.workloads.control_planes import istiod_version
from istiodoctor.mesh.workloads.releases import Change, is_in
from istiodoctor.mesh.workloads.service_ports import services_of
from istiodoctor.model.ref import Place
from istiodoctor_checks.text import listing

NODE_PORT = "NodePort"


@check("VS013", severity=Severity.HIGH, explains={"HTTP018"})
def host_port_in_authority(mesh: Mesh) -> Iterator[Finding]:
    """An Istio before 1.16 does not know a host with a node port, and answers 404.

    Clients of a NodePort send the port with the host: `shop.example.com:30443`. Up to Istio 1.15
    only the host itself and the host with the Gateway's own port were looked up; with any other
    port there was no route. Since 1.16 the port is ignored.

    Fix: upgrade to 1.16 or later, or let clients use ports 80 and 443.

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
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    Sources: istio.io, Change Notes 1.16; istio/istio issues 8807, 6773, 15221.
    """
    for workload, servers in servers_by_workload(mesh).items():
        version = istiod_version(mesh, workload)
        services = [each for each in services_of(mesh, workload) if each.spec.type == NODE_PORT]
        if services and version and not is_in(version, Change.NODE_PORTS_IGNORED):
            service = services[0]
            ports = listing(each.node_port for each in service.spec.ports if each.node_port)
            yield Finding(
                message=(
                    f"{service.ref} is reached by node ports ({ports or 'assigned'}), and Istio"
                    f" {version} has no route for a host with such a port: clients that send it,"
                    f" as browsers do, get 404."
                ),
                objects=(service.at("/spec/ports"), Place(workload.owner)),
                identity=Identity.of(service.ref),
                hosts=frozenset(name for server in servers for name in server.names),
                evidence=(Evidence(text=f"istiod of {workload} is {version}"),),
                fixes=(
                    Fix(
                        title="Upgrade Istio to 1.16 or later",
                        risk=Risk.RESTARTS_TRAFFIC,
                        why="Or put a load balancer with the ports 80 and 443 before the nodes.",
                    ),
                ),
                confidence=Confidence.SUSPECTED,
            )
