"""HTTP021."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence, EvidenceKind
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor_checks.redirects._cached_redirects import forced_hosts
from istiodoctor_checks.redirects.redirect_fixes import serve_https


@check("HTTP021", severity=Severity.HIGH)
def http_only_host_under_hsts_domain(mesh: Mesh) -> Iterator[Finding]:
    """A host is served over plain HTTP only, under a domain whose HSTS includes subdomains.

    Seen on the wire: a host above it answers https:// with `Strict-Transport-Security` and
    `includeSubDomains`. A browser that was there once asks for every host below by https://
    alone, for as long as `max-age` says, and does not let its user pass. No server speaks TLS for
    this host, so those browsers do not reach it, while curl and new browsers do.

    Fix: serve HTTPS for the host; or leave `includeSubDomains` out above, which browsers learn
    only when they come there again.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
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
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [old.example.com]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: old, namespace: shop}
    spec:
      hosts: [old.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    ```http bad
    - host: example.com
      server: shop/web/0
      steps:
      - url: "https://example.com/"
        status: 200
        from_upstream: true
        strict_transport_security: "max-age=31536000; includeSubDomains"
    ```

    ```finding
    high, observed: Gateway shop/web spec.servers[1]
    hosts: old.example.com
    example.com tells browsers to use HTTPS for every host below it. Gateway shop/web server 80
    (http) serves old.example.com in plain HTTP, and nothing speaks TLS for it: browsers that were
    at example.com do not reach it.
    ```

    Without that word it binds the host itself:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
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
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [old.example.com]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: old, namespace: shop}
    spec:
      hosts: [old.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    ```http good
    - host: example.com
      server: shop/web/0
      steps:
      - url: "https://example.com/"
        status: 200
        from_upstream: true
        strict_transport_security: "max-age=31536000"
    ```

    Sources: RFC 6797, HTTP Strict Transport Security, sections 6.1.2 and 8.3.
    """
    for each in forced_hosts(mesh):
        plain = each.plain
        yield Finding(
            message=(
                f"{each.above} tells browsers to use HTTPS for every host below it. {plain.server}"
                f" serves {plain.host} in plain HTTP, and nothing speaks TLS for it: browsers that"
                f" were at {each.above} do not reach it."
            ),
            objects=(plain.server.place,),
            identity=Identity.of(plain.server.gateway, plain.host),
            hosts=frozenset({plain.host}),
            evidence=(
                Evidence(
                    kind=EvidenceKind.HTTP,
                    text=(
                        f"{each.step}, Strict-Transport-Security:"
                        f" {each.step.strict_transport_security}"
                    ),
                    at=each.step.at,
                ),
            ),
            fixes=(serve_https(plain),),
            confidence=Confidence.OBSERVED,
            servers=frozenset({plain.server.id}),
        )
