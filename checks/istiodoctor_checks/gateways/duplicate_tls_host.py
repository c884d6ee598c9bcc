"""GW002."""

from collections.abc import Iterator
from json import dumps
from typing import Any

from istiodoctor.check import check
from istiodoctor.command import change, fault_of, kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, Patch, PatchType, get, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.merging import DropReason
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.hosts import meet
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.text import host_listing, listing
from istiodoctor_checks.gateways._dropped_servers import DroppedServer, dropped_servers
from istiodoctor_checks.gateways._ingress_hosts import ingresses_of_one_host, leave_to


@check(
    "GW002",
    severity=Severity.CRITICAL,
    claims=Claim.UNSERVED,
    explains={
        "CERT017",
        "CERT019",
        "GW019",
        "GW022",
        "HTTP004",
        "HTTP005",
        "SDS013",
        "SNI002",
        "SNI012",
        "VS014",
    },
)
def duplicate_tls_host(mesh: Mesh) -> Iterator[Finding]:
    """Two TLS servers on the same pods and port list the same host, and the younger is dropped.

    istiod merges the Gateways of all namespaces that select a pod, the oldest first. Of two TLS
    servers on one port that list an equal host string, it leaves out the **whole** younger
    server, with all its hosts: its certificate is never served and VirtualServices bound to its
    Gateway get no requests (404 from the older server, or a reset where no other server has the
    host). Nothing of this shows in the status of the Gateway; istiod logs "skipping server on
    gateway …, duplicate host names".

    Ingresses of class `istio` are merged with Gateways, and before them all: istiod makes a
    Gateway of each. It binds the rules of all Ingresses for a host to the oldest of them. Where
    two list one host for TLS, the one whose name comes first serves it, and if that is not the
    oldest, every HTTPS request for the host gets 404.

    Fix: list the host once. Either bind the VirtualServices to the older Gateway and take the
    host out of the younger, or give the younger only the exact hosts it is for: an exact host
    beside a wildcard is legal.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: first, namespace: team-a, creationTimestamp: "2024-01-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: ["*.example.com"]
        tls: {mode: SIMPLE, credentialName: wildcard-a}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: second, namespace: team-b, creationTimestamp: "2024-02-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: ["*.example.com"]
        tls: {mode: SIMPLE, credentialName: wildcard-b}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: b, namespace: team-b}
    spec:
      hosts: [b.example.com]
      gateways: [second]
      http: [{route: [{destination: {host: b}}]}]
    ```

    ```finding
    critical: Gateway team-b/second spec.servers[0].hosts
    hosts: *.example.com, b.example.com
    istiod leaves out Gateway team-b/second server 443 (https): *.example.com is also listed by
    Gateway team-a/first server 443 (https), which comes first. Requests for b.example.com never
    reach VirtualService team-b/b.
    ```

    Of two Ingresses the one whose name comes first serves the host:

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.2", args: [proxy, router]}]}
    ---
    apiVersion: networking.k8s.io/v1
    kind: Ingress
    metadata:
      name: second
      namespace: shop
      creationTimestamp: "2024-01-01T00:00:00Z"
      annotations: {kubernetes.io/ingress.class: istio}
    spec:
      tls: [{hosts: [shop.example.com], secretName: shop-cert}]
      rules:
      - host: shop.example.com
        http:
          paths:
          - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
    ---
    apiVersion: networking.k8s.io/v1
    kind: Ingress
    metadata:
      name: first
      namespace: shop
      creationTimestamp: "2024-02-01T00:00:00Z"
      annotations: {kubernetes.io/ingress.class: istio}
    spec:
      tls: [{hosts: [shop.example.com], secretName: shop-cert}]
      rules:
      - host: shop.example.com
        http:
          paths:
          - {path: /api, pathType: Prefix, backend: {service: {name: api, port: {number: 80}}}}
    ```

    ```finding
    critical: Ingress shop/second spec.tls[0].hosts
    hosts: shop.example.com
    istiod leaves out port 443 of Ingress shop/second: shop.example.com is listed by Ingress
    shop/first too, whose name comes first. It binds the rules of all Ingresses for
    shop.example.com to Ingress shop/second, the oldest one: over HTTPS every request gets 404.
    ```

    A wildcard beside an exact host is legal, and so are two plain servers on port 80 that both
    redirect the same host: the younger is left out and the older redirects.

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: first, namespace: team-a, creationTimestamp: "2024-01-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: ["*"]
        tls: {httpsRedirect: true}
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: ["*.example.com"]
        tls: {mode: SIMPLE, credentialName: wildcard-a}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: second, namespace: team-b, creationTimestamp: "2024-02-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: ["*"]
        tls: {httpsRedirect: true}
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [b.example.com]
        tls: {mode: SIMPLE, credentialName: b-cert}
    ```

    Sources: istio.io, Traffic Management Problems and the analysis message IST0145;
    pilot/pkg/model/gateway.go; istio/istio issues 23318, 11509, 13717, 17079, 6046.
    """
    yield from ingresses_of_one_host(mesh)
    for dropped_server in dropped_servers(mesh):
        dropped = dropped_server.dropped
        winner = dropped.winner
        if (
            winner is not None
            and dropped.reason is DropReason.DUPLICATE_HOSTS
            and dropped.server.api is GatewayApi.ISTIO
            and dropped.server.is_tls == winner.is_tls
            and (
                dropped.server.is_tls
                or dropped_server.dead_hosts
                or dropped_server.unredirected_hosts
            )
        ):
            yield Finding(
                message=_message(dropped_server, winner),
                objects=(
                    dropped.server.field("/hosts"),
                    winner.field("/hosts"),
                    *(each.at("/spec/gateways") for each in dropped_server.virtual_services),
                ),
                identity=Identity.of(dropped.server.gateway),
                hosts=frozenset(
                    (*dropped_server.dead_hosts, *dropped_server.shared_hosts, *dropped.hosts)
                ),
                evidence=tuple(_evidence(dropped_server, winner)),
                fixes=tuple(_fixes(dropped_server, winner)),
                severity=_severity(dropped_server, winner),
                confidence=Confidence.CERTAIN if dropped.age_is_known else Confidence.SUSPECTED,
                credentials=frozenset(
                    (dropped.workload.namespace, each.name) for each in dropped.server.credentials
                ),
                servers=frozenset({dropped.server.id, winner.id}),
            )


