"""HTTP001."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.redirects import PlainHost, RedirectKind
from istiodoctor.mesh.exposure.http_behind_proxy import Loop, redirect_loops, route_loops
from istiodoctor.mesh.hosts import is_wildcard
from istiodoctor.mesh.observations.header_trust import header_trust
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.ref import Place
from istiodoctor_checks.redirects._loops_behind_proxy import seen_plain_hops
from istiodoctor_checks.redirects.redirect_fixes import (
    circle_seen,
    redirect_before_the_gateway,
    serve_https,
    trust_seen,
    trust_the_proxy,
)


@check(
    "HTTP001",
    severity=Severity.CRITICAL,
    evidence=[header_trust, seen_plain_hops],
    claims=Claim.REDIRECT_LOOP,
    explains={"HTTP005", "HTTP008", "HTTP014"},
)
def redirect_loop_behind_tls_proxy(mesh: Mesh) -> Iterator[Finding]:
    """A gateway redirects to HTTPS behind a proxy that ends TLS: a redirect loop.

    TLS ends before the gateway, and the request comes on in plain HTTP to a server with
    `httpsRedirect`. With `numTrustedProxies: 0`, Istio's default, Envoy overwrites
    `X-Forwarded-Proto` with what it sees itself: http. So it redirects to the same URL again;
    browsers say ERR_TOO_MANY_REDIRECTS. The response has no `x-envoy-upstream-service-time`
    header: the application never saw the request.

    A redirect rule of a VirtualService does the same, and so does a `RequestRedirect` filter of an
    HTTPRoute. Neither asks for `X-Forwarded-Proto` unless its match does: then trusting the proxy
    is no help either.

    A host that a plain server redirects while no server of the gateway speaks TLS for it is the
    same mistake: either something before the gateway ends TLS, and it loops, or nothing does, and
    https:// fails.

    Fix: redirect where TLS ends, not in the gateway; or trust that proxy's `X-Forwarded-Proto`
    with `numTrustedProxies: 1`; or let TLS through to a TLS server of the gateway.

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
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    ```finding
    critical: Gateway shop/web spec.servers[0].tls.httpsRedirect
    hosts: shop.example.com
    Gateway shop/web server 80 (http) redirects every plain request for shop.example.com to HTTPS.
    All of them are plain, because of Ingress istio-system/edge, which ends TLS before Service
    istio-system/gateway: clients are redirected without end.
    ```

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
    metadata: {name: gateway, namespace: istio-system}
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
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
        tls: {httpsRedirect: true}
    ```

    ```finding
    critical: Gateway shop/web spec.servers[0].tls.httpsRedirect
    hosts: shop.example.com
    Gateway shop/web server 80 (http) redirects shop.example.com to HTTPS, but no server of Pod
    istio-system/gateway speaks TLS for it. If something before the gateway ends TLS, its requests
    are redirected without end; if nothing does, https:// fails.
    ```

    Here the gateway believes its proxy, which says https:

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
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    And here plain requests come from clients only:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
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
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
        tls: {httpsRedirect: true}
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    So does a load balancer that sends what it decrypted to a listener without a redirect:

    ```yaml good
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
      annotations: {service.beta.kubernetes.io/aws-load-balancer-ssl-cert: "arn:aws:acm:eu:1:x"}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8081}]
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
      - {port: {number: 443, name: plain, protocol: HTTP}, hosts: [shop.example.com]}
    ```

    With `--probe`: where the circle shows at the load balancer, or where the host's name leads,
    and not at the pods, TLS ends before the gateway, whatever the objects tell:

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
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
        tls: {httpsRedirect: true}
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    ```http bad
    - host: shop.example.com
      server: shop/web/1
      steps: [{url: "https://shop.example.com/", status: 200, from_upstream: true}]
    - host: shop.example.com
      server: shop/web/1
      dns: shop.example.com
      outcome: loop
      steps: [{url: "https://shop.example.com/", status: 301, location: "https://shop.example.com/"}]
    ```

    ```finding
    critical, observed: Gateway shop/web spec.servers[0].tls.httpsRedirect
    hosts: shop.example.com
    Gateway shop/web server 80 (http) redirects every plain request for shop.example.com to HTTPS.
    All of them are plain, because of what ends TLS at shop.example.com:443: clients are redirected
    without end.
    ```

    Sources: istio.io, Configuring Gateway Network Topology; istio/istio issues 23674, 17980,
    16778, 27315, 18300.
    """
    for each in (*redirect_loops(mesh), *route_loops(mesh), *seen_plain_hops(mesh)):
        plain = each.plain
        yield Finding(
            message=_message(each),
            objects=tuple(_objects(each)),
            identity=Identity.of(plain.server.gateway),
            hosts=frozenset({plain.host}),
            evidence=(*_evidence(each), *circle_seen(each.seen), *trust_seen(mesh, plain)),
            fixes=tuple(_fixes(each)),
            severity=_severity(each),
            confidence=_confidence(each),
            servers=frozenset({plain.server.id}),
        )


def _fixes(each: Loop) -> Iterator[Fix]:
    yield redirect_before_the_gateway(each.plain)
    if each.plain.redirect is RedirectKind.SERVER:
        yield trust_the_proxy(each.plain)
    if each.front is None:
        yield serve_https(each.plain)


def _confidence(each: Loop) -> Confidence:
    if not each.is_certain:
        return Confidence.SUSPECTED
    return Confidence.OBSERVED if each.seen else Confidence.CERTAIN


def _severity(each: Loop) -> Severity:
    """Rate a wildcard that nothing is known to be behind as not yet in use."""
    bare = each.front is None and is_wildcard(each.plain.host)
    return Severity.MEDIUM if bare else Severity.CRITICAL


def _objects(each: Loop) -> Iterator[Place]:
    yield each.plain.place
    if each.front and each.front.place:
        yield each.front.place


def _message(each: Loop) -> str:
    plain = each.plain
    if each.front is None:
        return (
            f"{plain.server} redirects {plain.host} to HTTPS, but no server of {plain.workload}"
            " speaks TLS for it. If something before the gateway ends TLS, its requests are"
            " redirected without end; if nothing does, https:// fails."
        )
    return (
        f"{_redirecting(plain)} redirects every plain request for {plain.host} to HTTPS. All of"
        f" them are plain, because of {each.front.text}: clients are redirected without end."
    )


def _redirecting(plain: PlainHost) -> object:
    return plain.place.ref if plain.redirect is RedirectKind.ROUTE else plain.server


def _evidence(each: Loop) -> Iterator[Evidence]:
    if each.front:
        ref = each.front.place.ref if each.front.place else None
        yield Evidence(text=f"before the gateway: {each.front.text}", ref=ref)
    else:
        yield Evidence(text=f"TLS servers for {each.plain.host}: none")
    trusted = "not known" if each.trusted_proxies is None else str(each.trusted_proxies)
    yield Evidence(text=f"numTrustedProxies of {each.plain.workload}: {trusted}")
