"""DR007."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.upstream_tls import upstream_tls
from istiodoctor.text import host_listing
from istiodoctor_checks._destinations import severity_of
from istiodoctor_checks.destination_rules._backend_tls import remove_tls

ORIGINATING = frozenset({"SIMPLE", "MUTUAL"})


@check("DR007", severity=Severity.CRITICAL, explains={"DR011", "HTTP015"})
def double_tls(mesh: Mesh) -> Iterator[Finding]:
    """TLS passes through the gateway, and a DestinationRule wraps it into TLS once more.

    With PASSTHROUGH the gateway forwards what the client encrypted. A DestinationRule with
    `tls.mode` SIMPLE or MUTUAL for the same destination encrypts it again: the backend ends one
    layer, finds another inside and gives up (`WRONG_VERSION_NUMBER`, connection resets).

    Fix: remove `tls` from the DestinationRule, or end TLS at the Gateway.

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
      - port: {number: 443, name: tls, protocol: TLS}
        hosts: [shop.example.com]
        tls: {mode: PASSTHROUGH}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      tls:
      - match: [{sniHosts: [shop.example.com]}]
        route: [{destination: {host: shop}}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: https, port: 443}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: shop, trafficPolicy: {tls: {mode: SIMPLE}}}
    ```

    ```finding
    critical: DestinationRule shop/shop spec.trafficPolicy.tls
    hosts: shop.example.com
    TLS for shop.example.com passes through to shop.shop.svc.cluster.local, and DestinationRule
    shop/shop encrypts it once more (SIMPLE): the backend finds TLS inside TLS and closes the
    connection.
    ```

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
    spec: {selector: {app: shop}, ports: [{name: https, port: 443}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: shop, trafficPolicy: {tls: {mode: SIMPLE}}}
    ```

    Sources: istio.io, Network Problems (Double TLS), Understanding TLS Configuration.
    """
    for upstream in upstream_tls(mesh):
        place, use = upstream.place, upstream.use
        if use.protocol == "tls" and upstream.mode in ORIGINATING and place:
            hosts = use.virtual_service.spec.hosts
            yield Finding(
                message=(
                    f"TLS for {host_listing(hosts)} passes through to {upstream.fqdn}, and"
                    f" {place.ref} encrypts it once more ({upstream.mode}): the backend finds TLS"
                    f" inside TLS and closes the connection."
                ),
                objects=(place, use.place),
                identity=Identity.of(place.ref, upstream.fqdn),
                hosts=frozenset(hosts),
                evidence=(Evidence(text=f"{place} has mode {upstream.mode}", ref=place.ref),),
                fixes=(
                    remove_tls(
                        place,
                        "Forward what the client encrypted",
                        why="Clients in the mesh that relied on it speak plainly from then on.",
                    ),
                ),
                severity=severity_of(use),
            )
