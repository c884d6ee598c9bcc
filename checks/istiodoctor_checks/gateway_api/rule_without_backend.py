"""GWAPI019."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, get
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.api_filters import REDIRECT
from istiodoctor.mesh.gateways.attachments import Attachment, AttachmentState, attachments
from istiodoctor.mesh.workloads.api_releases import gateway_api_support
from istiodoctor.model.gatewayapi import HttpRoute, HttpRouteRule
from istiodoctor.model.grpcroute import GrpcRoute, GrpcRouteRule
from istiodoctor.text import host_listing
from istiodoctor_checks.gateway_api._listeners import hosts_of

NO_WEIGHT = 500
"""What a rule answers whose backends have no weight (conversion.go:230)."""


@check("GWAPI019", severity=Severity.MEDIUM)
def rule_without_backend(mesh: Mesh) -> Iterator[Finding]:
    """A rule of an HTTPRoute or GRPCRoute names no backend and answers an error.

    A rule that neither redirects nor has a backend with a weight above 0 is answered by Envoy
    itself, with 500 (with 404 before Istio 1.31 where it names none at all). Mostly `backendRefs`
    is missing, or stands at the wrong depth, where the API server drops it.

    Fix: name a backend, or remove the rule.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.31.0"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{name: web}]
      hostnames: [shop.example.com]
      rules:
      - matches: [{path: {type: PathPrefix, value: /}}]
      - matches: [{path: {type: PathPrefix, value: /old}}]
        backendRefs: [{name: shop, port: 80, weight: 0}]
    ```

    ```finding
    medium: HTTPRoute shop/shop spec.rules[0]
    hosts: shop.example.com
    HTTPRoute shop/shop spec.rules[0] names no backend and does not redirect: requests for
    shop.example.com that take it get 500.

    medium: HTTPRoute shop/shop spec.rules[1]
    hosts: shop.example.com
    HTTPRoute shop/shop spec.rules[1] gives none of its backends a weight and does not redirect:
    requests for shop.example.com that take it get 500.
    ```

    A redirect needs none, and another backend may have all the weight:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.31.0"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{name: web}]
      hostnames: [shop.example.com]
      rules:
      - matches: [{path: {type: PathPrefix, value: /old}}]
        filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]
      - backendRefs: [{name: shop, port: 80, weight: 1}, {name: next, port: 80, weight: 0}]
    ```

    Sources: istio/istio, pilot/pkg/config/kube/gateway/conversion.go:230, 327;
    gateway-api.sigs.k8s.io, API reference (HTTPRouteRule).
    """
    told: set[tuple[str, int]] = set()
    for attachment in attachments(mesh):
        if attachment.state is not AttachmentState.ATTACHED:
            continue
        for index, is_named in _rules_without_backend(attachment):
            route = attachment.route
            if (route.ref.path, index) in told:
                continue
            told.add((route.ref.path, index))
            place = route.at(f"/spec/rules/{index}")
            lack = "gives none of its backends a weight" if is_named else "names no backend"
            status = NO_WEIGHT if is_named else gateway_api_support(mesh).status_without_backends
            hosts = hosts_of(attachment)
            yield Finding(
                message=(
                    f"{place} {lack} and does not redirect: requests for"
                    f" {host_listing(sorted(hosts))} that take it get {status}."
                ),
                objects=(place,),
                identity=Identity.of(route.ref),
                hosts=hosts,
                evidence=(Evidence(text=f"{place} {lack}", ref=route.ref),),
                fixes=(
                    Fix(
                        title="Name a backend in the rule, or remove the rule",
                        commands=(get(route.ref),),
                        why="Where its requests are to go is not known.",
                    ),
                ),
                servers=frozenset(each.id for each in attachment.servers),
            )


def _rules_without_backend(attachment: Attachment) -> Iterator[tuple[int, bool]]:
    """Yield the index of each such rule, and whether it names backends, all of weight 0."""
    route = attachment.route
    if not isinstance(route, HttpRoute | GrpcRoute):
        return
    rules: tuple[HttpRouteRule | GrpcRouteRule, ...] = route.spec.rules
    for index, rule in enumerate(rules):
        is_weighted = any(each.weight for each in rule.backend_refs)
        if not is_weighted and not any(each.type == REDIRECT for each in rule.filters):
            yield index, bool(rule.backend_refs)
