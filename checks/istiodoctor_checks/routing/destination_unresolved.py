"""VS009."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.finding import Evidence, Finding, Fix, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.destination_uses import DestinationUse
from istiodoctor.mesh.destinations import DestinationState, Resolution, destinations
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place, Ref
from istiodoctor_checks.destinations import cluster_of, severity_of
from istiodoctor_checks.fixes import set_field
from istiodoctor_checks.wording import listing

OTHER_CLUSTERS = ".svc.clusterset.local"


@check("VS009", severity=Severity.CRITICAL, explains={"HTTP015"})
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

    A Service of type ExternalName and the host of a ServiceEntry are destinations like any
    other:

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
    spec: {hosts: ["*.example.net"], ports: [{number: 443, name: https, protocol: HTTPS}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: mail, namespace: shop}
    spec: {type: ExternalName, externalName: mail.example.net, ports: [{name: http, port: 80}]}
    ```

    Sources: istio.io, VirtualService (Destination), ReferencedResourceNotFound (IST0101);
    istio/istio issues 6388, 31925, 40923.
    """
    for use, found in destinations(mesh):
        if found.state is DestinationState.MISSING and not found.fqdn.endswith(OTHER_CLUSTERS):
            yield Finding(
                message=_message(use, found),
                objects=(
                    Place(use.place.ref, f"{use.place.path}/host"),
                    *map(Place, found.elsewhere),
                ),
                identity=_identity(use, found),
                hosts=frozenset(use.virtual_service.spec.hosts),
                evidence=(
                    Evidence(text=f"there is no Service {found.fqdn}"),
                    Evidence(text=f"Envoy would need the cluster {cluster_of(use, found)}"),
                    *(Evidence(text=f"{each} exists", ref=each) for each in found.elsewhere),
                ),
                fixes=_fixes(use, found),
                severity=severity_of(use),
                absences=_absences(found),
            )


def _message(use: DestinationUse, found: Resolution) -> str:
    host = use.destination.host
    meaning = f", which means {found.fqdn} here" if found.fqdn != host.lower() else ""
    hint = f" {listing(found.elsewhere)} is likely meant." if found.elsewhere else ""
    return (
        f"{use.place.ref} routes to {host}{meaning}: no such Service exists, so requests for"
        f" {listing(use.virtual_service.spec.hosts)} that take this route get 503"
        f" (NC cluster_not_found).{hint}"
    )


def _identity(use: DestinationUse, found: Resolution) -> Identity:
    """A wrong name is one problem per route object, a Service that is gone is one for all."""
    gone = not found.elsewhere and found.target
    return (
        Identity.of(found.target)
        if gone and found.target
        else Identity.of(use.place.ref, found.fqdn)
    )


def _fixes(use: DestinationUse, found: Resolution) -> tuple[Fix, ...]:
    place = Place(use.place.ref, f"{use.place.path}/host")
    names = [_full(each) for each in found.elsewhere]
    return tuple(set_field(place, name, f"Route to {name}") for name in names) or (
        Fix(
            title=f"Create the Service {found.fqdn}, or route to one that exists",
            verify=kubectl("get", "services", "--all-namespaces"),
            why="No Service of that name is in any namespace that was read.",
        ),
    )


def _full(service: Ref) -> str:
    return f"{service.name}.{service.namespace}.svc.cluster.local"


def _absences(found: Resolution) -> frozenset[tuple[Kind, str, str]]:
    target = found.target
    return frozenset({(Kind.SERVICE, target.namespace, target.name)} if target else ())
