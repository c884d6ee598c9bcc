"""VS001."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Evidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.bindings import ReferenceState
from istiodoctor.mesh.configuration.lost_references import LostReference, lost_references
from istiodoctor.mesh.configuration.misrouting import servers_by_gateway
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.hosts import meet
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place
from istiodoctor_checks.fixes import set_field
from istiodoctor_checks.text import listing


@check("VS001", severity=Severity.CRITICAL, claims=Claim.NOT_FOUND, explains={"GW019", "HTTP017"})
def gateway_ref_other_namespace(mesh: Mesh) -> Iterator[Finding]:
    """A VirtualService names a Gateway that is in another namespace, without that namespace.

    A plain name in `gateways` is looked up in the namespace of the VirtualService. Where no
    Gateway of that name is there, the VirtualService is bound to nothing and no event says so:
    TLS works, the certificate is right, and every request is answered with 404
    (`NR route_not_found` in the access log).

    Fix: write `namespace/name`.

    ```yaml bad
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
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    A plain name is right where the Gateway is in the same namespace, whatever other Gateways of
    that name exist:

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
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: blog}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [blog.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: blog, namespace: shop}
    spec:
      hosts: [blog.example.com]
      gateways: [blog/web]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    Sources: istio.io, VirtualService (`gateways`); istio/istio issues 7018, 11131, 12404, 35772.
    """
    for lost in lost_references(mesh):
        if lost.candidates:
            reference, source = lost.reference, lost.reference.virtual_service
            servers = _servers(mesh, lost)
            yield Finding(
                message=_message(lost),
                objects=(
                    reference.place,
                    *(Place(each, "/metadata/namespace") for each in lost.candidates),
                ),
                identity=Identity.of(source.ref, reference.target.path),
                hosts=frozenset(_hosts(lost, servers)),
                evidence=tuple(Evidence(text=f"{e} exists", ref=e) for e in lost.candidates),
                fixes=tuple(
                    set_field(reference.place, each.path, f"Name the Gateway as {each.path}")
                    for each in lost.candidates
                ),
                severity=Severity.MEDIUM if lost.is_answered else None,
                confidence=_confidence(lost),
                servers=frozenset(each.id for each in servers),
                absences=frozenset(
                    {(Kind.ISTIO_GATEWAY, reference.target.namespace, reference.target.name)}
                ),
            )


def _message(lost: LostReference) -> str:
    reference, source = lost.reference, lost.reference.virtual_service
    known = "is not among what was read"
    if reference.state is ReferenceState.MISSING:
        known = "does not exist"
    effect = "other routes answer for its hosts" if lost.is_answered else "its hosts get 404"
    return (
        f"{source.ref} names the gateway {reference.text}, which means {reference.target.path};"
        f" that {known}, while {listing(lost.candidates)} has its host. The VirtualService is"
        f" bound to nothing there: {effect}."
    )


def _servers(mesh: Mesh, lost: LostReference) -> tuple[Server, ...]:
    by_gateway = servers_by_gateway(mesh)
    return tuple(
        server
        for gateway in lost.candidates
        for server in by_gateway.get(gateway, ())
        if _hosts(lost, (server,))
    )


def _hosts(lost: LostReference, servers: tuple[Server, ...]) -> set[str]:
    return {
        common
        for host in lost.reference.virtual_service.spec.hosts
        for server in servers
        for name in server.names
        if (common := meet(name, host))
    }


def _confidence(lost: LostReference) -> Confidence:
    is_fact = lost.reference.state is ReferenceState.MISSING
    return Confidence.CERTAIN if is_fact else Confidence.SUSPECTED
