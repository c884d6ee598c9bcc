"""REQ001."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import istiodoctor, page
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.requests.hops import HopState
from istiodoctor.mesh.requests.outcomes import AnswerOutcome
from istiodoctor.mesh.requests.unanswered import UnansweredRequest, unanswered_requests
from istiodoctor.model.ref import Place
from istiodoctor.text import listing


@check("REQ001", severity=Severity.CRITICAL, is_last_resort=True)
def unanswered_request(mesh: Mesh) -> Iterator[Finding]:
    """A request is not answered, and no other check says why.

    `GET /` of every host that a server names, or that routes have below its wildcards, is
    followed through the configuration that istiod makes, as `istiodoctor trace` does. Where it
    stops, and no other finding about the host can be the reason, this one names the hop. A 404 of
    a host whose routes are for other paths is no fault.

    A request that an AuthorizationPolicy denies is a hint only: it carries no token and no client
    certificate.

    Fix: `istiodoctor trace` shows the way of the request hop by hop.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
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
      http: [{directResponse: {status: 200}}]
    ```

    ```finding
    critical: Service istio-system/gateway
    hosts: shop.example.com
    https://shop.example.com/ is not answered: it stops at the service: no Service of the pods has
    port 443, only 80.
    ```

    A port that leads to the gateway, and a host that is meant for other paths:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.example.com]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{match: [{uri: {prefix: /api}}], directResponse: {status: 200}}]
    ```

    Source: what real istiod and Envoy have answered (docs/conformance.md).
    """
    for each in unanswered_requests(mesh):
        hop, request = each.hop, each.path.request
        ref = hop.ref or each.server.gateway
        yield Finding(
            message=f"{request.url} {_ends(each)}: {hop.text}.",
            title="A policy denies a request without a token" if each.is_denied else "",
            objects=(Place(ref), each.server.place),
            identity=Identity.of(ref, hop.hop),
            hosts=frozenset({each.host}),
            evidence=tuple(_evidence(each)),
            fixes=(_follow(each),),
            severity=_severity(each),
            servers=frozenset({each.server.id}),
            hop=hop.hop,
        )


def _ends(each: UnansweredRequest) -> str:
    return "is denied" if each.is_denied else f"is not answered: it stops at the {each.hop.hop}"


def _evidence(each: UnansweredRequest) -> Iterator[Evidence]:
    passed = dict.fromkeys(hop.hop for hop in each.path.hops if hop.state is HopState.OK)
    if passed:
        yield Evidence(text=f"Before that it passes: {listing(passed, shown=8)}")


def _severity(each: UnansweredRequest) -> Severity:
    if each.is_denied:
        return Severity.INFO
    if each.path.request.scheme == "http" or each.hop.outcome is AnswerOutcome.NOT_FOUND:
        return Severity.MEDIUM
    return Severity.CRITICAL


def _follow(each: UnansweredRequest) -> Fix:
    request = each.path.request
    return Fix(
        title="Follow the request hop by hop",
        commands=(istiodoctor("trace", page(request.scheme, each.host, request.port)),),
        why="It changes nothing; it shows what every hop before this one does.",
    )
