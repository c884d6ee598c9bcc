"""HTTP009."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor_checks._wire import observed_evidence
from istiodoctor_checks.redirects._cached_redirects import remembered_loops


@check("HTTP009", severity=Severity.INFO)
def cached_redirect_loop(mesh: Mesh) -> Iterator[Finding]:
    """Browsers keep following a cached redirect loop after it is fixed.

    A browser keeps a redirect with status 301 or 308, and `Strict-Transport-Security`, and does
    not ask again. Who was caught in this loop may stay in it, while curl and a private window
    show that all is well.

    Fix: after the loop itself is mended, look with curl or in a private window; browsers forget
    the redirect when their cache is emptied. Redirect with 302 while you try things out.

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

    ```finding
    info, observed: Gateway shop/web spec.servers[0]
    hosts: shop.example.com
    Browsers keep the answer of http://shop.example.com/ (301): those that were caught in the loop
    may go on in it after it is mended. curl and a private window tell.
    ```

    A redirect that leads somewhere may be kept:

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
      - url: "https://shop.example.com/"
        status: 200
        strict_transport_security: "max-age=31536000"
    ```

    Sources: RFC 9110, HTTP Semantics, section 15.4.2; RFC 6797, HTTP Strict Transport Security.
    """
    for each in remembered_loops(mesh):
        server, host = each.loop.server, each.loop.observation.target.host
        kept = each.steps[0]
        word = str(kept.status) if kept.location else "Strict-Transport-Security"
        yield Finding(
            message=(
                f"Browsers keep the answer of {kept.url} ({word}): those that were caught in the"
                " loop may go on in it after it is mended. curl and a private window tell."
            ),
            objects=(server.place,),
            identity=Identity.of(server.gateway, host),
            hosts=frozenset({host}),
            evidence=observed_evidence(each.steps),
            confidence=Confidence.OBSERVED,
            servers=frozenset({server.id}),
        )
