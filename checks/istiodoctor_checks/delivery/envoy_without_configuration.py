"""SDS015."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import istioctl, kubectl
from istiodoctor.evidence import Evidence, EvidenceKind
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.envoy.listeners import unstarted_envoys
from istiodoctor.model.ref import Place
from istiodoctor_checks._envoys import look_at_log, pods_of, span
from istiodoctor_checks._wire import SHOWN


@check(
    "SDS015", severity=Severity.HIGH, explains={"GW022", "HTTP018", "SDS014", "SNI011", "SVC012"}
)
def envoy_without_configuration(mesh: Mesh) -> Iterator[Finding]:
    """An Envoy has waited since its start for its first configuration.

    Envoy calls itself `PRE_INITIALIZING` or `INITIALIZING` until istiod has sent clusters and
    listeners. Minutes later that means that it cannot reach istiod: no route to it, a certificate
    or token that is not accepted, an istiod that is down (SDS004). The pod is not ready and serves
    nothing; the other pods go on with what they have until they restart too.

    Fix: restore the connection to istiod before any other pod restarts.

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
    metadata: {name: shop-cert, namespace: istio-system, creationTimestamp: "2026-01-01T08:00:00Z"}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```envoy bad istio-system/gateway
    state: PRE_INITIALIZING
    uptime: 900s
    ```

    ```finding
    critical, observed: Pod istio-system/gateway
    hosts: shop.example.com
    Envoy in Pod istio-system/gateway has waited for 15 min for its first configuration, and serves
    nothing.
    ```

    A pod that has just started:

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
    metadata: {name: shop-cert, namespace: istio-system, creationTimestamp: "2026-01-01T08:00:00Z"}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```envoy good istio-system/gateway
    state: INITIALIZING
    uptime: 20s
    ```

    Sources: Envoy, Administration interface, server_info; istio/istio issues 11763, 26413.
    """
    for waiting in unstarted_envoys(mesh):
        workload, pods = waiting.workload, [each.pod for each in waiting.states]
        age = max(each.uptime for each in waiting.states if each.uptime is not None)
        everywhere = len(pods) == len(workload.pods)
        yield Finding(
            message=(
                f"Envoy in {pods_of(workload, pods)} has waited{span(age)} for its first"
                f" configuration, and serves nothing."
            ),
            objects=(Place(workload.owner), *map(Place, pods)),
            identity=Identity.of(workload.owner),
            hosts=frozenset(name for server in waiting.servers for name in server.names),
            evidence=tuple(
                Evidence(
                    kind=EvidenceKind.ENVOY,
                    text=f"Envoy in {each.pod} says {each.lifecycle}{span(each.uptime)}",
                    ref=each.pod,
                )
                for each in waiting.states[:SHOWN]
            ),
            fixes=(_connection(), look_at_log(pods[0])),
            severity=Severity.CRITICAL if everywhere else None,
            confidence=Confidence.OBSERVED,
            servers=frozenset(server.id for server in waiting.servers),
        )


def _connection() -> Fix:
    return Fix(
        title="Restore the connection to istiod before any gateway pod restarts",
        commands=(kubectl("get", "pods,endpoints", "-A", "-l", "app=istiod"),),
        verify=istioctl("proxy-status"),
    )
