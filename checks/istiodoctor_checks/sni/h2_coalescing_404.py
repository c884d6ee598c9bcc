"""SNI003."""

from collections.abc import Iterator
from typing import Any

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.finding import Finding, Severity
from istiodoctor.fix import Fix, Patch, PatchType, Risk, get
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.certificates.connection_coalescing import (
    CoalescingMisroute,
    ReuseGroup,
    reuse_groups,
)
from istiodoctor.mesh.configuration.bindings import bindings
from istiodoctor.mesh.configuration.misrouting import references_of, servers_by_gateway
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.hosts import certificate_covers
from istiodoctor.model.ref import Ref
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._connection_coalescing import (
    certificates,
    evidence_of,
    identity_of,
    objects_of,
    servers_of,
)

MOST_MERGED = 8
"""More servers than these are not merged by patches: that is a decision, not a fix."""


@check("SNI003", severity=Severity.HIGH, explains={"SNI014"})
def h2_coalescing_404(mesh: Mesh) -> Iterator[Finding]:
    """Servers on one address have certificates for each other's hosts, but separate routes.

    A browser that has an HTTP/2 connection to an address uses it for every host that the
    certificate covers. When two servers on one port present the same wildcard certificate, or
    two that overlap, the second host is asked for on the connection of the first: Envoy has no
    route for it there and answers 404 (`NR route_not_found`). It depends on which page was opened
    first; curl, and a private window, work.

    Fix: one server with one wildcard host (or all hosts) for one certificate, and all
    VirtualServices bound to its Gateway; or a certificate of its own for every server.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: shop, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: blog, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [blog.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for *.example.com
      tls.key: key of *.example.com
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: istio-system}
    spec:
      hosts: [shop.example.com]
      gateways: [shop]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: blog, namespace: istio-system}
    spec:
      hosts: [blog.example.com]
      gateways: [blog]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    ```finding
    high: Gateway istio-system/blog spec.servers[0].hosts
    hosts: blog.example.com, shop.example.com
    Gateway istio-system/blog server 443 (https) and Gateway istio-system/shop server 443 (https)
    answer on one port of Pod istio-system/gateway with Secret istio-system/shop-cert
    (*.example.com). A browser reuses its HTTP/2 connection for every host of the certificate, so
    blog.example.com may arrive at Gateway istio-system/shop server 443 (https), which has other
    routes: 404, depending on which host was opened first. curl works.
    ```

    One server may have many hosts, servers may have their own certificates, and a wildcard
    server beside an exact one does no harm when the same routes answer on both:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com, blog.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
      - port: {number: 443, name: https-other, protocol: HTTPS}
        hosts: ["*.example.org"]
        tls: {mode: SIMPLE, credentialName: other-cert}
      - port: {number: 443, name: https-pay, protocol: HTTPS}
        hosts: [pay.example.org]
        tls: {mode: SIMPLE, credentialName: other-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com, blog.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: other-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for *.example.org
      tls.key: key of *.example.org
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: istio-system}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: blog, namespace: istio-system}
    spec:
      hosts: [blog.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: pay, namespace: istio-system}
    spec:
      hosts: [pay.example.org]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    Sources: istio.io, Network Problems (404 errors occur when multiple gateways configured with
    same TLS certificate), MultipleGateways (IST0138); istio/istio issues 9429, 13589, 32592,
    49023.
    """
    for group in reuse_groups(mesh):
        misroutes = tuple(filter(_is_http, group.misroutes))
        if misroutes:
            servers = servers_of(misroutes)
            yield Finding(
                message=_message(group, misroutes, servers),
                objects=objects_of(group, servers),
                identity=identity_of(group),
                hosts=frozenset(each.host for each in misroutes),
                evidence=evidence_of(misroutes),
                fixes=(*_merge(mesh, misroutes, servers), _separate(servers)),
                credentials=frozenset((e.namespace, e.name) for e in group.credentials),
                servers=frozenset(each.id for each in servers),
            )


def _is_http(misroute: CoalescingMisroute) -> bool:
    return misroute.server.api is GatewayApi.ISTIO and not misroute.server.is_passthrough


