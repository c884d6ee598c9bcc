"""SDS004."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import istioctl, kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.logs.proxy_logs import Disconnection, disconnections
from istiodoctor.model.ref import Place


@check(
    "SDS004",
    severity=Severity.HIGH,
    explains={
        "CERT018",
        "GW022",
        "GW023",
        "HTTP018",
        "MTLS015",
        "MTLS016",
        "SDS002",
        "SDS008",
        "SDS013",
        "SDS014",
        "SDS015",
        "SDS016",
        "SNI011",
    },
)
def gateway_disconnected_from_istiod(mesh: Mesh) -> Iterator[Finding]:
    """A gateway pod has lost its connection to istiod.

    The pod goes on with what it has: routes and certificates of the moment when the connection
    was lost. New hosts, changed routes and renewed certificates do not arrive, and a pod that
    restarts without istiod has nothing at all.

    istiod is down or not reachable (network policy, DNS), its certificate or the mesh's root has
    expired, or the pod's token is not accepted. The lines in the gateway's log say which.

    Fix: restore the connection; `istioctl proxy-status` without a pod's name shows who is
    connected.

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
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```log bad istio-system/gateway/istio-proxy
    2026-03-01T11:20:00.000000Z	info	xdsproxy	connected to delta upstream XDS server: istiod.istio-system.svc:15012
    2026-03-01T11:40:00.000000Z	warning	envoy config external/envoy/grpc_stream.h:188	StreamAggregatedResources gRPC config stream to xds-grpc closed: 14, connection error: desc = "transport: authentication handshake failed: x509: certificate has expired"
    2026-03-01T11:58:00.000000Z	warning	envoy config external/envoy/grpc_stream.h:188	StreamAggregatedResources gRPC config stream to xds-grpc closed: 14, connection error: desc = "transport: authentication handshake failed: x509: certificate has expired"
    ```

    ```finding
    high, observed: Pod istio-system/gateway
    hosts: shop.example.com
    Pod istio-system/gateway has not heard from istiod since 2026-03-01 11:40 UTC: connection
    error: desc = "transport: authentication handshake failed: x509: certificate has expired". New
    routes and renewed certificates do not reach it.
    ```

    istiod ends every stream after half an hour, and a pod that reconnects is well:

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
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```log good istio-system/gateway/istio-proxy
    2026-03-01T11:30:00.000000Z	warning	envoy config external/envoy/grpc_stream.h:155	StreamAggregatedResources gRPC config stream to xds-grpc closed: 13,
    2026-03-01T11:40:00.000000Z	warning	envoy config external/envoy/grpc_stream.h:188	StreamAggregatedResources gRPC config stream to xds-grpc closed: 14, connection error: desc = "transport: authentication handshake failed: x509: certificate has expired"
    2026-03-01T11:40:05.000000Z	info	xdsproxy	connected to delta upstream XDS server: istiod.istio-system.svc:15012
    ```

    Sources: istio/istio issues 11763, 26413; istio.io, Proxy status.
    """  # noqa: E501 - lines of logs are shown whole
    for lost in disconnections(mesh):
        servers = servers_by_workload(mesh).get(lost.workload, ())
        last = lost.facts[-1]
        yield Finding(
            message=(
                f"{lost.pod.ref} has not heard from istiod since {lost.since:%Y-%m-%d %H:%M} UTC:"
                f" {last.reason or 'the connection was closed'}. New routes and renewed"
                f" certificates do not reach it."
            ),
            objects=(
                Place(lost.workload.owner),
                Place(lost.pod.ref),
                *(server.place for server in servers),
            ),
            identity=Identity.of(lost.workload.owner),
            hosts=frozenset(name for server in servers for name in server.names),
            evidence=(Evidence.of_line(last.line),),
            fixes=(_fix(lost),),
            confidence=Confidence.OBSERVED,
            servers=frozenset(server.id for server in servers),
        )


def _fix(lost: Disconnection) -> Fix:
    pod = lost.pod
    return Fix(
        title="Restore the connection to istiod before any gateway pod restarts",
        commands=(
            kubectl("get", "pods,endpoints", "-A", "-l", "app=istiod"),
            kubectl("logs", pod.ref, "-c", "istio-proxy", "--since=10m"),
        ),
        verify=istioctl("proxy-status"),
        why=(
            "The log names the reason: no answer (istiod, DNS, network policy), a certificate"
            " (the mesh's root), or Unauthenticated (the pod's token)."
        ),
    )
