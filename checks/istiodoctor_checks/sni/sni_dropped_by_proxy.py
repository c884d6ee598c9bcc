"""SNI002."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Evidence, Finding, Fix, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.clients import SNI_ANNOTATION, SilentProxy
from istiodoctor.model.ref import Place
from istiodoctor_checks.fixes import set_field
from istiodoctor_checks.wording import listing


@check(
    "SNI002",
    severity=Severity.CRITICAL,
    needs=Mesh.silent_proxies.kinds,
    explains={"SNI001", "SNI013", "SNI014"},
)
def sni_dropped_by_proxy(mesh: Mesh) -> Iterator[Finding]:
    """A proxy in front speaks TLS to the gateway without saying which host it wants.

    The gateway chooses a server by the name (SNI) in the ClientHello. nginx sends none unless
    `proxy_ssl_server_name` is on, and some load balancers never do. No server takes such a
    connection; the gateway resets it and the proxy answers 502.

    Fix: let the proxy send the name, let it pass TLS through, or give the gateway a server for
    the host `*`.

    ```yaml bad
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
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec: {selector: {istio: ingressgateway}, ports: [{name: https, port: 443}]}
    ---
    apiVersion: networking.k8s.io/v1
    kind: Ingress
    metadata:
      name: edge
      namespace: istio-system
      annotations: {nginx.ingress.kubernetes.io/backend-protocol: HTTPS}
    spec:
      ingressClassName: nginx
      rules:
      - host: shop.example.com
        http: {paths: [{path: /, backend: {service: {name: gateway, port: {number: 443}}}}]}
    ```

    ```yaml good
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
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec: {selector: {istio: ingressgateway}, ports: [{name: https, port: 443}]}
    ---
    apiVersion: networking.k8s.io/v1
    kind: Ingress
    metadata:
      name: edge
      namespace: istio-system
      annotations:
        nginx.ingress.kubernetes.io/backend-protocol: HTTPS
        nginx.ingress.kubernetes.io/proxy-ssl-server-name: "on"
    spec:
      ingressClassName: nginx
      rules:
      - host: shop.example.com
        http: {paths: [{path: /, backend: {service: {name: gateway, port: {number: 443}}}}]}
    ```

    Sources: istio.io, Network Problems; nginx.org, proxy_ssl_server_name; istio/istio issues
    18402, 46655, 35420.
    """
    for silent in mesh.silent_proxies():
        servers = [each for each in silent.listener.servers if each.is_tls]
        place, places = silent.place, tuple(each.place for each in servers)
        yield Finding(
            message=(
                f"{silent.text} speaks TLS to {silent.listener.workload} without a server name"
                f" (SNI), and no server there takes such a connection: it is reset, and clients"
                f" of {listing(silent.hosts)} get 502."
            ),
            objects=((place, *places) if place else places),
            identity=Identity.of(place.ref if place else silent.listener.workload.owner),
            hosts=frozenset(silent.hosts),
            evidence=(Evidence(text=f"no server on port {silent.listener.port} has the host *"),),
            fixes=(_fix(silent),),
            confidence=Confidence.CERTAIN if silent.is_certain else Confidence.SUSPECTED,
            servers=frozenset(each.id for each in servers),
        )


def _fix(silent: SilentProxy) -> Fix:
    if silent.place and silent.is_certain:
        key = SNI_ANNOTATION.replace("/", "~1")
        place = Place(silent.place.ref, f"/metadata/annotations/{key}")
        return set_field(place, "on", "Let nginx send the server name")
    return Fix(
        title="Let the proxy send the server name, or pass TLS through",
        why="nginx: proxy_ssl_server_name on; proxy_ssl_name $host;",
    )
