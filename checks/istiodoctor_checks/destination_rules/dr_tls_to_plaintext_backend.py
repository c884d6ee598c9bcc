"""DR002."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.upstream_tls import speaks_plainly, upstream_tls
from istiodoctor.text import host_listing
from istiodoctor_checks._destinations import severity_of
from istiodoctor_checks.destination_rules._backend_tls import remove_tls

ORIGINATING = frozenset({"SIMPLE", "MUTUAL"})


@check("DR002", severity=Severity.CRITICAL, explains={"DR011", "HTTP015"})
def dr_tls_to_plaintext_backend(mesh: Mesh) -> Iterator[Finding]:
    """A DestinationRule makes the gateway speak TLS to a port that speaks plain HTTP.

    Envoy sends a ClientHello, the backend answers in plain text, and requests get 503 (`UF`, with
    `TLS_error: … WRONG_VERSION_NUMBER` in the access log).

    Fix: remove `tls` from the DestinationRule, or give the backend a port that speaks TLS. What a
    port speaks is judged by its name and numbers: TLS to a port that is only named http, with the
    backend on 443 or 8443, is a usual way to originate TLS and is not reported.

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
    spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: 8080}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: shop, trafficPolicy: {tls: {mode: SIMPLE}}}
    ```

    ```finding
    critical, suspected: DestinationRule shop/shop spec.trafficPolicy.tls
    hosts: shop.example.com
    DestinationRule shop/shop makes the gateway speak TLS (SIMPLE) to port 80 of Service shop/shop,
    which looks like plain HTTP (http, targetPort 8080): requests for shop.example.com get 503.
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
    spec:
      selector: {app: shop}
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443}]
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec:
      host: shop
      trafficPolicy:
        tls: {mode: ISTIO_MUTUAL}
        portLevelSettings: [{port: {number: 443}, tls: {mode: SIMPLE}}]
    ```

    Sources: istio.io, DestinationRule (ClientTLSSettings), Understanding TLS Configuration;
    istio/istio issues 25062, 35870.
    """
    for upstream in upstream_tls(mesh):
        service, port = upstream.routed.kubernetes_service, upstream.routed.service_port
        if (
            service and port and upstream.place and upstream.use.protocol == "http"
            and upstream.mode in ORIGINATING and speaks_plainly(port)
        ):  # fmt: skip
            use = upstream.use
            yield Finding(
                message=(
                    f"{upstream.place.ref} makes the gateway speak TLS ({upstream.mode}) to port"
                    f" {port.port} of {service.ref}, which looks like plain HTTP"
                    f" ({port.name or port.app_protocol}, targetPort"
                    f" {port.target_port or port.port}): requests for"
                    f" {host_listing(use.virtual_service.spec.hosts)} get 503."
                ),
                objects=(upstream.place, service.at("/spec/ports"), use.place),
                identity=Identity.of(upstream.place.ref, str(port.port)),
                hosts=frozenset(use.virtual_service.spec.hosts),
                evidence=(Evidence(text=f"{upstream.place} has mode {upstream.mode}"),),
                fixes=(
                    remove_tls(
                        upstream.place,
                        "Send plain HTTP",
                        why="Sidecars still get mutual TLS: istiod sees to that by itself.",
                    ),
                ),
                severity=severity_of(use),
                confidence=Confidence.SUSPECTED,
            )
