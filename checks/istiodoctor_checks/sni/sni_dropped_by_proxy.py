"""SNI002."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, Risk, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.logs.clients import SNI_ANNOTATION, SilentProxy, silent_proxies
from istiodoctor.mesh.observations.interception import MuteProxy, mute_proxies
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._wire import observed_evidence

LET_IT_SEND = Fix(
    title="Let the proxy send the server name, or pass TLS through",
    risk=Risk.OUTSIDE_CLUSTER,
    why="nginx: proxy_ssl_server_name on; proxy_ssl_name $host;",
)


@check(
    "SNI002",
    severity=Severity.CRITICAL,
    evidence=[mute_proxies],
    explains={"SNI001", "SNI013", "HTTP015"},
)
def sni_dropped_by_proxy(mesh: Mesh) -> Iterator[Finding]:
    """A proxy in front speaks TLS to the gateway without SNI.

    The gateway chooses a server by the name (SNI) in the ClientHello. nginx sends none unless
    `proxy_ssl_server_name` is on, and some load balancers never do, those of AWS among them that
    end TLS and begin it anew (`aws-load-balancer-backend-protocol: ssl`). No server takes such a
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

    ```finding
    critical: Ingress istio-system/edge
    metadata.annotations["nginx.ingress.kubernetes.io/backend-protocol"]
    hosts: shop.example.com
    Ingress istio-system/edge speaks TLS to Pod istio-system/gateway without a server name (SNI),
    and no server there takes such a connection: it is reset, and clients of shop.example.com get
    502.
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

    With `--probe`: the address answers 502, 503 or 504 in a name that is not Envoy's, or with a
    certificate that is not the pods'. The pods serve the host to clients who name it, and refuse
    those who send no name. That the proxy sends none is suspected: nobody can look behind it.

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

    ```finding
    critical, suspected: Service istio-system/gateway
    hosts: shop.example.com
    What answers at 203.0.113.10:443 ends TLS before the gateway and says 502 for shop.example.com,
    while the pods serve it to who names it and refuse who does not: it seems to send no server
    name (SNI).
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

    Sources: istio.io, Network Problems; nginx.org, proxy_ssl_server_name; istio/istio issues
    18402, 46655, 35420.
    """
    for silent in silent_proxies(mesh):
        servers = [each for each in silent.listener.servers if each.is_tls]
        owner = silent.listener.workload.owner
        place, places = silent.place, (*(each.place for each in servers), Place(owner))
        yield Finding(
            message=(
                f"{silent.text} speaks TLS to {silent.listener.workload} without a server name"
                f" (SNI), and no server there takes such a connection: it is reset, and clients"
                f" of {host_listing(silent.hosts)} get 502."
            ),
            objects=((place, *places) if place else places),
            identity=Identity.of(place.ref if place else owner),
            hosts=frozenset(silent.hosts),
            evidence=(Evidence(text=f"no server on port {silent.listener.port} has the host *"),),
            fixes=(_fix(silent),),
            severity=Severity.HIGH if place and place.ref.kind == "Service" else None,
            confidence=Confidence.CERTAIN if silent.is_certain else Confidence.SUSPECTED,
            servers=frozenset(each.id for each in servers),
        )
    for mute in mute_proxies(mesh):
        yield _seen(mute)


def _seen(mute: MuteProxy) -> Finding:
    service, hosts = mute.access_point.service, host_listing(sorted(mute.hosts))
    return Finding(
        message=(
            f"What answers at {mute.access_point} ends TLS before the gateway and says"
            f" {listing(each.status for each in mute.steps)} for {hosts}, while the pods serve it"
            f" to who names it and refuse who does not: it seems to send no server name (SNI)."
        ),
        objects=(
            *((Place(service),) if service else ()),
            mute.server.place,
            Place(mute.access_point.gateway),
        ),
        identity=Identity.of(service or mute.server.gateway),
        hosts=mute.hosts,
        evidence=(*observed_evidence(mute.steps), *observed_evidence(mute.seen)),
        fixes=(LET_IT_SEND,),
        confidence=Confidence.SUSPECTED,
        servers=frozenset({mute.server.id}),
    )


def _fix(silent: SilentProxy) -> Fix:
    if silent.place and silent.is_certain:
        key = SNI_ANNOTATION.replace("/", "~1")
        place = Place(silent.place.ref, f"/metadata/annotations/{key}")
        return set_field(place, "on", "Let nginx send the server name")
    return LET_IT_SEND
