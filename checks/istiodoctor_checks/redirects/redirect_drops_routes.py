"""HTTP011."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import remove_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.exposure.http_behind_proxy import told_https
from istiodoctor.mesh.workloads.control_planes import istiod_version
from istiodoctor.mesh.workloads.releases import Change, is_in


@check("HTTP011", severity=Severity.HIGH)
def redirect_drops_routes(mesh: Mesh) -> Iterator[Finding]:
    """Istio 1.7 and 1.8 have no routes on a redirecting server, not even for requests told https.

    Behind a load balancer that ends TLS and says `X-Forwarded-Proto: https`, a server with
    `httpsRedirect` should route. Istio 1.7 and 1.8 left its routes out, and such requests got
    404; 1.9 mended it.

    Fix: upgrade Istio, or redirect in the load balancer and not in the gateway.

    ```yaml bad
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: istiod, namespace: istio-system}
    spec:
      selector: {matchLabels: {app: istiod}}
      template:
        metadata: {labels: {app: istiod}}
        spec: {containers: [{name: discovery, image: "istio/pilot:1.8.1"}]}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data: {mesh: "defaultConfig: {gatewayTopology: {numTrustedProxies: 1}}"}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.8.1", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: gateway
      namespace: istio-system
      annotations:
        service.beta.kubernetes.io/aws-load-balancer-ssl-cert: arn:aws:acm:eu:1:certificate/a
        service.beta.kubernetes.io/aws-load-balancer-backend-protocol: http
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8080}]
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

    ```finding
    high, suspected: Gateway shop/web spec.servers[0].tls.httpsRedirect
    hosts: shop.example.com
    istiod 1.8.1 leaves out the routes of Gateway shop/web server 80 (http), which redirects:
    requests for shop.example.com that a load balancer says came by https get 404.
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
    data: {mesh: "defaultConfig: {gatewayTopology: {numTrustedProxies: 1}}"}
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
      annotations:
        service.beta.kubernetes.io/aws-load-balancer-ssl-cert: arn:aws:acm:eu:1:certificate/a
        service.beta.kubernetes.io/aws-load-balancer-backend-protocol: http
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8080}]
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

    Sources: Istio 1.9 release notes; istio/istio issue 27315.
    """
    for plain in told_https(mesh):
        version = istiod_version(mesh, plain.workload)
        if version and not is_in(version, Change.REDIRECTING_SERVERS_ROUTED):
            yield Finding(
                message=(
                    f"istiod {version} leaves out the routes of {plain.server}, which redirects:"
                    f" requests for {plain.host} that a load balancer says came by https get 404."
                ),
                objects=(plain.place,),
                identity=Identity.of(plain.server.gateway),
                hosts=frozenset({plain.host}),
                evidence=(Evidence(text=f"istiod's version: {version}"),),
                fixes=(
                    remove_field(
                        plain.place,
                        f"Remove httpsRedirect from {plain.server}",
                        why="Redirect plain requests in the load balancer; or upgrade Istio.",
                    ),
                ),
                confidence=Confidence.SUSPECTED,
                servers=frozenset({plain.server.id}),
            )
