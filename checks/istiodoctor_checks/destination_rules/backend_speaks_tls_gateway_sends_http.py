"""DR001."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, create
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.registry_service import Protocol, RegistryService
from istiodoctor.mesh.configuration.routed_clusters import registry_service_of
from istiodoctor.mesh.configuration.upstream_tls import (
    TLS_TARGETS,
    PlainBackend,
    UpstreamTls,
    is_declared_https,
    plain_backends_of_tls,
    plain_to_external_tls,
    plain_to_tls,
)
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place
from istiodoctor.model.services import Service, ServicePort
from istiodoctor.text import host_listing
from istiodoctor_checks._destinations import severity_of


@check("DR001", severity=Severity.CRITICAL, explains={"HTTP015"})
def backend_speaks_tls_gateway_sends_http(mesh: Mesh) -> Iterator[Finding]:
    """A route leads to a port that speaks TLS, and no DestinationRule makes the gateway do so.

    The gateway ends TLS and sends plain HTTP on. A backend that expects TLS answers 400 ("The
    plain HTTP request was sent to HTTPS port") or closes the connection (503 `UC`).

    Fix: a DestinationRule with `tls.mode: SIMPLE` (or a BackendTLSPolicy) for that port, the
    backend's plain port, or PASSTHROUGH at the Gateway. Whether a port speaks TLS is judged by its
    name and numbers.

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
      http: [{route: [{destination: {host: shop, port: {number: 443}}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: https, port: 443, targetPort: 8443}]}
    ```

    ```finding
    critical: VirtualService shop/shop spec.http[0].route[0].destination
    hosts: shop.example.com
    VirtualService shop/shop routes shop.example.com to port 443 of Service shop/shop, which looks
    like TLS (https, targetPort 8443), and no DestinationRule makes the gateway speak TLS to it:
    requests get 400 or 503.
    ```

    A port named https may lead to a plain one, a DestinationRule may speak TLS, and a rule may be
    for the mesh alone:

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
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: argo, namespace: shop}
    spec:
      hosts: [argo.example.com]
      gateways: [web, mesh]
      http:
      - {match: [{gateways: [mesh]}], route: [{destination: {host: vault}}]}
      - {route: [{destination: {host: argo}}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: vault, namespace: shop}
    spec: {selector: {app: vault}, ports: [{name: https, port: 8443}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: https, port: 443, targetPort: 8443}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: argo, namespace: shop}
    spec: {selector: {app: argo}, ports: [{name: https, port: 443, targetPort: 8080}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec:
      host: shop
      trafficPolicy: {portLevelSettings: [{port: {number: 443}, tls: {mode: SIMPLE}}]}
    ```

    A ServiceEntry's `protocol: HTTPS` does not make the gateway speak TLS either:

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
      http: [{route: [{destination: {host: api.example.net, port: {number: 443}}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: ServiceEntry
    metadata: {name: api, namespace: shop}
    spec:
      hosts: [api.example.net]
      ports: [{number: 443, name: https, protocol: HTTPS}]
      location: MESH_EXTERNAL
      resolution: DNS
    ```

    ```finding
    critical: VirtualService shop/shop spec.http[0].route[0].destination
    hosts: shop.example.com
    VirtualService shop/shop routes shop.example.com to port 443 of api.example.net, which
    ServiceEntry shop/api declares as HTTPS, and no DestinationRule makes the gateway speak TLS to
    it: requests get 400 or 503.
    ```

    Sources: istio.io, DestinationRule (ClientTLSSettings), Understanding TLS Configuration;
    istio/istio issues 47404, 8029, 27208.
    """
    for upstream in plain_to_tls(mesh):
        service, port = upstream.routed.kubernetes_service, upstream.routed.service_port
        if service and port:
            use = upstream.use
            yield Finding(
                message=(
                    f"{use.place.ref} routes {host_listing(use.virtual_service.spec.hosts)} to"
                    f" port {port.port} of {service.ref}, which looks like TLS ({_looks(port)}),"
                    " and no DestinationRule makes the gateway speak TLS to it: requests"
                    " get 400 or 503."
                ),
                objects=(use.place, service.at("/spec/ports")),
                identity=Identity.of(service.ref, str(port.port)),
                hosts=frozenset(use.virtual_service.spec.hosts),
                evidence=(Evidence(text=f"port {port.port} is {_looks(port)}", ref=service.ref),),
                fixes=(_fix(service, port, upstream),),
                severity=severity_of(use) if is_declared_https(port) else Severity.HIGH,
                confidence=_confidence(port),
            )
    for upstream in plain_to_external_tls(mesh):
        registered = registry_service_of(mesh, upstream.routed)
        if registered:
            yield _to_entry(upstream, registered)
    for plain in plain_backends_of_tls(mesh):
        yield _of_route(plain)


def _of_route(plain: PlainBackend) -> Finding:
    use, service, port = plain.use, plain.service, plain.port
    of_service = plain.kubernetes_port
    looks = _looks(of_service) if of_service else port.protocol.value
    is_declared = is_declared_https(of_service) if of_service else True
    severity = Severity.CRITICAL if use.is_whole and is_declared else Severity.HIGH
    is_external = service.is_external and port.protocol is Protocol.HTTPS
    return Finding(
        message=(
            f"{use.route} routes {host_listing(use.hosts)} to port {port.number} of {service.ref},"
            f" which looks like TLS ({looks}), and no BackendTLSPolicy and no DestinationRule"
            " makes the gateway speak TLS to it: requests get 400 or 503."
        ),
        objects=(use.place, Place(service.ref, "/spec/ports")),
        identity=Identity.of(service.ref, f"{service.hostname}:{port.number}"),
        hosts=frozenset(use.hosts),
        evidence=(Evidence(text=f"port {port.number} is {looks}", ref=service.ref),),
        fixes=(
            create(
                {
                    "metadata": {
                        "name": f"{service.ref.name}-tls",
                        "namespace": service.namespace,
                    },
                    "spec": {
                        "host": service.hostname,
                        "trafficPolicy": {
                            "portLevelSettings": [
                                {"port": {"number": port.number}, "tls": {"mode": "SIMPLE"}}
                            ]
                        },
                    },
                },
                Kind.DESTINATION_RULE,
                f"Speak TLS to port {port.number} of {service.ref.name}",
                why=(
                    "Recent releases verify the backend's certificate: add caCertificates or"
                    " credentialName for a private CA. A BackendTLSPolicy does the same."
                ),
            ),
        ),
        severity=severity,
        confidence=_confidence(of_service)
        if of_service
        else Confidence.CERTAIN
        if is_external
        else Confidence.SUSPECTED,
    )


def _to_entry(upstream: UpstreamTls, registered: RegistryService) -> Finding:
    use, number = upstream.use, upstream.routed.name.port
    index = next(i for i, each in enumerate(registered.ports) if each.number == number)
    port = registered.ports[index]
    place = Place(registered.ref, f"/spec/ports/{index}")
    settings = {"port": {"number": number}, "tls": {"mode": "SIMPLE", "sni": upstream.fqdn}}
    is_sure = registered.is_external and port.protocol is Protocol.HTTPS
    return Finding(
        message=(
            f"{use.place.ref} routes {host_listing(use.virtual_service.spec.hosts)} to port"
            f" {number} of {upstream.fqdn}, which {registered.ref} declares as"
            f" {port.protocol.value}, and no DestinationRule makes the gateway speak TLS to it:"
            " requests get 400 or 503."
        ),
        objects=(use.place, place),
        identity=Identity.of(registered.ref, f"{upstream.fqdn}:{number}"),
        hosts=frozenset(use.virtual_service.spec.hosts),
        evidence=(Evidence(text=f"{place} is {port.protocol.value}", ref=registered.ref),),
        fixes=(
            create(
                {
                    "metadata": {
                        "name": f"{registered.ref.name}-tls",
                        "namespace": registered.namespace,
                    },
                    "spec": {
                        "host": upstream.fqdn,
                        "trafficPolicy": {"portLevelSettings": [settings]},
                    },
                },
                Kind.DESTINATION_RULE,
                f"Speak TLS to port {number} of {upstream.fqdn}",
                why="An existing DestinationRule for the host is to be extended instead.",
            ),
        ),
        severity=severity_of(use),
        confidence=Confidence.CERTAIN if is_sure else Confidence.SUSPECTED,
    )


def _confidence(port: ServicePort) -> Confidence:
    """Judge a declaration that the target bears out as certain, either alone as suspected."""
    target = port.target_port if port.target_port is not None else port.port
    sure = is_declared_https(port) and target in TLS_TARGETS
    return Confidence.CERTAIN if sure else Confidence.SUSPECTED


def _looks(port: ServicePort) -> str:
    name = port.app_protocol or port.name or "unnamed"
    return f"{name}, targetPort {port.target_port or port.port}"


def _fix(service: Service, port: ServicePort, upstream: UpstreamTls) -> Fix:
    settings = {"port": {"number": port.port}, "tls": {"mode": "SIMPLE"}}
    return create(
        {
            "metadata": {"name": f"{service.name}-tls", "namespace": service.namespace},
            "spec": {
                "host": upstream.fqdn,
                "trafficPolicy": {"portLevelSettings": [settings]},
            },
        },
        Kind.DESTINATION_RULE,
        f"Speak TLS to port {port.port} of {service.name}",
        why=(
            "Recent releases verify the backend's certificate: add caCertificates or"
            " credentialName for a private CA. An existing DestinationRule for the host is to be"
            " extended instead."
        ),
    )
