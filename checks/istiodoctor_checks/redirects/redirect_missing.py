"""HTTP004."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.redirects import PlainHost
from istiodoctor.mesh.gateways.attachments import Attachment
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.model.observation import HttpStep
from istiodoctor_checks._wire import observed_evidence
from istiodoctor_checks.redirects._http_counterparts import (
    HttpCounterpart,
    attached_http_routes,
    served_in_the_clear,
)
from istiodoctor_checks.redirects._plain_answers import (
    PlainKind,
    from_outside,
    of_kind,
    plain_answers_seen,
)
from istiodoctor_checks.redirects._redirect_route import redirect_by_route


@check("HTTP004", severity=Severity.LOW, evidence=[plain_answers_seen])
def redirect_missing(mesh: Mesh) -> Iterator[Finding]:
    """A host with HTTPS is served in the clear as well, and nothing redirects to HTTPS.

    The gateway has a TLS server for the host and a plain one that answers with the application's
    content: who types the bare name stays on http://.

    Where a proxy or load balancer before the gateway ends TLS or redirects, that is right, and
    `httpsRedirect` in the gateway would make a loop (HTTP001).

    With `--probe`, http:// is asked for at the pods, the load balancer and where the name leads.
    Where something before the gateway is seen to redirect, this is only worth a word.

    Routes of the Gateway API are judged alike: an HTTPRoute without `sectionName` is attached to
    the plain listener as well as to the HTTPS one.

    Fix: `tls: {httpsRedirect: true}` on the plain server, or a redirect rule in the
    VirtualService where some path (an ACME challenge) must stay plain. For a Gateway of the
    Gateway API, an HTTPRoute with a `RequestRedirect` filter on the plain listener, and the
    application's route on the HTTPS listener alone.

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
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    ```finding
    low: Gateway shop/web spec.servers[0].tls.httpsRedirect
    hosts: shop.example.com
    Gateway shop/web server 80 (http) serves shop.example.com in the clear beside Gateway shop/web
    server 443 (https), and nothing redirects it to HTTPS.
    ```

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: web-istio, namespace: shop}
    spec:
      type: LoadBalancer
      selector: {gateway.networking.k8s.io/gateway-name: web}
      ports: [{name: http, port: 80}, {name: https, port: 443}]
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    type: kubernetes.io/tls
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners:
      - {name: http, port: 80, protocol: HTTP}
      - {name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: shop-cert}]}}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{name: web}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: shop, port: 80}]}]
    ```

    ```finding
    low: HTTPRoute shop/shop spec.parentRefs[0]
    hosts: shop.example.com
    HTTPRoute shop/shop on Gateway API Gateway shop/web listener 80 (http) serves shop.example.com
    in the clear beside Gateway API Gateway shop/web listener 443 (https), and nothing redirects it
    to HTTPS.
    ```

    Here a `RequestRedirect` filter answers on the plain listener:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: web-istio, namespace: shop}
    spec:
      type: LoadBalancer
      selector: {gateway.networking.k8s.io/gateway-name: web}
      ports: [{name: http, port: 80}, {name: https, port: 443}]
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    type: kubernetes.io/tls
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners:
      - {name: http, port: 80, protocol: HTTP}
      - {name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: shop-cert}]}}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{name: web, sectionName: https}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: shop, port: 80}]}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: redirect, namespace: shop}
    spec:
      parentRefs: [{name: web, sectionName: http}]
      hostnames: [shop.example.com]
      rules: [{filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]}]
    ```

    A redirect rule that leaves ACME challenges out is a redirect:

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
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http:
      - match: [{port: 80, withoutHeaders: {":path": {prefix: /.well-known/acme-challenge/}}}]
        redirect: {scheme: https}
      - match: [{port: 443}]
        route: [{destination: {host: shop}}]
    ```

    Sources: istio.io, Gateway reference (httpsRedirect) and Secure Gateways;
    gateway-api.sigs.k8s.io, HTTP Redirects and Rewrites.
    """
    for plain, counterpart in served_in_the_clear(mesh):
        tls = counterpart.tls.server
        seen = plain_answers_seen(mesh, plain.workload, plain.host)
        before = from_outside(seen, PlainKind.REDIRECT_BEFORE)
        content = of_kind(seen, PlainKind.CONTENT)
        is_expected = bool(counterpart.fronts or before)
        attached = _attached(mesh, plain)
        yield Finding(
            message=_message(plain, counterpart, attached, before),
            objects=(
                attached.place if attached else plain.server.field("/tls/httpsRedirect"),
                tls.field("/hosts"),
            ),
            identity=Identity.of(attached.route.ref if attached else plain.server.gateway),
            hosts=frozenset({plain.host}),
            evidence=(
                _unredirected(plain, attached),
                *(
                    Evidence(text=f"before the gateway: {front.text}")
                    for front in counterpart.fronts
                ),
                *observed_evidence((*before, *content)),
            ),
            fixes=() if is_expected else (_fix(plain, tls, attached),),
            severity=Severity.INFO if is_expected else None,
            confidence=Confidence.OBSERVED if content else Confidence.CERTAIN,
            servers=frozenset({plain.server.id, tls.id}),
        )


def _attached(mesh: Mesh, plain: PlainHost) -> Attachment | None:
    """Return how the first HTTPRoute that answers is attached; None for an Istio Gateway."""
    if plain.server.api is not GatewayApi.GATEWAY_API:
        return None
    return next(iter(attached_http_routes(mesh, plain)), None)


def _unredirected(plain: PlainHost, attached: Attachment | None) -> Evidence:
    if attached:
        route = attached.route.ref
        return Evidence(text=f"{route} has no RequestRedirect filter to https", ref=route)
    return Evidence(text=f"{plain.server} has no httpsRedirect", ref=plain.server.gateway)


def _message(
    plain: PlainHost,
    counterpart: HttpCounterpart,
    attached: Attachment | None,
    before: tuple[HttpStep, ...],
) -> str:
    what = f"{attached.route.ref} on {plain.server}" if attached else str(plain.server)
    start = f"{what} serves {plain.host} in the clear beside {counterpart.tls.server}"
    if before:
        where = before[0].access_point
        return f"{start}. Something before it redirects: clients at {where} never see it."
    if counterpart.fronts:
        return f"{start}. A redirect belongs before it, in {counterpart.fronts[0].text}."
    return f"{start}, and nothing redirects it to HTTPS."


def _fix(plain: PlainHost, tls: Server, attached: Attachment | None) -> Fix:
    if attached:
        return redirect_by_route(plain, tls, attached)
    server = plain.server
    return set_field(
        server.field("/tls"),
        {"httpsRedirect": True},
        f"Redirect {server} to HTTPS",
        why="Every path of its hosts is redirected, ACME challenges too.",
    )