def _message(
    group: ReuseGroup, misroutes: tuple[CoalescingMisroute, ...], servers: tuple[Server, ...]
) -> str:
    first = misroutes[0]
    return (
        f"{listing(servers)} answer on one port of {group.listener.workload} with"
        f" {certificates(group, misroutes)}. A browser reuses its HTTP/2 connection for every host"
        f" of the certificate, so {first.host} may arrive at {first.lands_on}, which has other"
        f" routes: 404, depending on which host was opened first. curl works."
    )


def _separate(servers: tuple[Server, ...]) -> Fix:
    return Fix(
        title="Or give every server a certificate for its own hosts alone",
        risk=Risk.NEEDS_ISSUANCE,
        why=(
            f"One certificate each for {host_listing(name for e in servers for name in e.names)};"
            " none of them may cover a host of another server."
        ),
    )


def _merge(
    mesh: Mesh, misroutes: tuple[CoalescingMisroute, ...], servers: tuple[Server, ...]
) -> Iterator[Fix]:
    """Yield the merger into the oldest server whose certificate covers every host."""
    names = [name for each in servers for name in each.names]
    keeper = next(
        (
            misroute.lands_on
            for misroute in sorted(
                misroutes, key=lambda e: (e.lands_on.age_order, e.lands_on.index)
            )
            if misroute.credential.leaf
            and all(
                any(certificate_covers(own, name) for own in misroute.credential.leaf.dns_names)
                for name in names
            )
        ),
        None,
    )
    if keeper is None or len(servers) > MOST_MERGED or len({e.mode for e in servers}) > 1:
        return
    others = [each for each in servers if each is not keeper]
    patches, deleted = _patches(mesh, keeper, others)
    yield Fix(
        title=f"Serve all these hosts by {keeper}",
        risk=Risk.RESTARTS_TRAFFIC,
        patches=patches,
        commands=tuple(kubectl("delete", each) for each in deleted),
        verify=get(keeper.gateway),
        why="Existing connections are closed once when the listener changes.",
    )


def _patches(
    mesh: Mesh, keeper: Server, others: list[Server]
) -> tuple[tuple[Patch, ...], tuple[Ref, ...]]:
    hosts = dict.fromkeys(str(host) for each in (keeper, *others) for host in each.hosts)
    changes: dict[Ref, list[dict[str, Any]]] = {
        keeper.gateway: [
            {"op": "add", "path": f"{keeper.path}/hosts", "value": list(hosts)},
        ]
    }
    deleted = []
    for gateway in dict.fromkeys(each.gateway for each in others):
        removed = [each for each in others if each.gateway == gateway]
        is_emptied = len(removed) == len(servers_by_gateway(mesh)[gateway])
        if is_emptied:
            deleted.append(gateway)
        else:
            changes.setdefault(gateway, []).extend(
                {"op": "remove", "path": each.path}
                for each in sorted(removed, key=lambda each: -each.index)
            )
        if gateway != keeper.gateway:
            changes |= _bound_anew(mesh, keeper.gateway, removed, is_emptied=is_emptied)
    return (
        tuple(Patch(ref=ref, type=PatchType.JSON, body=body) for ref, body in changes.items()),
        tuple(deleted),
    )


def _bound_anew(
    mesh: Mesh, gateway: Ref, removed: list[Server], *, is_emptied: bool
) -> dict[Ref, list[dict[str, Any]]]:
    changes: dict[Ref, list[dict[str, Any]]] = {}
    sources = {
        binding.virtual_service.ref: binding.virtual_service
        for server in removed
        for binding in bindings(mesh).get(server, ())
        if binding.hosts
    }
    for source in sources.values():
        references = references_of(mesh, source)
        if any(each.target == gateway for each in references):
            continue
        index = next((e.index for e in references if e.target == removed[0].gateway), 0)
        change = {"op": "add", "path": "/spec/gateways/-", "value": gateway.path}
        if is_emptied:
            change |= {"op": "replace", "path": f"/spec/gateways/{index}"}
        changes[source.ref] = [change]
    return changes
