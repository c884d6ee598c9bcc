"""OPS004."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import istioctl, kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, Risk
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.logs.meaning import LogFact
from istiodoctor.mesh.logs.proxy_logs import Disconnection, disconnections
from istiodoctor.mesh.workloads.control_planes import ISTIO_NAMESPACE, control_plane_of
from istiodoctor.model.kind import APPS, CORE
from istiodoctor.model.ref import Place, Ref

EXPIRED = "certificate has expired"
UNTRUSTED = "certificate signed by unknown authority"


@check("OPS004", severity=Severity.CRITICAL, explains={"SDS004"})
def mesh_root_expired(mesh: Mesh) -> Iterator[Finding]:
    """The mesh's root certificate has expired or changed, so a gateway lost istiod.

    Gateways reach istiod over TLS and check its certificate against the root of the mesh
    (ConfigMap `istio-ca-root-cert`). When the root or istiod's certificate has expired (a root
    that istiod signed itself lives ten years; `cacerts` of one's own often one), or when istiod
    got another root, no gateway connects any more: routes and certificates stay as they are, and
    a pod that restarts does not become ready. Mutual TLS to the backends fails for the same
    reason.

    Fix: renew `cacerts` (or the root in `istio-ca-secret`), restart istiod, then the gateways.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.22.3"}]}
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
    ```

    ```log bad istio-system/gateway/istio-proxy
    2026-03-01T11:40:00.000000Z	error	xdsproxy	failed to connect to upstream istiod.istio-system.svc:15012: rpc error: code = Unavailable desc = connection error: desc = "transport: authentication handshake failed: tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-03-01T11:40:00Z is after 2026-02-20T09:00:00Z"
    ```

    ```finding
    critical, observed: Pod istio-system/istiod-0
    hosts: shop.example.com
    Pod istio-system/gateway cannot connect to istiod since 2026-03-01 11:40 UTC: the certificate
    that istiod shows has expired. Nothing new reaches the gateway, and a pod that restarts does
    not become ready.
    ```

    An istiod that does not answer has another reason:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.22.3"}]}
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
    ```

    ```log good istio-system/gateway/istio-proxy
    2026-03-01T11:40:00.000000Z	error	xdsproxy	failed to connect to upstream istiod.istio-system.svc:15012: rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp 10.96.0.9:15012: connect: connection refused"
    ```

    Sources: istio.io, Plug in CA Certificates, Common Problems (Security); istio/istio issue
    26413.
    """  # noqa: E501 - lines of logs are shown whole
    for lost in disconnections(mesh):
        fact = _refusal(lost)
        if fact is None:
            continue
        plane = control_plane_of(mesh, lost.workload)
        servers = servers_by_workload(mesh).get(lost.workload, ())
        culprit = plane.workload.owner if plane else lost.workload.owner
        expired = EXPIRED in fact.reason
        what = "has expired" if expired else "is signed by an authority it does not know"
        yield Finding(
            message=(
                f"{lost.workload} cannot connect to istiod since {lost.since:%Y-%m-%d %H:%M} UTC:"
                f" the certificate that istiod shows {what}. Nothing new reaches the gateway,"
                f" and a pod that restarts does not become ready."
            ),
            objects=(Place(culprit), Place(lost.workload.owner), Place(lost.pod.ref)),
            identity=Identity.of(culprit),
            hosts=frozenset(name for server in servers for name in server.names),
            evidence=(Evidence.of_line(fact.line),),
            fixes=(_fix(plane.namespace if plane else ISTIO_NAMESPACE),),
            severity=Severity.CRITICAL if expired else Severity.HIGH,
            confidence=Confidence.OBSERVED,
            servers=frozenset(server.id for server in servers),
        )


def _refusal(lost: Disconnection) -> LogFact | None:
    """Return the newest line that blames the certificate of istiod; None without one."""
    about = [fact for fact in lost.facts if EXPIRED in fact.reason or UNTRUSTED in fact.reason]
    return about[-1] if about else None


def _fix(namespace: str) -> Fix:
    root = Ref(CORE, "ConfigMap", namespace, "istio-ca-root-cert")
    istiod = Ref(APPS, "Deployment", namespace, "istiod")
    return Fix(
        title="Renew the mesh's CA, restart istiod, then the gateways",
        risk=Risk.RESTARTS_TRAFFIC,
        commands=(
            kubectl("get", root, "-o", "jsonpath={.data.root-cert\\.pem}"),
            kubectl("rollout", "restart", istiod),
        ),
        verify=istioctl("proxy-status"),
        why=(
            "The first command prints the root that gateways trust: openssl x509 -noout -enddate"
            " tells its end. With a CA of your own, put a renewed one into the Secret cacerts"
            " first; keep the old root in root-cert.pem while workloads still have it."
        ),
    )
