"""GWAPI004."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import remove_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.conditions import route_condition
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.text import host_listing, listing
from istiodoctor_checks.gateway_api._listeners import hosts_of, places_of, status_evidence
from istiodoctor_checks.gateway_api._refused_references import refused_routes


@check(
    "GWAPI004",
    severity=Severity.CRITICAL,
    claims=Claim.NOT_FOUND,
    explains={"CM020", "GWAPI016", "GWAPI017", "HTTP017"},
)
def hostname_mismatch(mesh: Mesh) -> Iterator[Finding]:
    """A route's hostnames meet none of the listeners that it wants to attach to.

    A route attaches to a listener only if a hostname of one is a hostname of the other, or lies
    under its wildcard. `*.example.com` takes `www.example.com` but not `example.com`. Otherwise
    `Accepted` is False (`NoMatchingListenerHostname`) and its hosts find no listener, or get 404.

    Fix: add a listener for the hostname, or correct the one that is misspelt.

    ```yaml bad
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
      listeners: [{name: http, hostname: "*.example.com", port: 80, protocol: HTTP}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{name: web}]
      hostnames: [example.com]
      rules: [{backendRefs: [{name: shop, port: 80}]}]
    ```

    ```finding
    critical: HTTPRoute shop/shop spec.hostnames
    hosts: example.com
    HTTPRoute shop/shop is for example.com, but Gateway API Gateway shop/web listener 80 (http) is
    for *.example.com: they have no name in common, and the route is not attached.
    ```

    A route without hostnames takes those of the listener, and one that fits is enough:

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
      listeners: [{name: http, hostname: "*.example.com", port: 80, protocol: HTTP}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: every, namespace: shop}
    spec:
      parentRefs: [{name: web}]
      rules: [{backendRefs: [{name: shop, port: 80}]}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{name: web}]
      hostnames: [example.com, shop.example.com]
      rules: [{backendRefs: [{name: shop, port: 80}]}]
    ```

    Sources: gateway-api.sigs.k8s.io, HTTP Routing and the API reference (`hostnames`).
    """
    for refused in refused_routes(mesh):
        attachment = refused.attachment
        route, servers = attachment.route, attachment.candidates
        if not (refused.is_by_namespace or refused.is_by_kind):
            names = host_listing(name for each in servers for name in each.names)
            hosts = hosts_of(attachment)
            yield Finding(
                message=(
                    f"{route.ref} is for {host_listing(sorted(hosts))}, but {listing(servers)} is"
                    f" for {names}: they have no name in common, and the route is not attached."
                ),
                objects=(route.at("/spec/hostnames"), *places_of(servers, "/hostname")),
                identity=Identity.of(route.ref, attachment.parent.path),
                hosts=hosts,
                evidence=status_evidence(route_condition(mesh, attachment, "Accepted"), route.ref),
                fixes=tuple(
                    remove_field(
                        server.field("/hostname"),
                        f"Let {server} take every host",
                        why=(
                            "Its certificate must cover the hosts. Another listener with the"
                            " hostname is the narrower way."
                        ),
                    )
                    for server in servers[:1]
                ),
                severity=Severity.HIGH if refused.has_other else None,
                servers=frozenset(each.id for each in servers),
            )
