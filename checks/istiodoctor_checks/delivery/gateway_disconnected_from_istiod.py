"""SDS004."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import istioctl, kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.logs.discovery_names import UnknownIstiod, unknown_istiods
from istiodoctor.mesh.logs.proxy_logs import Disconnection, disconnections
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ref import Place
from istiodoctor.text import listing


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
        "SVC012",
    },
)
def gateway_disconnected_from_istiod(mesh: Mesh) -> Iterator[Finding]:
    """A gateway pod has lost its connection to istiod.

    The pod goes on with what it has: routes and certificates of the moment when the connection
    was lost. New hosts, changed routes and renewed certificates do not arrive, and a pod that
    restarts without istiod has nothing at all.

    istiod is down or not reachable (network policy, DNS), its certificate or the mesh's root has
    expired, or the pod's token is not accepted. The lines in the gateway's log say which.

    Or the proxies ask for a name that no Service has: `discoveryAddress` names `istiod`, and only
    that of a revision is there, `istiod-REVISION`. A pod that starts so is never ready.

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

    The gateway asks for the istiod without a revision, and there is only one with:

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec:
      containers:
      - name: istio-proxy
        image: "istio/proxyv2:1.22.3"
        env: [{name: PROXY_CONFIG, value: '{"discoveryAddress":"istiod.istio-system.svc:15012"}'}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: istiod-1-22, namespace: istio-system, labels: {app: istiod}}
    spec: {selector: {app: istiod}, ports: [{name: https-dns, port: 15012}]}
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
    high: Pod istio-system/gateway
    hosts: shop.example.com
    Pod istio-system/gateway cannot reach istiod. It asks for istiod.istio-system.svc:15012, and
    there is no Service istio-system/istiod; istiod's is Service istio-system/istiod-1-22. A pod
    that starts so gets no configuration and is never ready.
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
    unknown = unknown_istiods(mesh)
    lost_by = {lost.workload for lost in disconnections(mesh)}
    for lost in disconnections(mesh):
        last, named = lost.facts[-1], unknown.get(lost.workload)
        yield _finding(
            lost.workload,
            servers_by_workload(mesh).get(lost.workload, ()),
            message=(
                f"{lost.pod.ref} has not heard from istiod since {lost.since:%Y-%m-%d %H:%M} UTC:"
                f" {last.reason or 'the connection was closed'}.{_unnamed(named)} New routes and"
                f" renewed certificates do not reach it."
            ),
            places=(Place(lost.pod.ref), *_services(named)),
            evidence=(Evidence.of_line(last.line),),
            fixes=(_ask(named),) if named else (_fix(lost),),
            confidence=Confidence.OBSERVED,
        )
    for workload, named in unknown.items():
        if workload not in lost_by and named.others:
            yield _finding(
                workload,
                servers_by_workload(mesh).get(workload, ()),
                message=(
                    f"{workload} cannot reach istiod.{_unnamed(named)} A pod that starts so gets"
                    " no configuration and is never ready."
                ),
                places=(*(Place(pod.ref) for pod in workload.pods[:1]), *_services(named)),
                evidence=(Evidence(text=f"discoveryAddress: {named.asked}", ref=workload.owner),),
                fixes=(_ask(named),),
                confidence=Confidence.CERTAIN,
            )


def _finding(
    workload: Workload,
    servers: tuple[Server, ...],
    *,
    message: str,
    places: tuple[Place, ...],
    evidence: tuple[Evidence, ...],
    fixes: tuple[Fix, ...],
    confidence: Confidence,
) -> Finding:
    return Finding(
        message=message,
        objects=(Place(workload.owner), *places, *(server.place for server in servers)),
        identity=Identity.of(workload.owner),
        hosts=frozenset(name for server in servers for name in server.names),
        evidence=evidence,
        fixes=fixes,
        confidence=confidence,
        servers=frozenset(server.id for server in servers),
    )


def _unnamed(named: UnknownIstiod | None) -> str:
    """Say which name no Service has; nothing where that is not the reason."""
    if named is None:
        return ""
    there = f"; istiod's is {listing(named.others)}" if named.others else ""
    return f" It asks for {named.asked}, and there is no {named.service}{there}."


def _services(named: UnknownIstiod | None) -> tuple[Place, ...]:
    return tuple(map(Place, (named.service, *named.others[:1]))) if named else ()


def _ask(named: UnknownIstiod) -> Fix:
    there = listing(named.others) if named.others else "a Service of istiod"
    return Fix(
        title=f"Have the gateway ask for {there}",
        commands=(kubectl("get", "services", "-A", "-l", "app=istiod"),),
        verify=istioctl("proxy-status"),
        why=(
            "The name comes from `discoveryAddress`: in the annotation proxy.istio.io/config of"
            " the pods, in defaultConfig of the mesh configuration, else from the revision that"
            " injected them. Set it, label the pods istio.io/rev for the revision that runs, or"
            " make that revision the default one; then restart the gateway."
        ),
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
