"""GWAPI014."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, get, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.api_gateways import api_gateways, listener_sets
from istiodoctor.mesh.gateways.conditions import route_condition
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place, Ref
from istiodoctor.text import host_listing, listing
from istiodoctor_checks.gateway_api._listeners import hosts_of, status_evidence
from istiodoctor_checks.gateway_api._lost_parents import LostParent, lost_parents

OFFERED = 2
ALIKE = 0.6
"""How alike two names must be (difflib's ratio) to be offered."""


@check(
    "GWAPI014",
    severity=Severity.CRITICAL,
    claims=Claim.NOT_FOUND,
    explains={"CM020", "GWAPI016", "GWAPI017", "HTTP017", "SNI011"},
)
def route_parent_missing(mesh: Mesh) -> Iterator[Finding]:
    """A route names a Gateway or a listener that does not exist.

    `parentRefs` of an HTTPRoute, GRPCRoute, TLSRoute or TCPRoute name a Gateway (or ListenerSet)
    and may narrow it to a listener by `sectionName` and `port`. Where nothing is left, or only
    listeners of another protocol (an HTTPRoute on `TLS` with mode Passthrough), the route is bound
    nowhere: `Accepted` is False (`NoMatchingParent`, or nothing at all is said), and its hosts get
    404, or find no listener. A name of an Istio Gateway does not count.

    Fix: correct the name, `sectionName` or `port`.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{name: web, sectionName: https}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: shop, port: 80}]}]
    ```

    ```finding
    critical: HTTPRoute shop/shop spec.parentRefs[0].sectionName
    hosts: shop.example.com
    HTTPRoute shop/shop wants to attach to Gateway API Gateway shop/web, which has no listener
    https, only http. Requests for shop.example.com find no route.
    ```

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{name: wbe}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: shop, port: 80}]}]
    ```

    ```finding
    critical: HTTPRoute shop/shop spec.parentRefs[0].name
    hosts: shop.example.com
    HTTPRoute shop/shop wants to attach to Gateway API Gateway shop/wbe, which does not exist.
    Requests for shop.example.com find no route.
    ```

    A ListenerSet is a parent too, and it may be the one that names a Gateway which is not there:

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.30.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      allowedListeners: {namespaces: {from: All}}
      listeners: [{name: http, port: 80, protocol: HTTP}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: ListenerSet
    metadata: {name: more, namespace: shop}
    spec:
      parentRef: {name: wbe}
      listeners: [{name: http, hostname: api.example.com, port: 80, protocol: HTTP}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: api, namespace: shop}
    spec:
      parentRefs: [{kind: ListenerSet, name: more}]
      hostnames: [api.example.com]
      rules: [{backendRefs: [{name: api, port: 80}]}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{kind: ListenerSet, name: mroe}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: shop, port: 80}]}]
    ```

    ```finding
    critical: HTTPRoute shop/shop spec.parentRefs[0].name
    hosts: shop.example.com
    HTTPRoute shop/shop wants to attach to ListenerSet shop/mroe, which does not exist. Requests
    for shop.example.com find no route.

    critical: ListenerSet shop/more spec.parentRef.name
    hosts: api.example.com
    HTTPRoute shop/api wants to attach to ListenerSet shop/more, which adds to Gateway API Gateway
    shop/wbe, and that does not exist. Requests for api.example.com find no route.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{name: web, sectionName: http, port: 80}, {kind: Service, name: shop}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: shop, port: 80}]}]
    ```

    Sources: istio/istio, pilot/pkg/config/kube/gateway/conversion.go:624-845, conditions.go:227;
    gateway-api.sigs.k8s.io, API reference (ParentReference).
    """
    for lost in lost_parents(mesh):
        attachment, route = lost.attachment, lost.attachment.route
        hosts = hosts_of(attachment) or frozenset(_names(lost))
        yield Finding(
            message=(
                f"{route.ref} wants to attach to {attachment.parent}, {_lack(lost)}."
                f" {_effect(lost, hosts)}"
            ),
            objects=(_place(lost), *_others(lost)),
            identity=Identity.of(route.ref, _detail(lost)),
            hosts=hosts,
            evidence=(
                *_evidence(lost),
                *status_evidence(route_condition(mesh, attachment, "Accepted"), route.ref),
            ),
            fixes=tuple(_fixes(mesh, lost)),
            severity=_severity(lost),
            absences=_absences(lost),
        )


def _lack(lost: LostParent) -> str:
    """Say what there is not, after the name of the parent."""
    if lost.gateway:
        return f"which adds to {lost.gateway}, and that does not exist"
    if lost.is_missing:
        return "which does not exist"
    wanted = lost.attachment.parent_reference
    named = [e for e in lost.listeners if wanted.section_name in ("", e.section_name)]
    if not named:
        names = listing(each.section_name for each in lost.listeners)
        return f"which has no listener {wanted.section_name}, only {names}"
    fitting = [each for each in named if wanted.port in (0, each.port)]
    if not fitting:
        ports = listing(sorted({each.port for each in named}))
        which = wanted.section_name or "listener"
        return f"where no {which} has port {wanted.port}, only {ports}"
    kind = lost.attachment.route.KIND.value.kind
    return f"but {listing(fitting)} takes no {kind}: {_protocols(fitting)}"


def _protocols(servers: Iterable[Server]) -> str:
    texts = (
        f"{each.protocol}{' with mode Passthrough' if each.is_passthrough else ''}"
        for each in servers
    )
    return f"its protocol is {listing(texts)}"


def _effect(lost: LostParent, hosts: Iterable[str]) -> str:
    names = host_listing(sorted(hosts))
    if lost.is_answered:
        return "Other routes answer for its hosts, this one answers nothing there."
    if lost.has_other:
        return "It is attached elsewhere only."
    if lost.attachment.route.KIND in (Kind.HTTP_ROUTE, Kind.GRPC_ROUTE):
        return f"Requests for {names or 'its hosts'} find no route."
    return f"Connections for {names or 'its ports'} find no route."


def _names(lost: LostParent) -> Iterator[str]:
    for each in lost.listeners:
        yield from each.names


def _place(lost: LostParent) -> Place:
    place, wanted = lost.attachment.place, lost.attachment.parent_reference
    if lost.gateway:
        return Place(lost.attachment.parent, "/spec/parentRef/name")
    if lost.is_missing:
        return Place(place.ref, f"{place.path}/name")
    sections = {each.section_name for each in lost.listeners}
    if wanted.section_name and wanted.section_name not in sections:
        return Place(place.ref, f"{place.path}/sectionName")
    return Place(place.ref, f"{place.path}/port") if wanted.port else place


def _others(lost: LostParent) -> tuple[Place, ...]:
    if lost.gateway:
        return (lost.attachment.place,)
    if lost.is_missing:
        return tuple(map(Place, lost.suitable[:OFFERED]))
    return (Place(lost.attachment.parent, "/spec/listeners"),)


def _detail(lost: LostParent) -> str:
    wanted = lost.attachment.parent_reference
    port = str(wanted.port) if wanted.port else ""
    return ":".join((lost.attachment.parent.path, wanted.section_name, port)).rstrip(":")


def _evidence(lost: LostParent) -> Iterator[Evidence]:
    parent = lost.attachment.parent
    if lost.is_missing:
        yield Evidence(text=f"{lost.gateway or parent} does not exist")
    else:
        yield Evidence(text=f"{parent} has {listing(lost.listeners)}", ref=parent)


def _fixes(mesh: Mesh, lost: LostParent) -> Iterator[Fix]:
    found = tuple(_corrections(mesh, lost))
    yield from found
    if not found:
        yield Fix(
            title="Name a listener that takes the route",
            verify=get(lost.attachment.route.ref),
            why="Which listener is meant is not known.",
        )


def _corrections(mesh: Mesh, lost: LostParent) -> Iterator[Fix]:
    place, wanted = _place(lost), lost.attachment.parent_reference
    if lost.is_missing:
        missing = lost.gateway or lost.attachment.parent
        gateways = (each.ref for each in api_gateways(mesh))
        near = [
            each
            for each in (*gateways, *(e.ref for e in listener_sets(mesh)))
            if (each.namespace, each.kind) == (missing.namespace, missing.kind)
        ]
        for name in _near(missing.name, near, lost.suitable):
            yield set_field(place, name, f"Attach it to {name}")
    elif place.path.endswith("/sectionName"):
        names = [each.section_name for each in lost.listeners]
        for name in get_close_matches(wanted.section_name, names, n=OFFERED, cutoff=ALIKE) or (
            names if len(names) == 1 else ()
        ):
            yield set_field(place, name, f"Attach it to the listener {name}")
    elif wanted.port and wanted.port not in {each.port for each in lost.listeners}:
        for port in sorted({each.port for each in lost.listeners})[:OFFERED]:
            yield set_field(place, port, f"Attach it to port {port}")


def _near(name: str, same: Iterable[Ref], suitable: tuple[Ref, ...]) -> tuple[str, ...]:
    """Return Gateways of the namespace by a name alike, else by the hosts of the route."""
    names = [each.name for each in same]
    close = get_close_matches(name, names, n=OFFERED, cutoff=ALIKE)
    return tuple(close or [each.name for each in suitable if each.name in names][:OFFERED])


def _severity(lost: LostParent) -> Severity | None:
    if lost.is_answered:
        return Severity.MEDIUM
    return Severity.HIGH if lost.has_other else None


def _absences(lost: LostParent) -> frozenset[tuple[Kind, str, str]]:
    parent = lost.gateway or lost.attachment.parent
    is_gateway = lost.is_missing and parent.kind == Kind.GATEWAY.value.kind
    return frozenset({(Kind.GATEWAY, parent.namespace, parent.name)} if is_gateway else ())
