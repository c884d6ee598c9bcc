"""SVC001."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.selection import services_without_pods
from istiodoctor.model.ref import Place
from istiodoctor.text import listing


@check(
    "SVC001",
    severity=Severity.CRITICAL,
    explains={"GWAPI011", "GW012", "GW013", "SVC006", "CM007"},
)
def service_selects_no_pods(mesh: Mesh) -> Iterator[Finding]:
    """A gateway's Service selects no pod, so connections to its address are refused.

    The Service has an address and no endpoints: its `selector` names labels that the gateway pods
    in its namespace do not all carry, usually after a rename or from a copied manifest. A Service
    selects pods of its own namespace only.

    A Service counts as a gateway's when it has port 80 or 443 and shares its name, its status
    port 15021 or a label of its selector with a gateway workload beside it.

    Fix: select labels that the gateway pods carry.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: istio-ingressgateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway, app: istio-ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
    ```

    ```finding
    critical: Service istio-system/istio-ingressgateway spec.selector
    Service istio-system/istio-ingressgateway selects no pod (istio: ingressgateway and app:
    istio-ingressgateway): connections to it are refused. Pod istio-system/gateway beside it has
    other labels.
    ```

    A Service without a selector gets its endpoints by hand, and a Service of something else in
    the same namespace is no matter of the gateway:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: istio-ingressgateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: kiali, namespace: istio-system}
    spec:
      selector: {app: kiali}
      ports: [{name: http, port: 80, targetPort: 20001}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: outside, namespace: istio-system}
    spec:
      ports: [{name: https, port: 443}]
    ```

    Sources: kubernetes.io, Service; istio/istio issue 36574.
    """
    for each in services_without_pods(mesh):
        service, workload = each.service, each.near.workload
        selector = listing(f"{key}: {value}" for key, value in service.spec.selector.items())
        yield Finding(
            message=(
                f"{service.ref} selects no pod ({selector}): connections to it are refused."
                f" {workload} beside it has other labels."
            ),
            objects=(service.at("/spec/selector"), Place(workload.owner)),
            identity=Identity.of(service.ref),
            hosts=each.hosts,
            evidence=(
                Evidence(text=f"pods in {service.namespace} with {selector}: none"),
                *(
                    Evidence(text=f"{other.ref} does select {workload}", ref=other.ref)
                    for other in each.others
                ),
            ),
            fixes=(
                set_field(
                    service.at("/spec/selector"),
                    dict(each.near.selector),
                    f"Select the pods of {workload}",
                ),
            ),
            severity=Severity.MEDIUM if each.others else Severity.CRITICAL,
        )
