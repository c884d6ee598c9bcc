"""VS017."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl, selecting, within
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.backend_uses import FailedBackend, backends_without_endpoints
from istiodoctor.mesh.configuration.destinations import (
    FailedDestination,
    destinations_without_endpoints,
)
from istiodoctor.mesh.configuration.service_endpoints import (
    SERVICE_NAME_LABEL,
    has_ready_endpoints,
)
from istiodoctor.mesh.configuration.upstream_tls import workloads_behind
from istiodoctor.model.ref import Place
from istiodoctor.model.services import Service
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._destinations import severity_of
from istiodoctor_checks.routing._backends import confidence_of, severity_of_backend, unreached

EXTERNAL_NAME = "ExternalName"


@check("VS017", severity=Severity.CRITICAL, explains={"HTTP015"})
def service_without_ready_endpoints(mesh: Mesh) -> Iterator[Finding]:
    """A route leads to a Service that has no endpoint ready to take traffic.

    TLS works and the route matches, but the Service's selector takes no pod, or none of its pods
    is ready: requests get 503 (`UH` in the access log).

    Fix: correct the selector, or see why the pods are not ready.

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
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: shop-1, namespace: shop, labels: {kubernetes.io/service-name: shop}}
    ports: [{name: http, port: 8080}]
    endpoints: [{addresses: [10.0.0.7], conditions: {ready: false}}]
    ```

    ```finding
    critical: Service shop/shop spec.selector
    hosts: shop.example.com
    VirtualService shop/shop routes shop.example.com to Service shop/shop, which has no ready
    endpoint (no pod in shop carries app=shop): requests get 503 (UH).
    ```

    One ready endpoint is enough, an external name has none, and a canary of weight 0 needs none:

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
      http:
      - route:
        - {destination: {host: shop}, weight: 100}
        - {destination: {host: canary}, weight: 0}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: canary, namespace: shop}
    spec: {selector: {app: canary}, ports: [{name: http, port: 80}]}
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
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: shop-1, namespace: shop, labels: {kubernetes.io/service-name: shop}}
    ports: [{name: http, port: 8080}]
    endpoints:
    - {addresses: [10.0.0.7], conditions: {ready: false}}
    - {addresses: [10.0.0.8], conditions: {ready: true}}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: mail, namespace: shop}
    spec: {type: ExternalName, externalName: mail.example.net, ports: [{name: http, port: 80}]}
    ```

    Sources: istio.io, Network Problems; kubernetes.io, Debug Services; istio/istio issue 23886.
    """
    for failed in destinations_without_endpoints(mesh):
        use, service = failed.use, failed.routed.kubernetes_service
        if service is None:
            continue
        behind = workloads_behind(mesh, service)
        lack = _lack(mesh, failed, service, bool(behind))
        yield Finding(
            message=(
                f"{use.place.ref} routes {host_listing(use.virtual_service.spec.hosts)} to"
                f" {service.ref}, which {lack}: requests get 503 (UH)."
            ),
            objects=(
                service.at("/spec/selector"),
                use.place,
                *(Place(e.owner) for e in behind),
            ),
            identity=_identity(failed, service),
            hosts=frozenset(use.virtual_service.spec.hosts),
            evidence=(_evidence(mesh, failed, service),),
            fixes=(_fix(service, bool(behind)),),
            severity=severity_of(use),
            confidence=Confidence.CERTAIN if failed.is_sure else Confidence.SUSPECTED,
        )
    for found in backends_without_endpoints(mesh):
        yield from _of_backend(mesh, found)


def _of_backend(mesh: Mesh, failed: FailedBackend) -> Iterator[Finding]:
    """Yield the finding for a route of the Gateway API or an Ingress."""
    use, service = failed.use, failed.service.source if failed.service else None
    if not isinstance(service, Service):
        return
    behind = workloads_behind(mesh, service)
    lack = _lack(mesh, failed, service, bool(behind))
    yield Finding(
        message=(
            f"{use.route} routes to {service.ref}, which {lack}:"
            f" {unreached(use, has_cluster=True)}."
        ),
        objects=(service.at("/spec/selector"), use.place, *(Place(e.owner) for e in behind)),
        identity=Identity.of(service.ref),
        hosts=frozenset(use.hosts),
        evidence=(Evidence(text=failed.cluster.reason, ref=service.ref),),
        fixes=(_fix(service, bool(behind)),),
        severity=severity_of_backend(use),
        confidence=confidence_of(failed),
    )


def _lack(
    mesh: Mesh, failed: FailedDestination | FailedBackend, service: Service, has_pods: bool
) -> str:
    """Say what the cluster lacks; where nothing at all is ready, why as far as labels tell."""
    if has_ready_endpoints(mesh, service):
        return failed.cluster.reason.removeprefix(f"{service.ref} ")
    return f"has no ready endpoint{_reason(service, has_pods)}"


def _identity(failed: FailedDestination, service: Service) -> Identity:
    subset = failed.routed.name.subset
    return Identity.of(service.ref, subset) if subset else Identity.of(service.ref)


def _evidence(mesh: Mesh, failed: FailedDestination, service: Service) -> Evidence:
    text = f"{service.ref} has 0 ready endpoints"
    if has_ready_endpoints(mesh, service):
        text = f"the cluster {failed.routed.name} has no endpoint that takes requests"
    return Evidence(text=text, ref=service.ref)


def _reason(service: Service, has_pods: bool) -> str:
    if has_pods or not service.spec.selector:
        return ""
    labels = listing(f"{key}={value}" for key, value in sorted(service.spec.selector.items()))
    return f" (no pod in {service.namespace} carries {labels})"


def _fix(service: Service, has_pods: bool) -> Fix:
    where = within(service.namespace)
    return Fix(
        title="Find out why its pods are not ready" if has_pods else "Correct its selector",
        commands=(
            kubectl("get", "pods", where, selecting(service.spec.selector), "-o", "wide"),
            kubectl("get", "pods", where, "--show-labels"),
        ),
        verify=kubectl(
            "get", "endpointslices", where, selecting({SERVICE_NAME_LABEL: service.name})
        ),
    )
