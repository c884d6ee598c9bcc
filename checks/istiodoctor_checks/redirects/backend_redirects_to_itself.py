"""HTTP007."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Fix, Identity, Risk, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.http_answers import loops
from istiodoctor_checks.wire import observed_evidence


@check("HTTP007", severity=Severity.CRITICAL, explains={"HTTP009"})
def backend_redirects_to_itself(mesh: Mesh) -> Iterator[Finding]:
    """The application behind the gateway redirects to the address it was asked by.

    The answer came from behind the gateway: it bears `x-envoy-upstream-service-time`. The
    application believes that it was asked over http:// and sends the client to https://, from
    where the client comes again: ERR_TOO_MANY_REDIRECTS. Argo CD without `--insecure`, Rancher,
    Spring, ASP.NET and many others do that behind a gateway that ends TLS.

    Fix: tell the application that TLS ends before it (its own option), or make it believe
    `X-Forwarded-Proto`, which the gateway sends.

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
      - url: "https://shop.example.com/"
        status: 301
        location: "https://shop.example.com/"
        from_upstream: true
    ```

    An application that redirects elsewhere, and answers there:

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
        status: 302
        location: "https://shop.example.com/login"
        from_upstream: true
      - {url: "https://shop.example.com/login", status: 200, from_upstream: true}
    ```

    Sources: argoproj/argo-cd issues 2953, 12195; rancher/rancher issue 15787.
    """
    for loop in loops(mesh):
        if loop.step.from_upstream and not loop.is_downgrade:
            yield Finding(
                message=(
                    f"The application behind {loop.server} redirects {loop.step.url} to"
                    f" {loop.step.location}: clients go in circles."
                ),
                objects=(loop.server.place,),
                identity=Identity.of(loop.server.gateway, loop.observation.target.host),
                hosts=frozenset({loop.observation.target.host}),
                evidence=observed_evidence(loop.observation.steps),
                fixes=(
                    Fix(
                        title="Tell the application that TLS ends before it",
                        risk=Risk.OUTSIDE_CLUSTER,
                        why="Its own option, such as Argo CD's server.insecure, or belief in"
                        " X-Forwarded-Proto.",
                    ),
                ),
                confidence=Confidence.OBSERVED,
                servers=frozenset({loop.server.id}),
            )
