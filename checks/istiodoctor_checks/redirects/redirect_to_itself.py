"""HTTP010."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, json_patch
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.self_redirects import SelfRedirect, self_redirects
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.text import host_listing


@check("HTTP010", severity=Severity.CRITICAL, claims=Claim.REDIRECT_LOOP, explains={"HTTP014"})
def redirect_to_itself(mesh: Mesh) -> Iterator[Finding]:
    """A VirtualService redirects HTTPS requests to HTTPS: a redirect loop.

    A rule with `redirect: {scheme: https}` is meant for plain requests, but the VirtualService is
    bound to the TLS server as well, and nothing in the rule tells the two apart. A request that
    came by HTTPS gets a redirect to the URL it asked for.

    Fix: `match: [{port: 80}]` on the rule, or `httpsRedirect` on the plain server instead of the
    rule.

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
      - {port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.example.com]}
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
      - redirect: {scheme: https}
    ```

    ```finding
    critical: VirtualService shop/shop spec.http[0]
    hosts: shop.example.com
    VirtualService shop/shop answers HTTPS requests for shop.example.com on Gateway shop/web server
    443 (https) with a redirect to the same URL, without end.
    ```

    With a port, or another path, the redirect ends:

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
      - {port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.example.com]}
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
      - match: [{port: 80}]
        redirect: {scheme: https}
      - match: [{uri: {exact: /old}}]
        redirect: {scheme: https, uri: /new}
      - route: [{destination: {host: shop}}]
    ```

    Sources: istio.io, VirtualService reference (HTTPRedirect); istio/istio issue 47881.
    """
    for each in self_redirects(mesh):
        rule, server = each.rule, each.server
        yield Finding(
            message=(
                f"{each.owner} answers HTTPS requests for {host_listing(each.hosts)} on"
                f" {server} with a redirect to the same URL, without end."
            ),
            objects=(rule.place, server.place),
            identity=Identity.of(each.owner),
            hosts=frozenset(each.hosts),
            evidence=(
                Evidence(text=_what_it_says(each), ref=rule.place.ref),
                Evidence(text=f"bound to {server}", ref=server.gateway),
            ),
            fixes=(_limit(each),),
            severity=Severity.CRITICAL if each.is_whole else Severity.HIGH,
            servers=frozenset({server.id}),
        )


def _what_it_says(each: SelfRedirect) -> str:
    redirect = each.rule.rule.redirect
    if redirect and redirect.scheme:
        return f"redirect.scheme is {redirect.scheme}, for any scheme"
    return "redirect names no scheme, so it keeps that of the request"


def _limit(each: SelfRedirect) -> Fix:
    path = each.rule.place.path
    operations = [
        {"op": "add", "path": f"{path}/match/{index}/port", "value": 80}
        for index in range(len(each.rule.rule.match))
    ]
    return json_patch(
        each.rule.place.ref,
        operations or [{"op": "add", "path": f"{path}/match", "value": [{"port": 80}]}],
        "Redirect on port 80 only",
        why="A route for the other requests must follow it.",
    )
