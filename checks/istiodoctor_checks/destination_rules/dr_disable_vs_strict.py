"""DR003."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.upstream_tls import (
    UpstreamTls,
    strict_policy,
    upstream_tls,
    workloads_behind,
)
from istiodoctor.mesh.workloads.service_ports import target_port
from istiodoctor.model.istio import PeerAuthentication
from istiodoctor.text import host_listing
from istiodoctor_checks._destinations import severity_of
from istiodoctor_checks.destination_rules._backend_tls import remove_tls

WITHOUT_MESH = frozenset({"DISABLE", "SIMPLE", "MUTUAL"})
"""Modes that do not present the mesh's own certificate."""


@check("DR003", severity=Severity.CRITICAL, explains={"HTTP015"})
def dr_disable_vs_strict(mesh: Mesh) -> Iterator[Finding]:
    """A DestinationRule turns mesh TLS off for a backend that takes nothing else.

    With PeerAuthentication STRICT the backend's sidecar accepts only mutual TLS of the mesh. A
    DestinationRule with `tls.mode` DISABLE (or SIMPLE, or a `tls` without a mode) makes the
    gateway send something else: the sidecar closes the connection and requests get 503 (`UF`,
    `UC`).

    Fix: remove `tls` from the DestinationRule, or set ISTIO_MUTUAL. istiod chooses mutual TLS by
    itself where the backend has a sidecar.

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
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: shop-0, namespace: shop, labels: {app: shop}}
    spec: {containers: [{name: shop}, {name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: shop, trafficPolicy: {tls: {mode: DISABLE}}}
    ---
    apiVersion: security.istio.io/v1
    kind: PeerAuthentication
    metadata: {name: default, namespace: istio-system}
    spec: {mtls: {mode: STRICT}}
    ```

    ```finding
    critical: DestinationRule shop/shop spec.trafficPolicy.tls
    hosts: shop.example.com
    DestinationRule shop/shop sets tls mode DISABLE for Service shop/shop, but PeerAuthentication
    istio-system/default makes its sidecars take mutual TLS of the mesh alone (STRICT): requests
    for shop.example.com get 503.
    ```

    An exception for the namespace or for the port counts before the mesh's STRICT:

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
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: shop-0, namespace: shop, labels: {app: shop}}
    spec: {containers: [{name: shop}, {name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: shop, trafficPolicy: {tls: {mode: DISABLE}}}
    ---
    apiVersion: security.istio.io/v1
    kind: PeerAuthentication
    metadata: {name: default, namespace: istio-system}
    spec: {mtls: {mode: STRICT}}
    ---
    apiVersion: security.istio.io/v1
    kind: PeerAuthentication
    metadata: {name: shop, namespace: shop}
    spec:
      selector: {matchLabels: {app: shop}}
      portLevelMtls: {"80": {mode: PERMISSIVE}}
    ```

    Sources: istio.io, Network Problems (503 errors after setting destination rule), Mutual TLS
    Migration.
    """
    for upstream in upstream_tls(mesh):
        policy = _refusing(mesh, upstream) if upstream.mode in WITHOUT_MESH else None
        service, place = upstream.routed.kubernetes_service, upstream.place
        if policy and service and place:
            hosts = upstream.use.virtual_service.spec.hosts
            yield Finding(
                message=(
                    f"{place.ref} sets tls mode {upstream.mode} for {service.ref}, but"
                    f" {policy.ref} makes its sidecars take mutual TLS of the mesh alone"
                    f" (STRICT): requests for {host_listing(hosts)} get 503."
                ),
                objects=(place, policy.at("/spec/mtls"), service.at(), upstream.use.place),
                identity=Identity.of(place.ref, upstream.fqdn),
                hosts=frozenset(hosts),
                evidence=(
                    Evidence(text=f"{place} has mode {upstream.mode}", ref=place.ref),
                    Evidence(text=f"{policy.ref} has mode STRICT", ref=policy.ref),
                ),
                fixes=(remove_tls(place, "Leave TLS to istiod"),),
                severity=severity_of(upstream.use),
            )


def _refusing(mesh: Mesh, upstream: UpstreamTls) -> PeerAuthentication | None:
    service, port = upstream.routed.kubernetes_service, upstream.routed.service_port
    if service is None or port is None:
        return None
    for backend in workloads_behind(mesh, service):
        policy = (
            strict_policy(mesh, backend, target_port(port, backend)) if backend.proxy else None
        )
        if policy:
            return policy
    return None
