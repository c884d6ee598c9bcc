"""GW025."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import remove_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.tls_faults import failing_servers
from istiodoctor.mesh.workloads.control_planes import istiod_version


@check("GW025", severity=Severity.CRITICAL, explains={"GW023", "SNI011"})
def tls_settings_unusable(mesh: Mesh) -> Iterator[Finding]:
    """No handshake with a server can succeed, by the TLS settings that it has.

    A `maxProtocolVersion` below `minProtocolVersion`, or below TLS 1.2, which is Envoy's oldest
    version where a server says none; cipher suites of which operators leave none (`!ALL`), or that
    Envoy does not know behind an operator; curves that Envoy does not know. Neither istiod's
    validation nor istiod itself looks at any of these. The port is open, and Envoy resets every
    connection for the hosts of the server: for suites and curves it refuses the Secret when it
    arrives, and logs `Failed to initialize cipher suites` or `Failed to initialize ECDH curves`.

    Fix: remove the setting; the defaults are good.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls:
          mode: SIMPLE
          credentialName: shop-cert
          maxProtocolVersion: TLSV1_1
          cipherSuites: [ECDHE-ECDSA-AES128-SHA]
    ```

    ```finding
    critical: Gateway shop/web spec.servers[0].tls.maxProtocolVersion
    hosts: shop.example.com
    Every TLS handshake with Gateway shop/web server 443 (https) fails: it permits TLSV1_1 at most
    and TLSV1_2 at least, which is Envoy's oldest by default.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls:
          mode: SIMPLE
          credentialName: shop-cert
          minProtocolVersion: TLSV1_1
          maxProtocolVersion: TLSV1_2
          cipherSuites: [ECDHE-ECDSA-AES128-SHA, "-AES128-SHA"]
    ```

    Sources: istio.io, Gateway, ServerTLSSettings; pilot/pkg/networking/core/listener.go
    (applyServerTLSSettings); Envoy, TlsParameters.
    """
    for failing in failing_servers(mesh):
        server, fault = failing.server, failing.fault
        is_of_new_releases = fault.field == "/tls/ecdhCurves"
        is_known = not is_of_new_releases or istiod_version(mesh, failing.workload) is not None
        yield Finding(
            message=f"Every TLS handshake with {server} fails: {fault.text}.",
            objects=(server.field(fault.field),),
            identity=Identity.of(server.gateway, server.names[0] if server.names else ""),
            hosts=frozenset(server.names),
            evidence=(Evidence(text=fault.text, ref=server.gateway),),
            fixes=(remove_field(server.field(fault.field), "Keep to the defaults"),),
            confidence=Confidence.CERTAIN if is_known else Confidence.SUSPECTED,
            servers=frozenset({server.id}),
        )
