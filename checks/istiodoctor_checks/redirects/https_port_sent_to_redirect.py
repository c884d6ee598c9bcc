"""HTTP003."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.exposure.http_behind_proxy import SharedTarget, shared_targets
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor_checks.redirects.redirect_fixes import redirect_before_the_gateway

TLS_TARGET = 8443


@check(
    "HTTP003",
    severity=Severity.CRITICAL,
    claims=Claim.REDIRECT_LOOP,
    explains={"GW004", "GW005", "GW021", "HTTP001", "HTTP005", "HTTP014", "SVC015"},
)
def https_port_sent_to_redirect(mesh: Mesh) -> Iterator[Finding]:
    """A Service sends its port 443 to the plain listener that redirects to HTTPS.

    Ports 80 and 443 of the gateway's Service have the same `targetPort`, or a load balancer ends
    TLS on 443 and forwards to it. A client that follows the redirect comes back to the very
    listener that redirected it: without end behind a load balancer that ends TLS, and with "wrong
    version number" where nothing does. The redirect can never succeed.

    Fix: a targetPort of its own for 443 and a TLS server; or, where a load balancer ends TLS, no
    `httpsRedirect` behind it.

    ```yaml bad
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
    critical, suspected: Service istio-system/gateway spec.ports[1].targetPort
    hosts: shop.example.com
    Service istio-system/gateway sends port 443 to 8080, where Gateway shop/web server 80 (http)
    speaks plain HTTP and redirects shop.example.com to HTTPS: the redirect leads back to a port
    that speaks no TLS.
    ```

    A load balancer may end TLS and send both ports to one listener that does not redirect:

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
      annotations:
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
    ```

    Sources: istio.io, Configuring Gateway Network Topology; istio/istio issues 27315, 16778,
    17265.
    """
    for each in shared_targets(mesh):
        plain, service = each.plain, each.service
        target = service.at(f"/spec/ports/{each.index}/targetPort")
        redirect = plain.place
        yield Finding(
            message=_message(each),
            objects=(redirect, target) if each.front else (target, redirect),
            identity=Identity.of(service.ref),
            hosts=frozenset({plain.host}),
            evidence=(
                Evidence(text=f"ports 80 and 443 lead to {plain.listener.port}", ref=service.ref),
                Evidence(text=f"httpsRedirect on {plain.server}", ref=plain.server.gateway),
            ),
            fixes=(
                redirect_before_the_gateway(plain)
                if each.front
                else set_field(
                    target,
                    TLS_TARGET,
                    f"Send port 443 of {service.ref} to a port of its own",
                    why="A server with port 443, protocol HTTPS and tls then listens there.",
                ),
            ),
            confidence=Confidence.CERTAIN if each.is_certain else Confidence.SUSPECTED,
            servers=frozenset({plain.server.id}),
        )


def _message(each: SharedTarget) -> str:
    plain = each.plain
    start = (
        f"{each.service.ref} sends port 443 to {plain.listener.port}, where {plain.server} speaks"
        f" plain HTTP and redirects {plain.host} to HTTPS"
    )
    if each.front:
        return f"{start}: behind {each.front.text} clients are redirected without end."
    return f"{start}: the redirect leads back to a port that speaks no TLS."
