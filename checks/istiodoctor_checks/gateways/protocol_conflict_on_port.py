"""GW004."""

from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, get, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.merging import DropReason
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.mesh.workloads.control_planes import istiod_version
from istiodoctor.mesh.workloads.service_ports import ports_sharing_target
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ref import Place
from istiodoctor.model.services import Service
from istiodoctor.text import host_listing
from istiodoctor_checks.gateways._dropped_servers import DroppedServer, dropped_servers

USUAL_TARGETS = {80: (8080, 80), 443: (8443, 443)}
"""The ports of gateway pods to which Istio's charts send those of their Service."""
LAST_PRIVILEGED = 1023


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedTarget:
    """A Service that sends the ports of a plain and of a TLS server to one port of the pods."""

    service: Service
    wrong: int
    """The port that is most likely sent to the wrong place."""
    target: int

    @property
    def places(self) -> tuple[Place, ...]:
        """The field to change."""
        ports = enumerate(self.service.spec.ports)
        return tuple(
            self.service.at(f"/spec/ports/{index}/targetPort")
            for index, each in ports
            if each.port == self.wrong
        )


@check(
    "GW004",
    severity=Severity.CRITICAL,
    claims=Claim.UNSERVED,
    explains={"GW019", "GW021", "GW022", "HTTP001", "HTTP004", "HTTP005", "SNI012"},
)
def protocol_conflict_on_port(mesh: Mesh) -> Iterator[Finding]:
    """Servers whose protocols do not fit together share one port, and one of them is dropped.

    One listener speaks either TLS or not. When Gateways disagree about a port, istiod keeps the
    older and leaves the other out, whatever namespaces they are in. Since Istio 1.27.4 and 1.28.1
    a plain server is let onto a TLS port even when it is younger, and every TLS server after it
    is skipped ("conflict with existing server"): one wrong Gateway then takes down the hosts of
    all younger ones.

    Of servers without TLS only those of HTTP (HTTP, HTTP2, GRPC) share a port. A server of TCP,
    MONGO, MYSQL or REDIS has it to itself: an older one keeps every HTTP server off port 80, with
    its redirect to HTTPS and the answers to ACME challenges, and of two TCP servers the younger is
    dropped. Servers that `bind` different addresses do not meet.

    The ports meet in the pod, so a Service that sends 80 and 443 to the same targetPort makes
    the same conflict.

    Fix: put the plain server on another port, or make it `protocol: HTTPS` with `tls`; where a
    Service makes the conflict, give each of its ports a `targetPort` of its own.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: legacy, namespace: old, creationTimestamp: "2024-01-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: http, protocol: HTTP}
        hosts: [old.example.com]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop, creationTimestamp: "2024-02-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    ```finding
    critical, suspected: Gateway old/legacy spec.servers[0].port
    hosts: shop.example.com
    Gateway old/legacy server 443 (http) (HTTP) and Gateway shop/web server 443 (https) (HTTPS)
    both listen on port 443 of Pod istio-system/gateway: one port speaks either TLS or not. istiod
    leaves one of them out, most likely Gateway shop/web server 443 (https) (shop.example.com):
    which one depends on their age and on istiod's version.
    ```

    The Gateway is right, and the Service sends both of its ports to one of the pods:

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      ports:
      - {name: http, port: 80, targetPort: 8080}
      - {name: https, port: 443, targetPort: 8080}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    ```finding
    critical, suspected: Service istio-system/gateway spec.ports[1].targetPort
    hosts: shop.example.com
    Gateway shop/web server 80 (http) (HTTP) and Gateway shop/web server 443 (https) (HTTPS) both
    listen on port 8080 of Pod istio-system/gateway: Service istio-system/gateway sends both of
    their ports there: one port speaks either TLS or not. istiod leaves one of them out, most
    likely Gateway shop/web server 443 (https) (shop.example.com): which one depends on their age
    and on istiod's version.
    ```

    Of servers without TLS only those of HTTP share a port:

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: cache, namespace: data, creationTimestamp: "2024-01-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 80, name: redis, protocol: REDIS}
        hosts: ["*"]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop, creationTimestamp: "2024-02-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
        tls: {httpsRedirect: true}
    ```

    ```finding
    high: Gateway data/cache spec.servers[0].port
    hosts: shop.example.com
    Gateway data/cache server 80 (redis) (REDIS) and Gateway shop/web server 80 (http) (HTTP) both
    listen on port 80 of Pod istio-system/gateway: without TLS, only servers of HTTP share a port.
    istiod leaves out Gateway shop/web server 80 (http): shop.example.com is not served by it.
    ```

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: first, namespace: data, creationTimestamp: "2024-01-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 9000, name: tcp, protocol: TCP}
        hosts: [first.example.com]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: second, namespace: data, creationTimestamp: "2024-02-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 9000, name: tcp, protocol: TCP}
        hosts: [second.example.com]
    ```

    ```finding
    high: Gateway data/second spec.servers[0].port
    hosts: second.example.com
    Gateway data/second server 9000 (tcp) (TCP) and Gateway data/first server 9000 (tcp) (TCP) both
    listen on port 9000 of Pod istio-system/gateway: without TLS, only servers of HTTP share a
    port. istiod leaves out Gateway data/second server 9000 (tcp): second.example.com is not served
    by it.
    ```

    Passthrough and terminating servers share a port, plain servers share another:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: legacy, namespace: old, creationTimestamp: "2024-01-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [old.example.com]
      - port: {number: 443, name: tls, protocol: TLS}
        hosts: [old.example.com]
        tls: {mode: PASSTHROUGH}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop, creationTimestamp: "2024-02-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: ["*"]
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    Two TCP servers with an address each are two listeners:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: data, namespace: data}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 9000, name: tcp, protocol: TCP}
        bind: 10.0.0.1
        hosts: [first.example.com]
      - port: {number: 9000, name: tcp-two, protocol: TCP}
        bind: 10.0.0.2
        hosts: [second.example.com]
    ```

    Sources: pilot/pkg/model/gateway.go (`mergeGateways`, `canMergeProtocols`); istio/istio
    pull request 57707 and issue 58700.
    """
    for dropped_server in dropped_servers(mesh):
        dropped = dropped_server.dropped
        loser, winner = dropped.server, dropped.winner
        if dropped.reason is not DropReason.CONFLICTING_PROTOCOL or winner is None:
            continue
        if loser.api is GatewayApi.INGRESS:
            continue  # told by the check about hosts of Ingresses
        first, second = _in_order(winner, loser)
        shared = _shared_target(mesh, dropped.workload, dropped.port, (first, second))
        version = istiod_version(mesh, dropped.workload)
        is_by_age = winner.is_tls == loser.is_tls
        certain = dropped.age_is_known and (is_by_age or version is not None)
        yield Finding(
            message=_message(dropped_server, first, second, shared, certain=certain),
            objects=(
                *(shared.places if shared else ()),
                Place(first.gateway, _protocol(first)),
                Place(second.gateway, _protocol(second)),
            ),
            identity=Identity.of(shared.service.ref, str(dropped.port))
            if shared
            else Identity.of(first.gateway, str(first.port)),
            hosts=frozenset(dropped_server.dead_hosts or loser.names),
            evidence=(
                Evidence(text=f"{first} speaks {first.protocol}", ref=first.gateway),
                Evidence(text=f"{second} speaks {second.protocol}", ref=second.gateway),
                Evidence(text=f"istiod's version: {version or 'not known'}"),
            ),
            fixes=(_part(shared),) if shared else tuple(_fixes(first, second)),
            severity=Severity.CRITICAL if loser.is_tls else Severity.HIGH,
            confidence=Confidence.CERTAIN if certain else Confidence.SUSPECTED,
            servers=frozenset({first.id, second.id}),
        )


