"""GWAPI005."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.self_redirects import RedirectLoop, api_redirect_loops
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing


@check("GWAPI005", severity=Severity.CRITICAL, claims=Claim.REDIRECT_LOOP, explains={"HTTP014"})
def redirect_on_both_listeners(mesh: Mesh) -> Iterator[Finding]:
    """A redirect to https is attached to the HTTPS listener too, and leads to itself.

    A route whose `parentRefs` entry has no `sectionName` attaches to every listener of the
    Gateway. A RequestRedirect to https then also answers requests that came by https, with a
    redirect to the same address: browsers give up with too many redirects. So does one that names
    no scheme, since it keeps that of the request.

    Fix: attach the redirect to the plain listener (`sectionName: http`) and the application's
    route to the HTTPS listener.

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
    metadata: {name: redirect, namespace: shop}
    spec:
      parentRefs: [{name: web}]
      hostnames: [shop.example.com]
      rules: [{filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]}]
    ```

    ```finding
    critical: HTTPRoute shop/redirect spec.parentRefs[0]
    hosts: shop.example.com
    HTTPRoute shop/redirect redirects to https and is attached to Gateway API Gateway shop/web
    listener 443 (https) too: requests for shop.example.com that already came by https are
    redirected to themselves without end.
    ```

    A redirect to another host ends there:

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
    metadata: {name: redirect, namespace: shop}
    spec:
      parentRefs: [{name: web, sectionName: http}]
      hostnames: [shop.example.com]
      rules: [{filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: apex, namespace: shop}
    spec:
      parentRefs: [{name: web}]
      hostnames: [example.com]
      rules:
      - filters:
        - type: RequestRedirect
          requestRedirect: {scheme: https, hostname: shop.example.com}
    ```

    Sources: gateway-api.sigs.k8s.io, HTTP Redirects and Rewrites; istio/istio issue 47881.
    """
    for loop in api_redirect_loops(mesh):
        route = loop.attachment.route
        yield Finding(
            message=(
                f"{route.ref} redirects to https and is attached to {listing(loop.servers)} too:"
                f" requests for {host_listing(loop.hosts)} that already came by https are"
                f" redirected to themselves without end."
            ),
            objects=(
                loop.attachment.place,
                *(Place(each.ref, f"{each.path}/filters") for each in loop.rules),
                *(each.place for each in loop.servers),
            ),
            identity=Identity.of(route.ref),
            hosts=frozenset(loop.hosts),
            evidence=(Evidence(text=f"{loop.attachment.place} names no listener", ref=route.ref),)
            if not loop.attachment.parent_reference.section_name
            else (),
            fixes=tuple(_fixes(loop)),
            severity=None if loop.is_whole else Severity.HIGH,
            servers=frozenset(each.id for each in loop.servers),
        )


def _fixes(loop: RedirectLoop) -> Iterator[Fix]:
    plain = [each for each in loop.attachment.servers if each.is_plain_http]
    place = loop.attachment.place
    if loop.is_whole and plain:
        yield set_field(
            Place(place.ref, f"{place.path}/sectionName"),
            plain[0].section_name,
            f"Attach the redirect to the listener {plain[0].section_name} alone",
            why="Another route must answer for the hosts on the HTTPS listener.",
        )
    else:
        yield Fix(
            title="Put the redirect into a route of its own for the plain listener",
            why="Its parentRefs entry names that listener in sectionName.",
        )
