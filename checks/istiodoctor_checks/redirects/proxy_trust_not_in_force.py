"""HTTP020."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Evidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.header_trust import HeaderTrust, disregarded_topologies
from istiodoctor.model.ref import Place
from istiodoctor_checks.fixes import FETCHED_ANEW, restart
from istiodoctor_checks.wire import observed_evidence


@check("HTTP020", severity=Severity.HIGH, explains={"HTTP014", "HTTP019"})
def proxy_trust_not_in_force(mesh: Mesh) -> Iterator[Finding]:
    """A gateway's pods trust X-Forwarded-Proto otherwise than their configuration says.

    Seen on the wire at the pod: a request that claims to come by https is redirected to https://
    where `numTrustedProxies` is 1 or more, or let pass where it is 0. Pods take `gatewayTopology`
    when they start. It was changed since, in the mesh configuration or the annotation
    `proxy.istio.io/config`, and the pods were not restarted; or an EnvoyFilter sets it.

    As long as they do not trust the header, a proxy that ends TLS before them makes a redirect
    loop. Where they trust it though they should not, the next restart begins that loop, and until
    then any client may claim to have come by https.

    Fix: restart the gateway's pods, once the configuration says what is meant.

    ```yaml bad
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data: {mesh: "defaultConfig: {gatewayTopology: {numTrustedProxies: 1}}"}
    ---
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
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
        tls: {httpsRedirect: true}
    ```

    ```http bad
    - host: shop.example.com
      server: shop/web/0
      forwarded_proto: https
      steps: [{url: "http://shop.example.com/", status: 301, location: "https://shop.example.com/"}]
    - host: shop.example.com
      server: shop/web/0
      forwarded_proto: http
      steps: [{url: "http://shop.example.com/", status: 301, location: "https://shop.example.com/"}]
    ```

    ```yaml good
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data: {mesh: "defaultConfig: {gatewayTopology: {numTrustedProxies: 1}}"}
    ---
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
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
        tls: {httpsRedirect: true}
    ```

    ```http good
    - host: shop.example.com
      server: shop/web/0
      forwarded_proto: https
      steps: [{url: "http://shop.example.com/", status: 404}]
    - host: shop.example.com
      server: shop/web/0
      forwarded_proto: http
      steps: [{url: "http://shop.example.com/", status: 301, location: "https://shop.example.com/"}]
    ```

    Sources: istio.io, Configuring Gateway Network Topology.
    """
    for trust, configured in disregarded_topologies(mesh):
        plain = trust.plain
        yield Finding(
            message=_message(trust, configured),
            objects=(Place(plain.workload.owner), plain.place),
            identity=Identity.of(plain.workload.owner),
            hosts=frozenset({plain.host}),
            evidence=(
                Evidence(text=f"numTrustedProxies of {plain.workload}: {configured}"),
                *observed_evidence(trust.steps),
            ),
            fixes=(restart(plain.workload, why=FETCHED_ANEW),),
            confidence=Confidence.OBSERVED,
            servers=frozenset({plain.server.id}),
        )


def _message(trust: HeaderTrust, configured: int) -> str:
    workload = trust.plain.workload
    start = f"The pods of {workload} should"
    if configured:
        return (
            f"{start} trust X-Forwarded-Proto (numTrustedProxies: {configured}), but redirect what"
            " says https: they run on an older configuration until they restart."
        )
    return (
        f"{start} not trust X-Forwarded-Proto (numTrustedProxies: 0), but let pass what says"
        " https: once they restart, they redirect it."
    )
