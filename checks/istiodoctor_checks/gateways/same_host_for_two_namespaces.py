"""GW020."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.refused_listeners import (
    RefusedListener,
    listeners_refused_for_https_hosts,
    servers_of,
)
from istiodoctor.mesh.gateways.servers import Server


@check(
    "GW020",
    severity=Severity.CRITICAL,
    explains={"GW019", "GW022", "SDS010", "SDS012", "SDS016", "SNI003"},
)
def same_host_for_two_namespaces(mesh: Mesh) -> Iterator[Finding]:
    """Two TLS servers list one host for different namespaces, and Envoy refuses the listener.

    istiod compares hosts with their namespace: `a/shop.example.com` and `b/shop.example.com` are
    two to it, and it keeps both servers. To Envoy both are the SNI shop.example.com. It refuses
    the whole listener ("multiple filter chains with overlapping matching rules") and goes on with
    the last one it accepted: no host on that port gets new certificates or routes, and a new pod
    has no listener.

    Fix: list the host once, as `*/host` where both namespaces need it.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: one, namespace: a}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: ["a/shop.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: two, namespace: b}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: ["b/shop.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    ```finding
    critical: Gateway b/two spec.servers[0].hosts
    hosts: shop.example.com
    Gateway a/one server 443 (https) and Gateway b/two server 443 (https) list shop.example.com for
    different namespaces on port 443 of Pod istio-system/gateway. Envoy refuses a listener with the
    same SNI twice and keeps the last it had: nothing on that port is updated.
    ```

    A wildcard beside an exact host is no conflict:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: one, namespace: a}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: ["a/shop.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: two, namespace: b}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: ["b/*.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    Sources: pilot/pkg/model/gateway.go; istio/istio issues 16573, 17079.
    """
    for refused in listeners_refused_for_https_hosts(mesh):
        hosts = refused.hosts  # Envoy stops at the first name: the others come to light after it
        for fault in refused.faults:
            one, other = servers_of(fault)
            for name in map(str.lower, fault.names):
                yield _finding(refused, one, other, name, hosts)
                hosts = frozenset()


def _finding(
    refused: RefusedListener, one: Server, other: Server, name: str, hosts: frozenset[str]
) -> Finding:
    host = next(host for host in other.hosts if host.name == name)
    return Finding(
        message=(
            f"{one} and {other} list {name} for different namespaces on port"
            f" {refused.port} of {refused.workload}. Envoy refuses a listener with"
            " the same SNI twice and keeps the last it had: nothing on that port is updated."
        ),
        objects=(other.field("/hosts"), one.field("/hosts")),
        identity=Identity.of(other.gateway, name),
        hosts=hosts | {name},
        evidence=(
            Evidence(text=f"{other} lists {host}", ref=other.gateway),
            Evidence(text=f"{one} lists the same name", ref=one.gateway),
        ),
        fixes=(_leave(one, other, name),),
        confidence=Confidence.SUSPECTED if refused.unknown_because else Confidence.CERTAIN,
        servers=frozenset({one.id, other.id}),
    )


def _leave(one: Server, other: Server, name: str) -> Fix:
    why = f"Write it there as */{name} where both namespaces bind routes."
    title = f"Leave {name} to {one}"
    rest = [str(host) for host in other.hosts if host.name != name]
    if rest:
        return set_field(other.field("/hosts"), rest, title, why=why)
    edit = kubectl("edit", other.gateway)
    return Fix(title=title, commands=(edit,), why=f"{why} Remove the whole server here.")
