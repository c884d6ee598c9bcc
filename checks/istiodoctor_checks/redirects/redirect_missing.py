"""HTTP004."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Evidence, Finding, Fix, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.redirects import PlainHost
from istiodoctor.mesh.twins import PlainTwin, served_in_the_clear
from istiodoctor.mesh.wire.plain_answers import (
    PlainKind,
    from_outside,
    of_kind,
    plain_answers_seen,
)
from istiodoctor.model.observation import HttpStep
from istiodoctor_checks.fixes import set_field
from istiodoctor_checks.wire import sightings


@check("HTTP004", severity=Severity.LOW, evidence=[plain_answers_seen])
def redirect_missing(mesh: Mesh) -> Iterator[Finding]:
    """A host with HTTPS is served in the clear as well, and nothing redirects to HTTPS.

    The gateway has a TLS server for the host and a plain one that answers with the application's
    content: who types the bare name stays on http://.

    Where a proxy or load balancer before the gateway ends TLS or redirects, that is right, and
    `httpsRedirect` in the gateway would make a loop (HTTP001).

    With `--probe`, http:// is asked for at the pods, the load balancer and where the name leads.
    Where something before the gateway is seen to redirect, this is only worth a word.

    Fix: `tls: {httpsRedirect: true}` on the plain server, or a redirect rule in the
    VirtualService where some path (an ACME challenge) must stay plain.

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

    Sources: istio.io, Gateway reference (httpsRedirect) and Secure Gateways.
    """
    for plain, twin in served_in_the_clear(mesh):
        tls = twin.tls.server
        seen = plain_answers_seen(mesh, twin.tls.workload, twin.tls.host)
        before = from_outside(seen, PlainKind.REDIRECT_BEFORE)
        content = of_kind(seen, PlainKind.CONTENT)
        is_expected = bool(twin.fronts or before)
        yield Finding(
            message=_message(plain, twin, before),
            objects=(plain.server.field("/tls/httpsRedirect"), tls.field("/hosts")),
            identity=Identity.of(plain.server.gateway),
            hosts=frozenset({twin.tls.host}),
            evidence=(
                Evidence(text=f"{plain.server} has no httpsRedirect", ref=plain.server.gateway),
                *(Evidence(text=f"before the gateway: {front.text}") for front in twin.fronts),
                *sightings((*before, *content)),
            ),
            fixes=() if is_expected else tuple(_fixes(plain)),
            severity=Severity.INFO if is_expected else None,
            confidence=Confidence.OBSERVED if content else Confidence.CERTAIN,
            servers=frozenset({plain.server.id, tls.id}),
        )


def _message(plain: PlainHost, twin: PlainTwin, before: tuple[HttpStep, ...]) -> str:
    start = f"{plain.server} serves {twin.tls.host} in the clear beside {twin.tls.server}"
    if before:
        return f"{start}. Something before it redirects: clients at {before[0].door} never see it."
    if twin.fronts:
        return f"{start}. A redirect belongs before it, in {twin.fronts[0].text}."
    return f"{start}, and nothing redirects it to HTTPS."


def _fixes(plain: PlainHost) -> Iterator[Fix]:
    server = plain.server
    yield set_field(
        server.field("/tls"),
        {"httpsRedirect": True},
        f"Redirect {server} to HTTPS",
        why="Every path of its hosts is redirected, ACME challenges too.",
    )
