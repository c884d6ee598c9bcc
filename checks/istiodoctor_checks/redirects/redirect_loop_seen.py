"""HTTP014."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Fix, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.redirects import PlainHost, RedirectKind
from istiodoctor.mesh.replies import Loop, is_own
from istiodoctor_checks.redirects.ways_out import redirect_before_the_gateway, trust_the_proxy
from istiodoctor_checks.wire import request_evidence


@check(
    "HTTP014",
    severity=Severity.CRITICAL,
    needs=Mesh.loops.kinds | Mesh.loops_before_gateway.kinds,
    explains={"HTTP009"},
)
def redirect_loop_seen(mesh: Mesh) -> Iterator[Finding]:
    """A request is redirected in circles, by the gateway or by what stands before it.

    Seen on the wire: the redirects led back to an address that was asked before, or there were
    more than ten, and the answer came from the gateway itself: it has no
    `x-envoy-upstream-service-time`. Browsers say ERR_TOO_MANY_REDIRECTS.

    Something before the gateway ends TLS and goes on to a server that redirects (HTTP001,
    HTTP002, HTTP003), or a route redirects https:// to itself (HTTP010, GWAPI005).

    Where the circle shows at the load balancer, or where the host's name leads, and not at the
    pods, TLS ends before the gateway: what was asked over https:// comes to a plain server that
    redirects.

    Fix: that of the finding above this one. Where TLS ends before the gateway: redirect there and
    not in the gateway, or trust that proxy's `X-Forwarded-Proto`.

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
    ```

    ```http bad
    - host: shop.example.com
      server: shop/web/0
      outcome: loop
      steps:
      - {url: "http://shop.example.com/", status: 301, location: "https://shop.example.com/"}
      - {url: "https://shop.example.com/", status: 301, location: "https://shop.example.com/"}
    ```

    Here the load balancer ends TLS:

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

    One redirect, from http:// to https://, is what is wanted:

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
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
        tls: {httpsRedirect: true}
    ```

    ```http good
    - host: shop.example.com
      server: shop/web/0
      steps:
      - {url: "http://shop.example.com/", status: 301, location: "https://shop.example.com/"}
      - {url: "https://shop.example.com/", status: 200}
    ```

    Sources: istio.io, Traffic Management Problems; istio/istio issues 23674, 27315.
    """
    before = mesh.loops_before_gateway()
    for loop in mesh.loops():
        if not loop.step.from_upstream:
            plain = before.get(loop)
            yield Finding(
                message=_message(loop, plain),
                objects=(plain.place if plain else loop.server.place,),
                identity=Identity.of(loop.server.gateway, loop.observation.target.host),
                hosts=frozenset({loop.observation.target.host}),
                evidence=request_evidence(loop.observation.steps),
                fixes=tuple(_fixes(plain)) if plain else (),
                confidence=Confidence.OBSERVED,
                servers=frozenset({loop.server.id, *((plain.server.id,) if plain else ())}),
            )


def _message(loop: Loop, plain: PlainHost | None) -> str:
    step, url = loop.step, loop.observation.target.url
    if plain is None:
        who = "the gateway" if is_own(step) else step.server or "what stands before the gateway"
        return f"{url} ends in a circle: {step.url} is redirected to {step.location} by {who}."
    ends = "TLS ends before the gateway" if is_own(step) else "most likely TLS ends before it"
    return (
        f"{url} ends in a circle at {step.door}, and not at the pods of the gateway: {ends}."
        f" {plain.server} gets in plain HTTP what was asked over https://, and redirects it again."
    )


def _fixes(plain: PlainHost) -> Iterator[Fix]:
    yield redirect_before_the_gateway(plain)
    if plain.redirect is RedirectKind.SERVER:
        yield trust_the_proxy(plain)