def _in_order(winner: Server, loser: Server) -> tuple[Server, Server]:
    """Return the server to change first: the plain one, of two plain ones that of no HTTP."""
    is_first = loser.is_tls or (loser.is_plain_http and not winner.is_tls)
    return (winner, loser) if is_first else (loser, winner)


def _protocol(server: Server) -> str:
    return f"{server.path}/port" if server.api is GatewayApi.ISTIO else server.path


def _fixes(first: Server, second: Server) -> Iterator[Fix]:
    if first.is_tls == second.is_tls:
        yield Fix(
            title=f"Give {first} a port of its own",
            commands=(get(first.gateway),),
            why="Which port is free, and which one its clients know, is not for a tool to say.",
        )
        return
    is_of_ingress = first.api is GatewayApi.INGRESS
    if first.port == second.port and first.is_plain_http and not is_of_ingress:
        is_listener = first.api is GatewayApi.GATEWAY_API
        yield set_field(
            first.field("/port" if is_listener else "/port/number"),
            80,
            f"Move {first} to port 80",
            why="Its clients must then use http:// on port 80.",
        )


def _shared_target(
    mesh: Mesh, workload: Workload, port: int, servers: tuple[Server, Server]
) -> SharedTarget | None:
    """Return the Service that sends the ports of two servers to one port of the pods."""
    wanted = {each.port for each in servers}
    if len(wanted) == 1:
        return None
    for service, ports in ports_sharing_target(mesh, workload, port):
        if wanted <= set(ports):
            plain, tls = servers
            # What a port is usually sent to tells which of the two is in the wrong place.
            wrong = plain.port if port in USUAL_TARGETS.get(tls.port, ()) else tls.port
            return SharedTarget(service=service, wrong=wrong, target=port)
    return None


def _part(shared: SharedTarget) -> Fix:
    free = {each.target_number for each in shared.service.spec.ports}
    usual = USUAL_TARGETS.get(shared.wrong, ())
    # The unprivileged pair goes together: 8080 beside 8443, 80 beside 443.
    high = shared.target > LAST_PRIVILEGED
    found = next((e for e in usual if (e > LAST_PRIVILEGED) == high and e not in free), None)
    title = f"Send port {shared.wrong} of {shared.service.ref} to a port of its own"
    why = "Envoy then opens that port for the servers of this one; the Gateways stay as they are."
    if found is None:
        return Fix(title=title, why=why)
    return set_field(shared.places[0], found, f"{title}, {found}", why=why)


def _message(
    dropped_server: DroppedServer,
    first: Server,
    second: Server,
    shared: SharedTarget | None,
    *,
    certain: bool,
) -> str:
    dropped = dropped_server.dropped
    is_by_tls = first.is_tls != second.is_tls
    rule = "one port speaks either TLS or not"
    if not is_by_tls:
        rule = "without TLS, only servers of HTTP share a port"
    reason = f" {shared.service.ref} sends both of their ports there:" if shared else ""
    start = (
        f"{first} ({first.protocol}) and {second} ({second.protocol}) both listen on port"
        f" {dropped.port} of {dropped.workload}:{reason} {rule}."
    )
    hosts = host_listing(dropped_server.dead_hosts or dropped.server.names)
    if certain:
        return f"{start} istiod leaves out {dropped.server}: {hosts} is not served by it."
    depends = "their age and on istiod's version" if is_by_tls else "their age"
    return (
        f"{start} istiod leaves one of them out, most likely {dropped.server}"
        f" ({hosts}): which one depends on {depends}."
    )
