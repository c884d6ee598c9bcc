"""SVC018."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, get
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.exposure.unselected_pods import unselected_pods
from istiodoctor.model.ref import Place


@check("SVC018", severity=Severity.LOW)
def load_balancer_without_gateway(mesh: Mesh) -> Iterator[Finding]:
    """A load balancer leads to gateway pods that no Gateway selects.

    istiod gives a gateway pod listeners for the servers of the Gateways whose selector takes its
    labels. Pods that none takes listen on no port of theirs but the status port: the targets of
    the load balancer are unhealthy, and connections to it are refused. It costs money and may
    hide that a Gateway was meant for these pods.

    Fix: give a Gateway a selector with labels of these pods, or remove the load balancer.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: edge, namespace: istio-system, labels: {istio: edge}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: edge, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: edge}
      ports: [{name: https, port: 443, targetPort: 8443}]
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
    low: Service istio-system/edge spec.selector
    Service istio-system/edge is a load balancer for Pod istio-system/edge, which no Gateway
    selects: nothing listens there, and its health checks fail.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: egress, namespace: istio-system, labels: {istio: egress}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: egress, namespace: istio-system}
    spec:
      type: ClusterIP
      selector: {istio: egress}
      ports: [{name: https, port: 443, targetPort: 8443}]
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

    Sources: istio/istio issues 48492, 53658.
    """
    for each in unselected_pods(mesh):
        labels = ", ".join(f"{key}={value}" for key, value in sorted(each.workload.labels.items()))
        yield Finding(
            message=(
                f"{each.service.ref} is a load balancer for {each.workload}, which no Gateway"
                " selects: nothing listens there, and its health checks fail."
            ),
            objects=(each.service.at("/spec/selector"), Place(each.workload.owner)),
            identity=Identity.of(each.service.ref),
            evidence=(Evidence(text=f"labels of the pods: {labels}", ref=each.workload.owner),),
            fixes=(
                Fix(
                    title="Give a Gateway the pods' labels as its selector, or remove the Service",
                    commands=(get(each.service.ref),),
                    why="Of the labels, choose those that the pods of this gateway alone have.",
                ),
            ),
        )
