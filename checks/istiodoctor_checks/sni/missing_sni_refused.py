"""SNI013."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.logs.clients import silent_proxies
from istiodoctor.mesh.observations.interception import nameless_refusals
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing
from istiodoctor_checks._wire import observed_evidence


@check("SNI013", severity=Severity.CRITICAL, explains={"HTTP015"})
def missing_sni_refused(mesh: Mesh) -> Iterator[Finding]:
    """A gateway refuses TLS without SNI, which is how the proxy before it connects.

    Seen on the wire: a pod serves clients who name the host, and resets those who send no name
    (SNI). Every gateway whose servers have certain hosts does that, by design. It is said here
    only since the proxy in front is known to send none (SNI002): its clients get 502.

    Fix: let the proxy send the name (nginx: `proxy_ssl_server_name on`), or pass TLS through.

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
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 443}]
    status: {loadBalancer: {ingress: [{ip: 203.0.113.10}]}}
    ---
    apiVersion: networking.k8s.io/v1
    kind: Ingress
    metadata:
      name: edge
      namespace: istio-system
      annotations:
        nginx.ingress.kubernetes.io/backend-protocol: HTTPS
    spec:
      ingressClassName: nginx
      rules:
      - host: shop.example.com
        http: {paths: [{path: /, backend: {service: {name: gateway, port: {number: 443}}}}]}
    ```

    ```tls bad
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      chain: certificate for shop.example.com
    - pod: istio-system/gateway
      port: 443
      outcome: reset
    ```

    ```finding
    critical, observed: Ingress istio-system/edge
    metadata.annotations["nginx.ingress.kubernetes.io/backend-protocol"]
    hosts: shop.example.com
    Ingress istio-system/edge sends no server name (SNI), and Pod istio-system/gateway refuses TLS
    without one (the connection was closed without a word): clients of shop.example.com get nothing
    through it.
    ```

    A proxy that sends the name is not concerned, nor is a gateway without a proxy:

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
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: https, port: 443, targetPort: 443}]
    status: {loadBalancer: {ingress: [{ip: 203.0.113.10}]}}
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

    ```tls good
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      chain: certificate for shop.example.com
    - pod: istio-system/gateway
      port: 443
      outcome: reset
    ```

    Sources: istio.io, Network Problems; nginx.org, proxy_ssl_server_name; istio/istio issues
    18402, 46655.
    """
    for silent in silent_proxies(mesh):
        listener = silent.listener
        refused = nameless_refusals(mesh).get((listener.workload.owner, listener.port), ())
        if refused and silent.is_certain:
            servers = [each for each in listener.servers if each.is_tls]
            places = tuple(each.place for each in servers)
            yield Finding(
                message=(
                    f"{silent.text} sends no server name (SNI), and {listener.workload} refuses"
                    f" TLS without one ({refused[0].ending}): clients of"
                    f" {host_listing(silent.hosts)} get nothing through it."
                ),
                objects=(
                    *((silent.place,) if silent.place else ()),
                    *places,
                    Place(listener.workload.owner),
                ),
                identity=Identity.of(
                    silent.place.ref if silent.place else listener.workload.owner
                ),
                hosts=frozenset(silent.hosts),
                evidence=observed_evidence(refused),
                confidence=Confidence.OBSERVED,
                servers=frozenset(each.id for each in servers),
            )
