"""SVC005."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Evidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.exposure.load_balancers import local_node_port_services
from istiodoctor.model.ref import Place
from istiodoctor_checks.fixes import set_field
from istiodoctor_checks.text import listing


@check("SVC005", severity=Severity.LOW, explains={"SVC011"})
def local_node_ports(mesh: Mesh) -> Iterator[Finding]:
    """A gateway's node ports answer only on the nodes where its pods run.

    `externalTrafficPolicy: Local` keeps the client's address and drops traffic that comes to a
    node without a gateway pod: clients that are sent to that node time out. A load balancer that
    checks the health of nodes avoids them; DNS records and firewall rules for node ports do not.

    Fix: `externalTrafficPolicy: Cluster`, a DaemonSet for the gateway, or send clients only to
    the nodes with gateway pods.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {nodeName: node-1, containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3",
      args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: NodePort
      externalTrafficPolicy: Local
      selector: {istio: ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
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

    A load balancer asks each node whether it has a pod:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {nodeName: node-1, containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3",
      args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      externalTrafficPolicy: Local
      selector: {istio: ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
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

    Sources: kubernetes.io, Service (externalTrafficPolicy); istio/istio issues 34166, 34246,
    3867.
    """
    for each in local_node_port_services(mesh):
        yield Finding(
            message=(
                f"{each.service.ref} has externalTrafficPolicy Local: its node ports answer on"
                f" {listing(each.nodes)} only, where the pods of {each.workload} run."
            ),
            objects=(each.service.at("/spec/externalTrafficPolicy"), Place(each.workload.owner)),
            identity=Identity.of(each.service.ref),
            hosts=each.hosts,
            evidence=(
                Evidence(text=f"ready pods on {listing(each.nodes)}", ref=each.service.ref),
            ),
            fixes=(
                set_field(
                    each.service.at("/spec/externalTrafficPolicy"),
                    "Cluster",
                    "Let every node answer",
                    why="The gateway then sees the nodes' addresses instead of the clients'.",
                ),
            ),
            confidence=Confidence.SUSPECTED,
        )
