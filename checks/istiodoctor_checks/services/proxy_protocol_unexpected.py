"""SVC007."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, Risk, remove_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.exposure.load_balancers import unexpected_proxy_protocol
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing


@check("SVC007", severity=Severity.CRITICAL, explains={"SVC011", "SVC015"})
def proxy_protocol_unexpected(mesh: Mesh) -> Iterator[Finding]:
    """A load balancer sends the PROXY protocol to a gateway that does not expect it.

    An annotation makes the load balancer put a PROXY header before each connection. Envoy takes
    the header for the beginning of the TLS handshake unless it is told: every connection is
    reset, and the access log says `filter_chain_not_found` without an SNI.

    Fix: expect it on the gateway, with `gatewayTopology: {proxyProtocol: {}}` in the annotation
    `proxy.istio.io/config` of the pods, or do not send it. Change both at one time.

    ```yaml bad
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: istiod, namespace: istio-system}
    spec:
      selector: {matchLabels: {app: istiod}}
      template:
        metadata: {labels: {app: istiod}}
        spec: {containers: [{name: discovery, image: "istio/pilot:1.22.3"}]}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data: {mesh: "defaultConfig: {}"}
    ---
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
      annotations: {service.beta.kubernetes.io/aws-load-balancer-proxy-protocol: "*"}
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
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    ```finding
    critical: Service istio-system/gateway
    metadata.annotations["service.beta.kubernetes.io/aws-load-balancer-proxy-protocol"]
    hosts: shop.example.com
    The load balancer of Service istio-system/gateway sends the PROXY protocol, and Pod
    istio-system/gateway does not expect it: every connection for shop.example.com fails.
    ```

    ```yaml good
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: istiod, namespace: istio-system}
    spec:
      selector: {matchLabels: {app: istiod}}
      template:
        metadata: {labels: {app: istiod}}
        spec: {containers: [{name: discovery, image: "istio/pilot:1.22.3"}]}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data: {mesh: "defaultConfig: {}"}
    ---
    apiVersion: v1
    kind: Pod
    metadata:
      name: gateway
      namespace: istio-system
      labels: {istio: ingressgateway}
      annotations: {proxy.istio.io/config: "gatewayTopology: {proxyProtocol: {}}"}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: gateway
      namespace: istio-system
      annotations: {service.beta.kubernetes.io/aws-load-balancer-proxy-protocol: "*"}
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
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    Sources: istio.io, Configuring Gateway Network Topology; istio/istio issues 21059, 49836.
    """
    for each in unexpected_proxy_protocol(mesh):
        key = each.annotation.replace("~", "~0").replace("/", "~1")
        place = each.service.at(f"/metadata/annotations/{key}")
        yield Finding(
            message=(
                f"The load balancer of {each.service.ref} sends the PROXY protocol, and"
                f" {each.workload} does not expect it: every connection for"
                f" {host_listing(sorted(each.hosts))} fails."
            ),
            objects=(place, Place(each.workload.owner)),
            identity=Identity.of(each.service.ref),
            hosts=each.hosts,
            evidence=(
                Evidence(text=f"annotation {each.annotation}", ref=each.service.ref),
                Evidence(text="no gatewayTopology.proxyProtocol, no EnvoyFilter for it"),
            ),
            fixes=(
                remove_field(
                    place,
                    "Stop sending the PROXY protocol",
                    risk=Risk.RESTARTS_TRAFFIC,
                    why="The gateway then sees the load balancer's address, not the clients'.",
                ),
                Fix(
                    title="Expect the PROXY protocol on the gateway",
                    risk=Risk.RESTARTS_TRAFFIC,
                    why=(
                        "Annotate the pods with proxy.istio.io/config: gatewayTopology:"
                        " {proxyProtocol: {}}. Clients that come past the load balancer then fail."
                    ),
                ),
            ),
            confidence=Confidence.CERTAIN if each.is_certain else Confidence.SUSPECTED,
        )
