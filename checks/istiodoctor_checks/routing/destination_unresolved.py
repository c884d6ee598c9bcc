"""VS009."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.cluster import ClusterFault
from istiodoctor.mesh.configuration.destinations import (
    FailedDestination,
    destinations_without_service,
)
from istiodoctor.mesh.configuration.missing_services import services_named
from istiodoctor.mesh.workloads.names import CLUSTER_DOMAIN
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place, Ref
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._destinations import severity_of
from istiodoctor_checks.routing._backends import backends_of_other_kinds, missing_backends

OTHER_CLUSTERS = ".svc.clusterset.local"


@check("VS009", severity=Severity.CRITICAL, explains={"GWAPI017", "HTTP015"})
def destination_unresolved(mesh: Mesh) -> Iterator[Finding]:
    """A route's destination is no Service that exists, so Envoy has no cluster for it.

    A name without a dot is completed with the namespace of the **VirtualService**, not with that
    of the Service. A name with a dot is taken as it stands: `shop.backend` is no Service, only
    `shop.backend.svc.cluster.local` is. The handshake works and requests get 503 (`NC
    cluster_not_found` in the access log).

    Fix: write the full name of the Service.

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
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: backend}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ```

    ```finding
    critical: VirtualService shop/shop spec.http[0].route[0].destination.host
    hosts: shop.example.com
    VirtualService shop/shop routes to shop, which means shop.shop.svc.cluster.local here: no such
    Service exists, so requests for shop.example.com that take this route get 503 (NC
    cluster_not_found). Service backend/shop is likely meant.
    ```

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
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop.backend}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: backend}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ```

    ```finding
    critical: VirtualService shop/shop spec.http[0].route[0].destination.host
    hosts: shop.example.com
    VirtualService shop/shop routes to shop.backend: no such Service exists, so requests for
    shop.example.com that take this route get 503 (NC cluster_not_found). Service backend/shop is
    likely meant.
    ```

    A gateway has a cluster of a host outside only where a ServiceEntry writes it out; a wildcard
    is no cluster of the names below it, and since Istio 1.21 an ExternalName is no more than
    another name for such a host:

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
        hosts: ["*.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop.backend.svc.cluster.local}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: pay, namespace: shop}
    spec:
      hosts: [pay.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: pay.example.net}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: mail, namespace: shop}
    spec:
      hosts: [mail.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: mail}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: backend}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: ServiceEntry
    metadata: {name: pay, namespace: shop}
    spec:
      hosts: [pay.example.net, mail.example.net]
      ports: [{number: 443, name: https, protocol: HTTPS}]
      resolution: DNS
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: mail, namespace: shop}
    spec: {type: ExternalName, externalName: mail.example.net, ports: [{name: https, port: 443}]}
    ```

    The same holds for backends of HTTPRoutes, GRPCRoutes, TLSRoutes, TCPRoutes and Ingresses:
    a `backendRef` names a Service, and of a backend that does not exist, or is of another kind, a
    route of the Gateway API makes 500.

    Sources: istio.io, VirtualService (Destination), ReferencedResourceNotFound (IST0101);
    istio/istio issues 6388, 31925, 40923.
    """
    for failed in destinations_without_service(mesh):
        use, host = failed.use, failed.use.resolved.host
        if host.endswith(OTHER_CLUSTERS):
            continue
        elsewhere = _elsewhere(mesh, failed)
        yield Finding(
            message=_message(failed, elsewhere),
            objects=(Place(use.place.ref, f"{use.place.path}/host"), *map(Place, elsewhere)),
            identity=_identity(failed, elsewhere),
            hosts=frozenset(use.virtual_service.spec.hosts),
            evidence=(
                Evidence(text=_lack(failed)),
                Evidence(text=f"Envoy would need the cluster {failed.routed.name}"),
                *(Evidence(text=f"{each} exists", ref=each) for each in elsewhere),
            ),
            fixes=_fixes(failed, elsewhere),
            severity=severity_of(use),
            confidence=Confidence.CERTAIN if failed.is_sure else Confidence.SUSPECTED,
            absences=_absences(failed),
        )
    yield from missing_backends(mesh)
    yield from backends_of_other_kinds(mesh)


def _elsewhere(mesh: Mesh, failed: FailedDestination) -> tuple[Ref, ...]:
    """Return what may be meant: what stands in the name's way, else Services of that name."""
    found = failed.cluster.service
    if failed.cluster.fault is not ClusterFault.NO_SERVICE:
        return (found,) if found else ()
    return services_named(mesh, failed.routed.name.host.partition(".")[0].lower())


def _message(failed: FailedDestination, elsewhere: tuple[Ref, ...]) -> str:
    use, full = failed.use, failed.use.resolved.host
    host = use.destination.host
    meaning = f", which means {full} here" if full != host else ""
    why, hint = "no such Service exists", ""
    if failed.cluster.fault is not ClusterFault.NO_SERVICE:
        why = failed.cluster.reason
    elif not failed.is_sure:
        why += ", and not every ServiceEntry was read"
    if elsewhere and failed.cluster.fault is ClusterFault.NO_SERVICE:
        hint = f" {listing(elsewhere)} is likely meant."
    return (
        f"{use.place.ref} routes to {host}{meaning}: {why}, so requests for"
        f" {host_listing(use.virtual_service.spec.hosts)} that take this route get 503"
        f" (NC cluster_not_found).{hint}"
    )


def _lack(failed: FailedDestination) -> str:
    if failed.cluster.fault is ClusterFault.NO_SERVICE:
        unread = "" if failed.is_sure else ", and a ServiceEntry that was not read may have it"
        return f"there is no Service {failed.routed.name.host}{unread}"
    return f"no ServiceEntry has the host {failed.routed.name.host}"


def _identity(failed: FailedDestination, elsewhere: tuple[Ref, ...]) -> Identity:
    """A wrong name is one problem per route object, a Service that is gone is one for all."""
    gone = failed.cluster.service
    if gone and not elsewhere:
        return Identity.of(gone)
    return Identity.of(failed.use.place.ref, failed.routed.name.host)


def _fixes(failed: FailedDestination, elsewhere: tuple[Ref, ...]) -> tuple[Fix, ...]:
    full = failed.routed.name.host
    if failed.cluster.fault is not ClusterFault.NO_SERVICE:
        return (
            Fix(
                title=f"Add a ServiceEntry for the host {full}, with its ports",
                verify=kubectl("get", "services", "--all-namespaces"),
                why="A gateway gets a cluster only of a host that a ServiceEntry writes out.",
            ),
        )
    place = Place(failed.use.place.ref, f"{failed.use.place.path}/host")
    names = [f"{each.name}.{each.namespace}.svc.{CLUSTER_DOMAIN}" for each in elsewhere]
    return tuple(set_field(place, name, f"Route to {name}") for name in names) or (
        Fix(
            title=f"Create the Service {full}, or route to one that exists",
            verify=kubectl("get", "services", "--all-namespaces"),
            why="No Service of that name is in any namespace that was read.",
        ),
    )


def _absences(failed: FailedDestination) -> frozenset[tuple[Kind, str, str]]:
    gone = failed.cluster.service
    if gone is None or failed.cluster.fault is not ClusterFault.NO_SERVICE:
        return frozenset()
    return frozenset({(Kind.SERVICE, gone.namespace, gone.name)})
