"""HTTP005."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Evidence, Finding, Fix, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.model.observation import HttpStep
from istiodoctor_checks.fixes import json_patch
from istiodoctor_checks.redirects._http_counterparts import HttpCounterpart, unanswered_plain_hosts
from istiodoctor_checks.redirects._plain_answers import (
    PlainKind,
    from_outside,
    is_answered_by_https,
    plain_answers_seen,
)
from istiodoctor_checks.wire import observed_evidence


@check("HTTP005", severity=Severity.LOW, evidence=[plain_answers_seen, is_answered_by_https])
def plain_server_missing(mesh: Mesh) -> Iterator[Finding]:
    """A host with HTTPS has no plain server on port 80 that would redirect to it.

    The gateway's Service is open on port 80, but no server answers there for the host: who types
    the bare name gets a refused connection or 404 instead of a redirect.

    Where the Service has no port 80, or something before the gateway answers it, nothing is
    missing.

    With `--probe`, http:// is asked for at the load balancer and where the name leads: something
    before the gateway may redirect it.

    Fix: a server on port 80 with `httpsRedirect` for the same hosts.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
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

    One redirecting server for every host is enough, in whatever Gateway:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: redirect, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: ["*"]
        tls: {httpsRedirect: true}
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

    Sources: istio.io, Gateway reference (httpsRedirect).
    """
    fixes: dict[Server, Fix] = {}  # one for all hosts of a server
    for counterpart in unanswered_plain_hosts(mesh):
        server = counterpart.tls.server
        if server not in fixes:
            fixes[server] = _fix(server)
        seen = plain_answers_seen(mesh, counterpart.tls.workload, counterpart.tls.host)
        before = from_outside(seen, PlainKind.REDIRECT_BEFORE)
        refused = (
            *from_outside(seen, PlainKind.SILENCE),
            *from_outside(seen, PlainKind.NOT_FOUND),
        )
        is_seen = bool(refused) and is_answered_by_https(mesh, counterpart.tls.host)
        yield Finding(
            message=_message(counterpart, before),
            objects=(server.field("/hosts"),),
            identity=Identity.of(server.gateway),
            hosts=frozenset({counterpart.tls.host}),
            evidence=(
                Evidence(text=f"plain servers for {counterpart.tls.host}: none"),
                *observed_evidence((*before, *refused)),
            ),
            fixes=() if before else (fixes[server],),
            severity=Severity.INFO if before else None,
            confidence=Confidence.OBSERVED if is_seen else Confidence.CERTAIN,
            servers=frozenset({server.id}),
        )


def _message(counterpart: HttpCounterpart, before: tuple[HttpStep, ...]) -> str:
    start = f"No server on port 80 answers for {counterpart.tls.host} of {counterpart.tls.server}"
    if before:
        return (
            f"{start}; something before the gateway redirects http:// at {before[0].access_point}."
        )
    return f"{start}: http:// is not redirected to HTTPS but refused, or answered with 404."


def _fix(server: Server) -> Fix:
    value = {
        "port": {"number": 80, "name": "http", "protocol": "HTTP"},
        "hosts": [str(host) for host in server.hosts],
        "tls": {"httpsRedirect": True},
    }
    return json_patch(
        server.gateway,
        [{"op": "add", "path": "/spec/servers/-", "value": value}],
        "Add a server on port 80 that redirects",
        why="Every path of its hosts is redirected, ACME challenges too.",
    )
