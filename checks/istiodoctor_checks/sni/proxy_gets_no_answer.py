"""SNI014."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Fix, Identity, Risk, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.model.ref import Place
from istiodoctor_checks.wire import handshake_evidence, request_evidence
from istiodoctor_checks.wording import listing


@check(
    "SNI014",
    severity=Severity.CRITICAL,
    needs=Mesh.mute_proxies.kinds,
    explains={"HTTP015"},
)
def proxy_gets_no_answer(mesh: Mesh) -> Iterator[Finding]:
    """Something before the gateway ends TLS and answers 502, while the pods serve the same host.

    Seen on the wire: the address presents another certificate than the pods, and answers 502, 503
    or 504 in a name that is not Envoy's. The pods serve the host to clients who name it, and
    refuse those who send no name (SNI). Mostly the load balancer or proxy speaks TLS to the
    gateway without a name (SNI002); that it does is suspected, since nobody can look behind it.

    Fix: let the proxy send the name (nginx: `proxy_ssl_server_name on; proxy_ssl_name $host`), let
    it pass TLS through, or give the gateway a server for the host `*`.

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
    - address: 203.0.113.10
      service: istio-system/gateway
      server: shop/web/0
      sni: shop.example.com
      chain: certificate for shop.example.com; renewed
    ```

    ```http bad
    - address: 203.0.113.10
      service: istio-system/gateway
      host: shop.example.com
      server: shop/web/0
      steps: [{url: "https://shop.example.com/", status: 502, server: nginx}]
    ```

    A load balancer that ends TLS and is answered is as it should be:

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
    - address: 203.0.113.10
      service: istio-system/gateway
      server: shop/web/0
      sni: shop.example.com
      chain: certificate for shop.example.com; renewed
    ```

    ```http good
    - address: 203.0.113.10
      service: istio-system/gateway
      host: shop.example.com
      server: shop/web/0
      steps: [{url: "https://shop.example.com/", status: 200, server: nginx, from_upstream: true}]
    ```

    Sources: istio.io, Network Problems; istio/istio issues 18402, 35420, 46655.
    """
    for mute in mesh.mute_proxies():
        service, hosts = mute.door.service, listing(sorted(mute.hosts))
        yield Finding(
            message=(
                f"What answers at {mute.door} ends TLS with a certificate of its own and says"
                f" {listing(each.status for each in mute.steps)} for {hosts},"
                f" while the pods serve it to who names it and refuse who does not: it seems to"
                f" send no server name (SNI)."
            ),
            objects=(*((Place(service),) if service else ()), mute.server.place),
            identity=Identity.of(service or mute.server.gateway),
            hosts=mute.hosts,
            evidence=(*request_evidence(mute.steps), *handshake_evidence(mute.seen)),
            fixes=(
                Fix(
                    title="Let the proxy send the server name, or pass TLS through",
                    risk=Risk.OUTSIDE_CLUSTER,
                    why="nginx: proxy_ssl_server_name on; proxy_ssl_name $host;",
                ),
            ),
            confidence=Confidence.SUSPECTED,
            servers=frozenset({mute.server.id}),
        )
