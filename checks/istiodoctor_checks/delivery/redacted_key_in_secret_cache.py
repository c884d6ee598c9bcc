"""SDS006."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import Command, kubectl, within
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, Risk
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.logs.proxy_logs import Rejection, credentials_of, secret_rejections
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.mesh.version import Version
from istiodoctor.mesh.workloads.control_planes import ControlPlane, control_plane_of
from istiodoctor.mesh.workloads.releases import Change, is_in
from istiodoctor.model.ref import Place, Ref


@check(
    "SDS006",
    severity=Severity.HIGH,
    claims=Claim.NO_HANDSHAKE,
    explains={"SDS002", "SDS003", "SDS013", "SDS014", "SNI011"},
)
def redacted_key_in_secret_cache(mesh: Mesh) -> Iterator[Finding]:
    """A valid Secret is refused: a debug endpoint has redacted its key in istiod's cache.

    Before Istio 1.26.5 and 1.27.2, `istioctl proxy-status POD` writes `[redacted]` over the
    private key in istiod's own cache. The next time a gateway asks (it starts, or reconnects) it
    gets that text as its key and refuses it: `NO_START_LINE`. The Secret in the cluster is as
    good as before.

    Fix: restart istiod, then the gateway pods that have no certificate; upgrade, and do not run
    that command until then.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.1"}]}
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
    2026-03-01T11:40:00.000000Z	warning	envoy config external/envoy/grpc_subscription_impl.cc:138	gRPC config for type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret rejected: Failed to load private key from <inline>, Cause: error:0900006e:PEM routines:OPENSSL_internal:NO_START_LINE
    ```

    ```finding
    high, observed: Pod istio-system/istiod-0
    hosts: shop.example.com
    Envoy in Pod istio-system/gateway refused a private key that is no PEM, though every Secret of
    the gateway that could be read holds a good one: istiod 1.27.1 sends a redacted copy.
    ```

    A key that is no key is the Secret's own fault, and a fixed release has another reason:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.1"}]}
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
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: no key at all
    ```

    ```log good istio-system/gateway/istio-proxy
    2026-03-01T11:40:00.000000Z	warning	envoy config external/envoy/grpc_subscription_impl.cc:138	gRPC config for type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret rejected: Failed to load private key from <inline>, Cause: error:0900006e:PEM routines:OPENSSL_internal:NO_START_LINE
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.2"}]}
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
    2026-03-01T11:40:00.000000Z	warning	envoy config external/envoy/grpc_subscription_impl.cc:138	gRPC config for type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret rejected: Failed to load private key from <inline>, Cause: error:0900006e:PEM routines:OPENSSL_internal:NO_START_LINE
    ```

    Sources: istio/istio issue 57789 and pull request 57592.
    """  # noqa: E501 - lines of logs are shown whole
    for rejection in secret_rejections(mesh):
        plane = control_plane_of(mesh, rejection.workload)
        version = plane.version if plane else None
        if _is_spoilt(rejection, version) and credentials_of(mesh, rejection.workload):
            servers = servers_by_workload(mesh)[rejection.workload]
            concerned = [server for server in servers if server.terminates_tls]
            yield Finding(
                message=(
                    f"Envoy in {rejection.workload} refused a private key that is no PEM, though"
                    f" every Secret of the gateway that could be read holds a good one: istiod"
                    f" {version or 'of unknown version'} sends a redacted copy."
                ),
                objects=(
                    *((Place(plane.workload.owner),) if plane else ()),
                    Place(rejection.workload.owner),
                    *(server.place for server in concerned),
                ),
                identity=Identity.of(rejection.workload.owner),
                hosts=frozenset(name for server in concerned for name in server.names),
                evidence=(
                    Evidence.of_line(rejection.last.line),
                    Evidence(text=f"istiod's version is {version or 'not known'}"),
                ),
                fixes=(_restart(plane, rejection),),
                severity=Severity.CRITICAL if rejection.at_start else Severity.HIGH,
                confidence=Confidence.OBSERVED if version else Confidence.SUSPECTED,
                servers=frozenset(server.id for server in concerned),
            )


def _is_spoilt(rejection: Rejection, version: Version | None) -> bool:
    affected = version is None or not is_in(version, Change.SECRET_CACHE_KEEPS_KEYS)
    no_pem = any("NO_START_LINE" in fact.reason for fact in rejection.facts)
    return affected and no_pem and not rejection.refused


def _restart(plane: ControlPlane | None, rejection: Rejection) -> Fix:
    owners = [plane.workload.owner] if plane else []
    return Fix(
        title="Restart istiod, then the gateway",
        risk=Risk.RESTARTS_TRAFFIC,
        commands=tuple(_restarted(owner) for owner in [*owners, rejection.workload.owner]),
        verify=kubectl("get", "pods", within(rejection.workload.namespace)),
        why="In this order: a gateway that restarts first gets the spoilt copy again.",
    )


def _restarted(owner: Ref) -> Command:
    if owner.kind == "Pod":
        return kubectl("delete", owner)
    return kubectl("rollout", "restart", owner)
