"""GWAPI020."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, Risk, get
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.exposure.plain_https import speaks_tls_somewhere
from istiodoctor.mesh.gateways.selection import GatewayWithoutPods, api_gateways_without_pods
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing


@check(
    "GWAPI020", severity=Severity.CRITICAL, explains={"GWAPI011", "GWAPI017", "HTTP017", "SVC014"}
)
def gateway_without_pods(mesh: Mesh) -> Iterator[Finding]:
    """No pod runs for a Gateway of the Gateway API, so nothing listens for its hosts.

    istiod makes a Deployment and a Service of its own for a Gateway without addresses. The pods
    are missing where the Deployment was deleted or scaled to 0, where a quota or an admission
    webhook keeps them out, or where no istiod makes it. A Gateway with an address of the type
    `Hostname` counts on pods that others made: those of the Service that the address names.

    Fix: scale the Deployment up, or find out from its events why there are no pods.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: shop-0, namespace: shop, labels: {app: shop}}
    spec: {containers: [{name: app, image: example/app}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners:
      - name: https
        hostname: shop.example.com
        port: 443
        protocol: HTTPS
        tls: {certificateRefs: [{name: shop-cert}]}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    type: kubernetes.io/tls
    stringData: {tls.crt: certificate for shop.example.com, tls.key: key of shop.example.com}
    ```

    ```finding
    critical: Gateway API Gateway shop/web
    hosts: shop.example.com
    No pod runs for Gateway API Gateway shop/web: nothing listens for shop.example.com.
    ```

    An address that names no Service:

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: edge, namespace: shop, labels: {app: edge}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: edge, namespace: shop}
    spec: {selector: {app: edge}, ports: [{name: https, port: 443}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      addresses: [{type: Hostname, value: egde.shop.svc.cluster.local}]
      listeners:
      - name: https
        hostname: shop.example.com
        port: 443
        protocol: HTTPS
        tls: {certificateRefs: [{name: shop-cert}]}
    ```

    ```finding
    critical: Gateway API Gateway shop/web spec.addresses
    hosts: shop.example.com
    The addresses of Gateway API Gateway shop/web name no Service that exists in its namespace, so
    no pods belong to it: nothing listens for shop.example.com.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners:
      - name: https
        hostname: shop.example.com
        port: 443
        protocol: HTTPS
        tls: {certificateRefs: [{name: shop-cert}]}
    ```

    Sources: istio/istio, pilot/pkg/config/kube/gateway/deploymentcontroller.go; istio.io,
    Kubernetes Gateway API (Automated and Manual Deployment).
    """
    for each in api_gateways_without_pods(mesh):
        ref = each.gateway.ref
        names = dict.fromkeys(name for server in each.servers for name in server.names)
        is_alone = any(
            not speaks_tls_somewhere(mesh, name)
            for server in each.servers
            if server.is_tls
            for name in server.names
        )
        yield Finding(
            message=f"{_start(each)}: nothing listens for {host_listing(names)}.",
            objects=(
                *(Place(workload.owner, "/spec/replicas") for workload in each.scaled_down),
                *_places(each),
            ),
            identity=Identity.of(ref),
            hosts=frozenset(names),
            evidence=(Evidence(text=_evidence(each)),),
            fixes=tuple(_fixes(each)),
            severity=Severity.CRITICAL if is_alone else Severity.MEDIUM,
            servers=frozenset(server.id for server in each.servers),
        )


def _places(each: GatewayWithoutPods) -> Iterator[Place]:
    if each.names_no_service:
        yield each.gateway.at("/spec/addresses")
    elif each.gateway.spec.addresses:
        yield from (service.at("/spec/selector") for service in each.services)
    yield Place(each.gateway.ref)


def _start(each: GatewayWithoutPods) -> str:
    if each.scaled_down:
        return f"{listing(each.scaled_down)} of {each.gateway.ref} is scaled to 0"
    if each.names_no_service:
        text = f"The addresses of {each.gateway.ref} name no Service that exists in its namespace"
        return f"{text}, so no pods belong to it"
    services = listing(service.ref for service in each.services)
    return f"No pod runs for {each.gateway.ref}" + (f" behind {services}" if services else "")


def _evidence(each: GatewayWithoutPods) -> str:
    if each.scaled_down:
        return f"replicas is 0 in {listing(each.scaled_down)}"
    return f"pods in {each.gateway.namespace} that belong to the Gateway: none"


def _fixes(each: GatewayWithoutPods) -> Iterator[Fix]:
    for workload in each.scaled_down:
        yield Fix(
            title=f"Scale {workload.owner} up",
            risk=Risk.SAFE,
            commands=(kubectl("scale", workload.owner, "--replicas=1"),),
            verify=get(workload.owner),
            undo=kubectl("scale", workload.owner, "--replicas=0"),
        )
    if not each.scaled_down:
        for name in each.near:
            yield Fix(
                title=f"Name Service {name} in the addresses of the Gateway",
                verify=get(each.gateway.ref),
                why="It is the one of its namespace with a name alike.",
            )
        yield Fix(
            title="Find out why the Gateway has no pods",
            commands=(kubectl("describe", each.gateway.ref),),
            why="Its conditions and events, and those of its Deployment, name the reason.",
        )
