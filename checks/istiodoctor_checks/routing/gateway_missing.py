"""VS002."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.bindings import ReferenceState
from istiodoctor.mesh.configuration.lost_references import LostReference, lost_references
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing

SUGGESTED = 3


@check("VS002", severity=Severity.CRITICAL, claims=Claim.NOT_FOUND, explains={"GW019", "HTTP017"})
def gateway_missing(mesh: Mesh) -> Iterator[Finding]:
    """A VirtualService names a Gateway that does not exist.

    The VirtualService is bound to nothing and nothing reports it: where another Gateway has the
    host, requests get 404, and where none has it, no server answers at all. Mostly a name was
    misspelt, or the Gateway was renamed or deleted and the VirtualService stayed.

    Fix: name the Gateway that has the host, as `namespace/name`, or create the missing one.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web-gateway, namespace: shop}
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
      gateways: [web-gatway]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    ```finding
    critical: VirtualService shop/shop spec.gateways[0]
    hosts: shop.example.com
    VirtualService shop/shop names Gateway shop/web-gatway, which does not exist. Requests for
    shop.example.com find no route. Gateway shop/web-gateway has shop.example.com.
    ```

    `mesh` is no Gateway, and means the sidecars:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web-gateway, namespace: shop}
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
      gateways: [mesh, web-gateway]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    Sources: istio.io, VirtualService (`gateways`), ReferencedResourceNotFound (IST0101).
    """
    for lost in lost_references(mesh):
        reference, source = lost.reference, lost.reference.virtual_service
        is_missing = reference.state is ReferenceState.MISSING
        if is_missing and not lost.candidates and not lost.api_gateway:
            yield Finding(
                message=_message(lost),
                objects=(reference.place, *map(Place, lost.suitable[:SUGGESTED])),
                identity=Identity.of(source.ref, reference.target.path),
                hosts=frozenset(source.spec.hosts),
                evidence=(Evidence(text=f"{reference.target} does not exist"),),
                fixes=_fixes(lost),
                severity=Severity.MEDIUM if lost.is_answered else None,
                absences=frozenset(
                    {(Kind.ISTIO_GATEWAY, reference.target.namespace, reference.target.name)}
                ),
            )


def _message(lost: LostReference) -> str:
    reference, source = lost.reference, lost.reference.virtual_service
    hint = ""
    if lost.suitable:
        hint = f" {listing(lost.suitable)} has {host_listing(source.spec.hosts)}."
    effect = (
        "Other routes answer for its hosts, this one answers nothing."
        if lost.is_answered
        else f"Requests for {host_listing(source.spec.hosts)} find no route."
    )
    return f"{source.ref} names {reference.target}, which does not exist. {effect}{hint}"


def _fixes(lost: LostReference) -> tuple[Fix, ...]:
    place = lost.reference.place
    target = lost.reference.target
    named = tuple(
        set_field(place, each.path, f"Bind it to {each.path}")
        for each in lost.suitable[:SUGGESTED]
    )
    create = Fix(
        title=f"Create {target}",
        verify=kubectl("get", target),
        why="A Gateway with a server for these hosts, and a selector that takes gateway pods.",
    )
    return named or (create,)
