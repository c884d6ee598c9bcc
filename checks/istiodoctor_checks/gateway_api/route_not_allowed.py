"""GWAPI003."""

from collections.abc import Iterator
from typing import Any

from istiodoctor.check import check
from istiodoctor.command import kubectl, labels
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, json_patch, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.attachments import Attachment
from istiodoctor.mesh.gateways.conditions import route_condition
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.labels import NAME_LABEL
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.kind import CORE, GATEWAY_API, Kind
from istiodoctor.model.ref import Ref
from istiodoctor.text import listing
from istiodoctor_checks.gateway_api._listeners import hosts_of, places_of, status_evidence
from istiodoctor_checks.gateway_api._refused_references import RefusedRoute, refused_routes


@check(
    "GWAPI003",
    severity=Severity.CRITICAL,
    claims=Claim.NOT_FOUND,
    explains={"CM020", "GWAPI016", "GWAPI017", "HTTP017"},
)
def route_not_allowed(mesh: Mesh) -> Iterator[Finding]:
    """A route may not attach to its Gateway, which takes none from the route's namespace.

    A listener takes routes from its own namespace alone unless `allowedRoutes.namespaces` says
    otherwise, and where `allowedRoutes.kinds` is set, routes of those kinds alone. Any other
    route stays unattached (`Accepted` is False, reason
    `NotAllowedByListeners`), and its hosts get 404.

    Fix: name the namespace in the listener's `allowedRoutes`, or move the route.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: istio-ingress
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: istio-ingress}
    spec:
      gatewayClassName: istio
      listeners: [{name: http, port: 80, protocol: HTTP}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{name: web, namespace: istio-ingress}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: shop, port: 80}]}]
    ```

    ```finding
    critical: Gateway API Gateway istio-ingress/web spec.listeners[0].allowedRoutes.namespaces
    hosts: shop.example.com
    HTTPRoute shop/shop wants to attach to Gateway API Gateway istio-ingress/web, but Gateway API
    Gateway istio-ingress/web listener 80 (http) takes no routes from the namespace shop: requests
    for shop.example.com get 404.
    ```

    A listener of a protocol that istiod does not serve takes no route, whatever it allows: that is
    GWAPI013.

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners:
      - name: https
        port: 443
        protocol: https
        tls: {certificateRefs: [{name: shop-cert}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{name: web}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: shop, port: 80}]}]
    ```

    A selector of labels permits too:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: istio-ingress
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: istio-ingress}
    spec:
      gatewayClassName: istio
      listeners:
      - {name: private, port: 80, protocol: HTTP}
      - name: public
        port: 8080
        protocol: HTTP
        allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {public: "yes"}}}}
    ---
    apiVersion: v1
    kind: Namespace
    metadata: {name: shop, labels: {public: "yes"}}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{name: web, namespace: istio-ingress}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: shop, port: 80}]}]
    ```

    Sources: gateway-api.sigs.k8s.io, Cross-Namespace Routing; istio.io, Kubernetes Gateway API.
    """
    for refused in refused_routes(mesh):
        attachment = refused.attachment
        route, servers = attachment.route, _refusing(refused)
        if refused.is_by_namespace or refused.is_by_kind:
            pointer = "/allowedRoutes/" + ("kinds" if refused.is_by_kind else "namespaces")
            allow = _allow_kind if refused.is_by_kind else _allow
            yield Finding(
                message=(
                    f"{route.ref} wants to attach to {attachment.parent}, but"
                    f" {listing(servers)} takes no {_what(refused)}: {_consequence(attachment)}."
                ),
                objects=(*places_of(servers, pointer), attachment.place),
                identity=Identity.of(route.ref, attachment.parent.path),
                hosts=hosts_of(attachment),
                evidence=status_evidence(route_condition(mesh, attachment, "Accepted"), route.ref),
                fixes=tuple(allow(server, attachment) for server in servers),
                severity=Severity.HIGH if refused.has_other else None,
                servers=frozenset(each.id for each in servers),
            )


def _refusing(refused: RefusedRoute) -> tuple[Server, ...]:
    """Return the listeners that keep the route out, where some of those that fit let it in."""
    attachment = refused.attachment
    namespace, kind = attachment.route.namespace, attachment.route.KIND.value.kind
    found = tuple(
        each
        for each in attachment.candidates
        if (refused.is_by_kind and kind not in each.route_kinds)
        or (
            refused.is_by_namespace
            and each.allowed_routes
            and each.allowed_routes.names is not None
            and namespace not in each.allowed_routes.names
        )
    )
    return found or attachment.candidates


def _what(refused: RefusedRoute) -> str:
    route = refused.attachment.route
    if refused.is_by_kind:
        return f"{route.KIND.value.kind}s"
    return f"routes from the namespace {route.namespace}"


def _consequence(attachment: Attachment) -> str:
    hosts = listing(sorted(hosts_of(attachment)))
    if attachment.route.KIND in (Kind.HTTP_ROUTE, Kind.GRPC_ROUTE):
        return f"requests for {hosts} get 404"
    return f"connections for {hosts} are not handed on"


def _allow_kind(server: Server, attachment: Attachment) -> Fix:
    kind = attachment.route.KIND.value.kind
    return json_patch(
        server.gateway,
        [
            {
                "op": "add",
                "path": f"{server.path}/allowedRoutes/kinds/-",
                "value": {"group": GATEWAY_API, "kind": kind},
            }
        ],
        f"Let {server} take {kind}s",
    )


def _allow(server: Server, attachment: Attachment) -> Fix:
    namespace = attachment.route.namespace
    allowed = server.allowed_routes
    if allowed and allowed.policy == "Selector" and allowed.selector:
        given = labels(allowed.selector.match_labels)
        ref = Ref(CORE, "Namespace", "", namespace)
        return Fix(
            title=f"Give the namespace {namespace} the labels that {server} asks for",
            commands=(kubectl("label", ref, given),),
            verify=kubectl("get", ref, "--show-labels"),
        )
    names = sorted({namespace, server.namespace} if _takes_own(server) else {namespace})
    requirement = {"key": NAME_LABEL, "operator": "In", "values": names}
    value: dict[str, Any] = {
        "namespaces": {"from": "Selector", "selector": {"matchExpressions": [requirement]}}
    }
    return set_field(
        server.field("/allowedRoutes"),
        value,
        f"Let {server} take routes from {namespace}",
        why="`from: All` would take them from every namespace. Keep `kinds` if it is set.",
    )


def _takes_own(server: Server) -> bool:
    return not server.allowed_routes or server.allowed_routes.policy == "Same"