def _severity(dropped_server: DroppedServer, winner: Server) -> Severity:
    server = dropped_server.dropped.server
    if not server.is_tls:
        return Severity.MEDIUM
    if dropped_server.dead_hosts:
        return Severity.CRITICAL
    if dropped_server.shared_hosts:
        return Severity.HIGH
    same = [each.text for each in server.credentials] == [e.text for e in winner.credentials]
    return Severity.LOW if same and server.mode is winner.mode else Severity.MEDIUM


def _message(dropped_server: DroppedServer, winner: Server) -> str:
    dropped = dropped_server.dropped
    server = dropped.server
    hosts = host_listing(dropped.hosts)
    same = "twice" if winner.gateway == server.gateway else f"also listed by {winner}"
    if dropped.age_is_known:
        start = f"istiod leaves out {server}: {hosts} is {same}, which comes first."
    else:
        start = (
            f"{hosts} of {server} is {same} on the same pods. istiod keeps the older of the two;"
            " creation times were not read, so it may be the other one that is left out."
        )
    return f"{start} {_consequence(dropped_server)}"


def _consequence(dropped_server: DroppedServer) -> str:
    if not dropped_server.dropped.server.is_tls:
        hosts = listing((*dropped_server.dead_hosts, *dropped_server.unredirected_hosts))
        return f"Plain requests for {hosts} are not redirected to HTTPS."
    lost = (*dropped_server.dead_hosts, *dropped_server.shared_hosts)
    if dropped_server.virtual_services:
        routes = listing(each.ref for each in dropped_server.virtual_services)
        return f"Requests for {listing(lost)} never reach {routes}."
    if lost:
        return f"Nothing answers for {listing(lost)}."
    return "Its certificate and TLS settings are never used."


def _evidence(dropped_server: DroppedServer, winner: Server) -> Iterator[Evidence]:
    for server in (winner, dropped_server.dropped.server):
        created = server.age_order[0] or "at a time that was not read"
        names = listing(each.text for each in server.credentials) or "no credential"
        yield Evidence(
            text=f"{server} lists {listing(server.hosts)} with {names}, created {created}",
            ref=server.gateway,
        )


def _fixes(dropped_server: DroppedServer, winner: Server) -> Iterator[Fix]:
    server = dropped_server.dropped.server
    duplicates = set(dropped_server.dropped.hosts)
    if winner.api is GatewayApi.INGRESS:
        yield leave_to(server, winner, dropped_server.dropped.hosts)
        return
    rest = [str(host) for host in server.hosts if str(host) not in duplicates]
    yield _leave_to(winner, dropped_server, rest)
    own = [
        host
        for host in (*dropped_server.dead_hosts, *dropped_server.shared_hosts)
        if host not in duplicates
    ]
    if dropped_server.virtual_services and own:
        yield set_field(
            server.field("/hosts"),
            sorted({*rest, *own}),
            f"List only its own hosts in {server}",
            why=(
                "An exact host beside a wildcard is legal. Where one certificate covers both,"
                " browsers may reuse a connection and reach the wrong server."
            ),
        )


def _leave_to(winner: Server, dropped_server: DroppedServer, rest: list[str]) -> Fix:
    """Bind the VirtualServices to the winner's Gateway and take the hosts out of the loser's."""
    server = dropped_server.dropped.server
    gateway = server.gateway
    target = f"{winner.gateway.namespace}/{winner.gateway.name}"
    bind = [{"op": "add", "path": "/spec/gateways/-", "value": target}]
    orphans = tuple(
        each
        for each in dropped_server.virtual_services
        if winner.gateway != gateway and _may_serve(winner, each.spec.hosts)
    )
    title = f"Leave {host_listing(dropped_server.dropped.hosts)} to {winner}"
    why = "All these hosts are then served with the certificate and settings of that server."
    operations = _removal(server, rest, is_only=dropped_server.is_only_server)
    if operations:
        patches = (*((each.ref, bind) for each in orphans), (gateway, operations))
        return Fix(
            title=title,
            patches=tuple(Patch(ref=r, type=PatchType.JSON, body=b) for r, b in patches),
            verify=get(gateway),
            why=why,
        )
    return Fix(
        title=title,
        commands=(
            *(kubectl("patch", each.ref, "--type=json", change(dumps(bind))) for each in orphans),
            kubectl("delete", gateway),
        ),
        why=f"{why} Nothing else is in the Gateway that is deleted.",
        withheld=fault_of(winner.gateway),
    )


def _may_serve(server: Server, hosts: tuple[str, ...]) -> bool:
    return any(meet(mine, host) is not None for mine in server.names for host in hosts)


def _removal(server: Server, rest: list[str], *, is_only: bool) -> list[dict[str, Any]]:
    """Return the operation that takes the duplicate out; none when the Gateway would be empty."""
    if rest:
        return [{"op": "replace", "path": f"{server.path}/hosts", "value": rest}]
    return [] if is_only else [{"op": "remove", "path": server.path}]
