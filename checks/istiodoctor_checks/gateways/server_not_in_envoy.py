"""GW022."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import istioctl, kubectl, proxy, within
from istiodoctor.evidence import Evidence, EvidenceKind
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.envoy.listeners import AbsentServer, absent_servers
from istiodoctor.mesh.workloads.control_planes import ISTIO_NAMESPACE
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing
from istiodoctor_checks._envoys import pods_of
from istiodoctor_checks._wire import SHOWN


@check(
    "GW022",
    severity=Severity.CRITICAL,
    explains={"HTTP018", "SDS016", "SNI011", "SNI012", "SVC014"},
)
def server_not_in_envoy(mesh: Mesh) -> Iterator[Finding]:
    """Envoy does not listen for a host that a Gateway asks it to serve.

    Envoy says on its admin port which ports are open, and for which server names (SNI). For this
    host there is nothing: a connection to a closed port is refused, and one with an unknown name
    is reset.

    istiod left the server out (GW002, GW003, GW004, GW013), Envoy refused the listener (SDS010,
    SDS012), or the pod does not hear from istiod (SDS004). Where none of these stands above this
    finding, the objects promise what Envoy has not got: look at the logs of istiod and of the pod,
    and for an EnvoyFilter that changes the listener.

    Servers without routes of HTTP (PASSTHROUGH, TCP) are left out: for them nothing listens until
    a route leads on. So are Gateways made less than two minutes ago, but for a note.

    Fix: that of the cause in the report.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: older, namespace: shop, creationTimestamp: "2025-01-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: younger, namespace: shop, creationTimestamp: "2025-06-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com, www.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com, www.example.com
      tls.key: key of shop.example.com
    ```

    ```envoy bad istio-system/gateway
    secrets:
    - name: kubernetes://shop-cert
      certificate: certificate for shop.example.com
      updated: "2026-01-01T08:00:00Z"
    listeners:
    - {name: 0.0.0.0_443, port: 443, hosts: [shop.example.com]}
    ```

    ```finding
    critical, observed: Gateway shop/younger spec.servers[0]
    hosts: www.example.com
    Envoy in Pod istio-system/gateway has no filter chain on port 443 for www.example.com, which
    Gateway shop/younger server 443 (https) is for. istiod leaves that server out.
    ```

    No port at all:

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
    secrets:
    - name: kubernetes://shop-cert
      certificate: certificate for shop.example.com
      updated: "2026-01-01T08:00:00Z"
    listeners:
    - {name: 0.0.0.0_15021, port: 15021}
    ```

    ```finding
    critical, observed: Gateway shop/web spec.servers[0]
    hosts: shop.example.com
    Envoy in Pod istio-system/gateway does not listen on port 443, so not for shop.example.com,
    which Gateway shop/web server 443 (https) is for.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: older, namespace: shop, creationTimestamp: "2025-01-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: younger, namespace: shop, creationTimestamp: "2025-06-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [www.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com, www.example.com
      tls.key: key of shop.example.com
    ```

    ```envoy good istio-system/gateway
    secrets:
    - name: kubernetes://shop-cert
      certificate: certificate for shop.example.com
      updated: "2026-01-01T08:00:00Z"
    listeners:
    - {name: 0.0.0.0_443, port: 443, hosts: [shop.example.com, www.example.com]}
    ```

    A server that takes every name has a filter chain without names; a PASSTHROUGH server has those
    of its routes, and a Gateway for another revision of istiod is not for these pods:

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
        hosts: [www.example.com, "*"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: through, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: tls, protocol: TLS}
        hosts: [vault.example.com]
        tls: {mode: PASSTHROUGH}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: next, namespace: shop, labels: {istio.io/rev: canary}}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [next.example.com]
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
    secrets:
    - name: kubernetes://shop-cert
      certificate: certificate for shop.example.com
      updated: "2026-01-01T08:00:00Z"
    listeners:
    - {name: 0.0.0.0_443, port: 443, hosts: ["*"]}
    ```

    Sources: Envoy, Administration interface; istio.io, Debugging Envoy and Istiod; istio/istio
    issues 23318, 32931, 47198.
    """
    for absent in absent_servers(mesh):
        workload, server = absent.workload, absent.server
        yield Finding(
            message=_message(absent),
            objects=(server.place, Place(workload.owner), *map(Place, absent.pods)),
            identity=Identity.of(server.gateway, workload.owner.path),
            hosts=frozenset(absent.hosts),
            evidence=tuple(
                Evidence(kind=EvidenceKind.ENVOY, text=f"Envoy in {pod} {_lack(absent)}", ref=pod)
                for pod in absent.pods[:SHOWN]
            ),
            fixes=() if absent.is_left_out else (_look(absent),),
            severity=_severity(absent),
            confidence=Confidence.OBSERVED,
            is_settling=absent.is_settling,
            servers=frozenset({server.id}),
        )


def _message(absent: AbsentServer) -> str:
    text = (
        f"Envoy in {pods_of(absent.workload, absent.pods)} {_lack(absent)}, which"
        f" {absent.server} is for."
    )
    if absent.is_settling:
        return f"{text} It may be on its way: the Gateway or the pod is new."
    if absent.is_left_out:
        return f"{text} istiod leaves that server out."
    return text


def _lack(absent: AbsentServer) -> str:
    hosts, port = host_listing(absent.hosts), absent.listener.port
    if absent.is_open:
        return f"has no filter chain on port {port} for {hosts}"
    return f"does not listen on port {port}, so not for {hosts}"


def _severity(absent: AbsentServer) -> Severity:
    if absent.is_settling:
        return Severity.LOW
    if not absent.server.is_tls:
        return Severity.MEDIUM
    return Severity.CRITICAL if absent.is_everywhere and absent.is_dead else Severity.HIGH


def _look(absent: AbsentServer) -> Fix:
    pod = absent.pods[0]
    return Fix(
        title="See what istiod sends the pod, and whether it hears it",
        commands=(
            istioctl("proxy-config", "listeners", proxy(pod)),
            kubectl("logs", "-l", "app=istiod", within(ISTIO_NAMESPACE), "--since=1h"),
        ),
        why="istiod says in its log which servers it skips, and which listeners are refused.",
    )
