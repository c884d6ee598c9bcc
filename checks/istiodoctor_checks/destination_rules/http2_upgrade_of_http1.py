"""DR012."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, get, remove_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.http2_upgrades import http2_upgrade, upgrades_are_asked_for
from istiodoctor.mesh.configuration.routed_clusters import routed_clusters
from istiodoctor.mesh.configuration.upstream_tls import workloads_behind
from istiodoctor.model.ref import Place
from istiodoctor.model.services import Service
from istiodoctor.text import host_listing


@check("DR012", severity=Severity.LOW, explains={"HTTP015"}, evidence=[workloads_behind])
def http2_upgrade_of_http1(mesh: Mesh) -> Iterator[Finding]:
    """The gateway speaks HTTP/2 to a backend whose port is declared as HTTP/1.1.

    `h2UpgradePolicy: UPGRADE` in a DestinationRule, or in the mesh configuration, makes Envoy
    speak HTTP/2 without TLS to backends. A sidecar understands that, and an application of
    HTTP/1.1 without one closes the connection (503 `UPE`). Requests that change the protocol, as
    WebSockets do with `Upgrade: websocket`, are handed on as an extended CONNECT of HTTP/2, which
    most backends and sidecars do not answer: browsers see the WebSocket fail, while everything
    else works.

    Fix: leave the policy out for such backends, or set `useClientProtocol: true`.

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
      http: [{route: [{destination: {host: shop, port: {number: 80}}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: 8080}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec:
      host: shop
      trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}
    ```

    ```finding
    low, suspected: DestinationRule shop/shop
    spec.trafficPolicy.connectionPool.http.h2UpgradePolicy
    hosts: shop.example.com
    DestinationRule shop/shop spec.trafficPolicy.connectionPool.http.h2UpgradePolicy makes the
    gateway speak HTTP/2 to port 80 of Service shop/shop, which shop.example.com lead to and whose
    port is not declared so: WebSockets and other upgrades fail.
    ```

    A port that is declared as HTTP/2 is meant so:

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
      http: [{route: [{destination: {host: shop, port: {number: 80}}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http2, port: 80, targetPort: 8080}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec:
      host: shop
      trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}
    ```

    Sources: istio/istio, pilot/pkg/networking/core/cluster_traffic_policy.go (`shouldH2Upgrade`);
    Envoy, HTTP upgrades (WebSocket over HTTP/2 hops).
    """
    for routed in routed_clusters(mesh) if upgrades_are_asked_for(mesh) else ():
        service = routed.kubernetes_service
        place = http2_upgrade(mesh, routed.workload, routed.name) if service else None
        if service is None or place is None:
            continue
        is_bare = _has_bare_pods(mesh, service)
        effect = "WebSockets and other upgrades fail"
        if is_bare:
            effect += ", and every request where the application speaks HTTP/1.1 only"
        for use in routed.uses_of("http"):
            hosts = use.virtual_service.spec.hosts
            yield Finding(
                message=(
                    f"{place} makes the gateway speak HTTP/2 to port {routed.name.port} of"
                    f" {service.ref}, which {host_listing(hosts)} lead to and whose port is not"
                    f" declared so: {effect}."
                ),
                objects=(place, service.at("/spec/ports"), use.place),
                identity=Identity.of(place.ref, f"{routed.name.host}:{routed.name.port}"),
                hosts=frozenset(hosts),
                evidence=(Evidence(text=f"{place} is UPGRADE", ref=place.ref),),
                fixes=(_fix(place),),
                severity=Severity.MEDIUM if is_bare else Severity.LOW,
                confidence=Confidence.SUSPECTED,
            )


def _has_bare_pods(mesh: Mesh, service: Service) -> bool:
    """Whether pods of a Service are known that have no sidecar."""
    return any(each.pods and each.proxy is None for each in workloads_behind(mesh, service))


def _fix(place: Place) -> Fix:
    if place.ref.kind == "DestinationRule":
        return remove_field(place, "Speak the HTTP that the port is declared for")
    return Fix(
        title="Set h2UpgradePolicy: DO_NOT_UPGRADE for the backend in a DestinationRule",
        commands=(get(place.ref),),
    )
