"""SVC006."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, get, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.exposure.load_balancers import pending_load_balancers
from istiodoctor.mesh.observations.events import events_of
from istiodoctor.model.services import Service
from istiodoctor.text import listing
from istiodoctor_checks._events import event_evidence


@check("SVC006", severity=Severity.HIGH, evidence=[events_of], explains={"GWAPI011"})
def load_balancer_pending(mesh: Mesh) -> Iterator[Finding]:
    """A gateway's Service of type LoadBalancer has got no address.

    Nothing in the cluster (or in its cloud) gave the Service an address: `kubectl get service`
    shows EXTERNAL-IP `<pending>`. On bare metal, kind and minikube that is so until something
    like MetalLB is installed; in a cloud, quotas, subnets or permissions are the reason, and the
    events of the Service say which. Its node ports work all the same.

    Fix: install or mend what gives out addresses, or use the node ports.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system, creationTimestamp: "2026-03-01T11:00:00Z"}
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
    ---
    apiVersion: v1
    kind: Event
    metadata: {name: gateway.17a, namespace: istio-system}
    involvedObject: {apiVersion: v1, kind: Service, namespace: istio-system, name: gateway}
    type: Warning
    reason: SyncLoadBalancerFailed
    message: "Error syncing load balancer: failed to ensure load balancer: no subnet found"
    count: 7
    lastTimestamp: 2026-03-01T11:55:00Z
    ```

    ```finding
    high: Service istio-system/gateway status.loadBalancer
    hosts: shop.example.com
    Service istio-system/gateway of type LoadBalancer has had no address since 2026-03-01 11:00
    UTC: clients outside reach shop.example.com by node ports at best.
    ```

    A Service that was just made is still waiting, and one with `externalIPs` needs no address:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system, creationTimestamp: "2026-03-01T11:58:00Z"}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 8443, nodePort: 30443}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: by-hand, namespace: istio-system, creationTimestamp: "2025-03-01T11:00:00Z"}
    spec:
      type: LoadBalancer
      externalIPs: [192.0.2.10]
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 8443, nodePort: 31443}]
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

    Sources: istio.io, Ingress Gateways; kubernetes-sigs/kind issue 2374; istio/istio issue 40324.
    """
    for each in pending_load_balancers(mesh):
        service = each.service
        yield Finding(
            message=(
                f"{service.ref} of type LoadBalancer has had no address since"
                f" {each.since:%Y-%m-%d %H:%M} UTC: clients outside reach"
                f" {listing(sorted(each.hosts)) or 'the gateway'} by node ports at best."
            ),
            objects=(service.at("/status/loadBalancer"),),
            identity=Identity.of(service.ref),
            hosts=each.hosts,
            evidence=(
                Evidence(text="status.loadBalancer.ingress is empty", ref=service.ref),
                *((Evidence(text="no MetalLB runs here"),) if each.metallb is False else ()),
                *event_evidence(mesh, (service.ref,)),
            ),
            fixes=tuple(_fixes(service)),
        )


def _fixes(service: Service) -> Iterator[Fix]:
    yield Fix(
        title="See what the events of the Service say",
        commands=(kubectl("describe", service.ref),),
        verify=get(service.ref),
        why="Without a cloud, install MetalLB with a pool of addresses, or use a node port.",
    )
    yield set_field(
        service.at("/spec/type"),
        "NodePort",
        "Give up the load balancer and use the node ports",
        why="Clients, or something before the nodes, must then use the node ports.",
    )
