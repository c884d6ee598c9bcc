"""GW013."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.exposure.services import knows_services, port_routes
from istiodoctor.mesh.gateways.merging import DropReason
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing
from istiodoctor_checks.gateways._dropped_servers import dropped_servers


@check(
    "GW013",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"CM007", "GW012", "GW022", "HTTP001", "HTTP005", "SNI012", "SVC003", "SVC014"},
)
def privileged_port_skipped(mesh: Mesh) -> Iterator[Finding]:
    """A gateway may not open ports below 1024, so istiod skips the server.

    The Service sends its port 443 to 443 in the pod (or no Service has the port), and the pods
    say `ISTIO_META_UNPRIVILEGED_POD=true`: they cannot bind ports below 1024. istiod then makes
    no listener ("skipping privileged gateway port 443 for node … as it is an unprivileged pod"),
    and connections are refused.

    Fix: a targetPort of 1024 or more, such as 8443: Envoy listens where the Service points.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router],
      env: [{name: ISTIO_META_UNPRIVILEGED_POD, value: "true"}]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 443}]
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
    ```

    ```finding
    critical: Service istio-system/gateway spec.ports[1].targetPort
    hosts: shop.example.com
    Gateway shop/web server 443 (https) would listen on port 443 of Pod istio-system/gateway, which
    may not open ports below 1024: istiod skips it, and connections for shop.example.com are
    refused.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router],
      env: [{name: ISTIO_META_UNPRIVILEGED_POD, value: "true"}]}]}
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
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    Sources: istio.io, Installing Gateways; pilot/pkg/networking/core; istio/istio issues 32931,
    38295, 44372.
    """
    for dropped_server in dropped_servers(mesh):
        dropped = dropped_server.dropped
        server = dropped.server
        if dropped.reason is DropReason.PRIVILEGED_PORT:
            routes = [
                each
                for each in port_routes(mesh, dropped.workload)
                if each.port.port == server.port and each.target == dropped.port
            ]
            targets = [
                each.service.at(
                    f"/spec/ports/{each.service.spec.ports.index(each.port)}/targetPort"
                )
                for each in routes
            ]
            yield Finding(
                message=(
                    f"{server} would listen on port {dropped.port} of {dropped.workload}, which"
                    " may not open ports below 1024: istiod skips it, and connections for"
                    f" {host_listing(server.names)} are refused."
                ),
                objects=(*targets, server.field("/port/number"), Place(dropped.workload.owner)),
                identity=Identity.of(dropped.workload.owner, str(server.port)),
                hosts=frozenset(server.names),
                evidence=(
                    Evidence(
                        text="ISTIO_META_UNPRIVILEGED_POD is true", ref=dropped.workload.owner
                    ),
                ),
                fixes=tuple(_redirect_port(server, place) for place in targets),
                severity=_severity(server, is_led_to=bool(routes)),
                confidence=Confidence.CERTAIN
                if knows_services(mesh, dropped.workload.namespace)
                else Confidence.SUSPECTED,
                servers=frozenset({server.id}),
            )


def _severity(server: Server, *, is_led_to: bool) -> Severity:
    if server.is_tls:
        return Severity.CRITICAL
    if is_led_to:
        return Severity.HIGH
    # Where no Service has the port, nobody was meant to come that way.
    return Severity.LOW if server.https_redirect else Severity.MEDIUM


def _redirect_port(server: Server, place: Place) -> Fix:
    port = 8443 if server.is_tls else 8080
    return set_field(place, port, f"Send port {server.port} of {place.ref} to {port}")
