"""HTTP002."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, Risk
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.exposure.http_behind_proxy import untold_https
from istiodoctor.mesh.observations.header_trust import header_trust
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor_checks.redirects._loops_behind_proxy import seen_untold_https
from istiodoctor_checks.redirects.redirect_fixes import (
    circle_seen,
    redirect_before_the_gateway,
    trust_seen,
)

TELL_THE_PROXY = (
    "In nginx: proxy_set_header X-Forwarded-Proto https; where $scheme is that of a plain hop it"
    " says http."
)


@check(
    "HTTP002",
    severity=Severity.CRITICAL,
    evidence=[header_trust, seen_untold_https],
    claims=Claim.REDIRECT_LOOP,
    explains={"HTTP008", "HTTP014"},
)
def forwarded_proto_not_https(mesh: Mesh) -> Iterator[Finding]:
    """A trusted proxy does not send X-Forwarded-Proto: https, so the gateway redirects in a loop.

    With `numTrustedProxies: 1` or more, Envoy believes the header `X-Forwarded-Proto`. The proxy
    that ends TLS must then send `https`. If it sends `http` (nginx's `$scheme` on an inner plain
    hop, two proxies in a row) or no such header (a load balancer that ends TLS and goes on in
    TCP), a server with `httpsRedirect` redirects the client to the same URL without end.

    Fix: make the proxy send `X-Forwarded-Proto: https`, or redirect there and not in the gateway.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: gateway
      namespace: istio-system
      labels: {istio: ingressgateway}
      annotations: {proxy.istio.io/config: "gatewayTopology: {numTrustedProxies: 1}"}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: gateway
      namespace: istio-system
      annotations:
        service.beta.kubernetes.io/aws-load-balancer-type: nlb
        service.beta.kubernetes.io/aws-load-balancer-ssl-cert: arn:aws:acm:eu:1:certificate/a
        service.beta.kubernetes.io/aws-load-balancer-ssl-ports: https
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
    critical, suspected: Gateway shop/web spec.servers[0].tls.httpsRedirect
    hosts: shop.example.com
    Gateway shop/web server 80 (http) redirects shop.example.com unless told that it came by https,
    and is not known to be told by the load balancer of Service istio-system/gateway, which ends
    TLS (service.beta.kubernetes.io/aws-load-balancer-ssl-cert): clients are redirected to the same
    URL without end.
    ```

    An Ingress controller sends the header:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: gateway
      namespace: istio-system
      labels: {istio: ingressgateway}
      annotations: {proxy.istio.io/config: "gatewayTopology: {numTrustedProxies: 1}"}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: networking.k8s.io/v1
    kind: Ingress
    metadata: {name: edge, namespace: istio-system}
    spec:
      ingressClassName: nginx
      tls: [{hosts: [shop.example.com], secretName: shop-cert}]
      rules:
      - host: shop.example.com
        http:
          paths: [{path: /, backend: {service: {name: gateway, port: {number: 80}}}}]
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

    Sources: istio.io, Configuring Gateway Network Topology; envoyproxy/envoy issue 4496.
    """
    for each in (*untold_https(mesh), *seen_untold_https(mesh)):
        plain, front = each.plain, each.front
        sent = front.sends_x_forwarded_proto
        yield Finding(
            message=(
                f"{plain.server} redirects {plain.host} unless told that it came by https, and"
                f" {'is told http' if sent else 'is not known to be told'} by {front.text}:"
                " clients are redirected to the same URL without end."
            ),
            objects=(plain.place, *((front.place,) if front.place else ())),
            identity=Identity.of(plain.server.gateway),
            hosts=frozenset({plain.host}),
            evidence=(
                Evidence(text=f"numTrustedProxies of {plain.workload}: {each.trusted_proxies}"),
                Evidence(text=f"X-Forwarded-Proto: {sent or 'none known'}"),
                *circle_seen(each.seen),
                *trust_seen(mesh, plain),
            ),
            fixes=(
                Fix(
                    title="Make the proxy send X-Forwarded-Proto: https",
                    risk=Risk.OUTSIDE_CLUSTER,
                    why=TELL_THE_PROXY,
                ),
                redirect_before_the_gateway(plain),
            ),
            confidence=Confidence.CERTAIN if sent else Confidence.SUSPECTED,
            servers=frozenset({plain.server.id}),
        )
