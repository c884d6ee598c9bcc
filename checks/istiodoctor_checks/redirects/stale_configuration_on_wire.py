"""HTTP018."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import FETCHED_ANEW, restart
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ref import Place
from istiodoctor.text import listing
from istiodoctor_checks._wire import observed_evidence
from istiodoctor_checks.redirects._configuration_drift import (
    ConfigurationDrift,
    DriftKind,
    configuration_drifts,
)

WORDS = {
    DriftKind.UNKNOWN_HOST: "answers 404, as if there were no route",
    DriftKind.UNREDIRECTED: "answers in the clear, as if there were no httpsRedirect",
    DriftKind.REDIRECTED: "redirects to https://, which nothing there does any more",
}


@check("HTTP018", severity=Severity.HIGH)
def stale_configuration_on_wire(mesh: Mesh) -> Iterator[Finding]:
    """A gateway's pod answers by another configuration than its Gateways and routes.

    Seen on the wire at the pod itself, past all load balancers: it answers 404 with no
    application behind it for a request that a VirtualService takes; or in the clear where the
    server has `httpsRedirect`; or with a redirect that no object has any more. What the pod runs
    on is not what the objects say: the newer configuration has not reached it, or Envoy refused
    it (SDS004, SDS010, SDS012), or istiod does not read the objects (another revision,
    `discoverySelectors`).

    Gateways and VirtualServices of the last two minutes are given time. An EnvoyFilter that
    answers by itself looks the same.

    Fix: that of the cause in the report; where there is none, see with `istioctl proxy-status`
    (without a pod's name) whether the pod is in touch with istiod, and in its log what it
    rejected. A restart makes the pod fetch everything anew, and shows what it cannot take.

    ```yaml bad
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data: {mesh: "defaultConfig: {}"}
    ---
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
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
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
    spec: {ports: [{name: http, port: 80}], selector: {app: shop}}
    ---
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: shop-1, namespace: shop, labels: {kubernetes.io/service-name: shop}}
    addressType: IPv4
    ports: [{name: http, port: 80}]
    endpoints: [{addresses: [10.0.0.7], conditions: {ready: true}}]
    ```

    ```http bad
    - host: shop.example.com
      server: shop/web/0
      port: 80
      steps: [{url: "http://shop.example.com/", status: 404}]
    ```

    ```finding
    high, observed: Pod istio-system/gateway
    hosts: shop.example.com
    Pod istio-system/gateway port 80 answers 404, as if there were no route: VirtualService
    shop/shop says otherwise. What Pod istio-system/gateway runs on for shop.example.com is not
    what the objects say.
    ```

    ```yaml bad
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data: {mesh: "defaultConfig: {}"}
    ---
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
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
        tls: {httpsRedirect: true}
    ```

    ```http bad
    - host: shop.example.com
      server: shop/web/0
      port: 80
      steps: [{url: "http://shop.example.com/", status: 200, from_upstream: true}]
    ```

    ```finding
    high, observed: Pod istio-system/gateway
    hosts: shop.example.com
    Pod istio-system/gateway port 80 answers in the clear, as if there were no httpsRedirect:
    Gateway shop/web says otherwise. What Pod istio-system/gateway runs on for shop.example.com is
    not what the objects say.
    ```

    The route answers 404 on purpose:

    ```yaml good
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data: {mesh: "defaultConfig: {}"}
    ---
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
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{directResponse: {status: 404}}]
    ```

    ```http good
    - host: shop.example.com
      server: shop/web/0
      port: 80
      steps: [{url: "http://shop.example.com/", status: 404}]
    ```

    Here the mesh hides from answers whether an application gave them, and its 404 may be the
    application's:

    ```yaml good
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data: {mesh: "defaultConfig: {proxyHeaders: {envoyDebugHeaders: {disabled: true}}}"}
    ---
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
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
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
    spec: {ports: [{name: http, port: 80}], selector: {app: shop}}
    ---
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: shop-1, namespace: shop, labels: {kubernetes.io/service-name: shop}}
    addressType: IPv4
    ports: [{name: http, port: 80}]
    endpoints: [{addresses: [10.0.0.7], conditions: {ready: true}}]
    ```

    ```http good
    - host: shop.example.com
      server: shop/web/0
      port: 80
      steps: [{url: "http://shop.example.com/", status: 404}]
    ```

    Sources: istio.io, Debugging Envoy and Istiod; istio/istio issues 11763, 49836, 13717.
    """
    for workload, found in configuration_drifts(mesh).items():
        yield Finding(
            message=_message(workload, found),
            objects=tuple(dict.fromkeys(_objects(workload, found))),
            identity=Identity.of(workload.owner),
            hosts=frozenset(each.host for each in found),
            evidence=observed_evidence(each.step for each in found),
            fixes=(restart(workload, why=FETCHED_ANEW),),
            confidence=Confidence.OBSERVED,
            servers=frozenset(each.server.id for each in found),
        )


def _message(workload: Workload, drifts: tuple[ConfigurationDrift, ...]) -> str:
    first = drifts[0]
    of = first.decided_by or first.server.gateway
    hosts = listing(dict.fromkeys(each.host for each in drifts))
    return (
        f"{first.step.access_point} {WORDS[first.kind]}: {of} says otherwise. What {workload} runs"
        f" on for {hosts} is not what the objects say."
    )


def _objects(workload: Workload, drifts: tuple[ConfigurationDrift, ...]) -> Iterator[Place]:
    yield Place(workload.owner)
    for each in drifts:
        if each.decided_by:
            yield Place(each.decided_by)
        yield each.server.place
