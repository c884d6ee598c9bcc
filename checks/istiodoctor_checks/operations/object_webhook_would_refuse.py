"""OPS008."""

from collections.abc import Iterable, Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.virtual_services import virtual_services
from istiodoctor.mesh.gateways.listeners import istio_gateways
from istiodoctor.model.istio import GatewayServer, IstioGateway, TlsMode, VirtualService
from istiodoctor.model.ref import Place
from istiodoctor.text import listing

PROTOCOLS = frozenset(
    {
        "HTTP", "HTTP2", "HTTPS", "GRPC", "GRPC-WEB", "TLS", "TCP",
        "MONGO", "REDIS", "MYSQL", "HTTP_PROXY", "HBONE", "UDP", "DOUBLE-HBONE",
    }
)  # fmt: skip
"""What istiod's `protocol.Parse` knows; upper case."""
ENCRYPTED = frozenset({"HTTPS", "TLS"})
LAST_PORT = 65535

NO_CERTIFICATE = "has no certificate with its key"

Stored = IstioGateway | VirtualService
Objection = tuple[Place, str]


@check("OPS008", severity=Severity.LOW, explains={"VS003"})
def object_webhook_would_refuse(mesh: Mesh) -> Iterator[Finding]:
    """A Gateway or VirtualService is stored that istiod's webhook refuses.

    istiod checks objects when they are applied. One that was stored while the webhook was away
    (`failurePolicy: Ignore`, istiod down, a restore from backup) was never checked: what istiod
    makes of it is chance, and the next change of it is refused, however small.

    Fix: correct what the webhook objects to; `istioctl validate` names it.

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
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    ```finding
    low: Gateway shop/web spec.servers[0].hosts
    istiod's webhook refuses Gateway shop/web as it is: server 443 has no hosts. It was stored
    without being checked, or would not be stored at all.
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
        tls: {mode: SIMPLE}
    ```

    ```finding
    high: Gateway shop/web spec.servers[0].tls
    hosts: shop.example.com
    istiod's webhook refuses Gateway shop/web as it is: SIMPLE on 443 has no certificate with its
    key. It was stored without being checked, or would not be stored at all.
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
      gateways: [web]
      http: [{redirect: {uri: /new}, route: [{destination: {host: shop}}]}]
    ```

    ```finding
    low: VirtualService shop/shop spec.hosts
    istiod's webhook refuses VirtualService shop/shop as it is: it has gateways and no hosts and
    rule 0 both redirects and routes. It was stored without being checked, or would not be stored
    at all.
    ```

    None of this is refused: a delegate has no hosts, a redirect needs no mode, and certificates
    may come from files:

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
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: ["*/shop.example.com"]
        tls: {httpsRedirect: true}
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: ["*.example.com"]
        tls: {mode: MUTUAL, credentialName: shop-cert}
      - port: {number: 8443, name: files, protocol: HTTPS}
        hosts: [files.example.com]
        tls: {mode: SIMPLE, serverCertificate: /etc/certs/tls.crt, privateKey: /etc/certs/tls.key}
      - port: {number: 15443, name: tls, protocol: TLS}
        hosts: ["*.local"]
        tls: {mode: AUTO_PASSTHROUGH}
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
    metadata: {name: delegate, namespace: shop}
    spec: {http: [{route: [{destination: {host: shop}}]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ```

    Sources: istio.io, Gateway, VirtualService, Configuration Validation Problems.
    """
    stored: Iterable[Stored] = (*istio_gateways(mesh), *virtual_services(mesh))
    for each in stored:
        found = tuple(_of_gateway(each) if isinstance(each, IstioGateway) else _of_routes(each))
        if found:
            yield Finding(
                message=(
                    f"istiod's webhook refuses {each.ref} as it is:"
                    f" {listing(text for _, text in found)}. It was stored without being checked,"
                    f" or would not be stored at all."
                ),
                objects=tuple(place for place, _ in found),
                identity=Identity.of(each.ref),
                hosts=frozenset(_hosts(each)),
                evidence=tuple(Evidence(text=f"{place}: {text}") for place, text in found),
                fixes=(
                    Fix(
                        title="Correct it, then apply it again",
                        verify=kubectl("get", each.ref, "-o", "yaml"),
                        why="istioctl validate -f FILE says what the webhook would.",
                    ),
                ),
                severity=_severity(found),
            )


def _severity(found: tuple[Objection, ...]) -> Severity:
    unserved = any(NO_CERTIFICATE in text for _, text in found)
    return Severity.HIGH if unserved else Severity.LOW


def _hosts(source: Stored) -> tuple[str, ...]:
    if isinstance(source, VirtualService):
        return source.spec.hosts
    written = (host for server in source.spec.servers for host in server.hosts)
    return tuple(host.rpartition("/")[2].lower() for host in written)


def _of_gateway(gateway: IstioGateway) -> Iterator[Objection]:
    if not gateway.spec.servers:
        yield gateway.at("/spec/servers"), "it has no servers"
    for index, server in enumerate(gateway.spec.servers):
        for path, text in _of_server(server):
            yield gateway.at(f"/spec/servers/{index}{path}"), text


def _of_server(server: GatewayServer) -> Iterator[tuple[str, str]]:
    port = server.port
    if not server.hosts:
        yield "/hosts", f"server {port.number} has no hosts"
    for index, host in enumerate(server.hosts):
        if "*" in host.rpartition("/")[2].removeprefix("*.") and host.rpartition("/")[2] != "*":
            yield f"/hosts/{index}", f"{host} has a wildcard that is not its first label"
    if not 0 < port.number <= LAST_PORT:
        yield "/port/number", f"{port.number} is no port"
    if not port.name:
        yield "/port/name", f"port {port.number} has no name"
    if port.protocol.upper() not in PROTOCOLS:
        yield "/port/protocol", f"{port.protocol or 'nothing'} is no protocol that Istio knows"
    if port.protocol.upper() in ENCRYPTED:
        yield from _of_tls(server)


def _of_tls(server: GatewayServer) -> Iterator[tuple[str, str]]:
    tls = server.tls
    if tls is None or tls.mode not in (TlsMode.SIMPLE, TlsMode.MUTUAL, TlsMode.OPTIONAL_MUTUAL):
        return
    named = tls.credential_name or tls.credential_names
    if not (named or tls.tls_certificates or (tls.server_certificate and tls.private_key)):
        yield "/tls", f"{tls.mode} on {server.port.number} {NO_CERTIFICATE}"
    elif not named and tls.mode is not TlsMode.SIMPLE and not tls.ca_certificates:
        yield "/tls/caCertificates", f"{tls.mode} on {server.port.number} has no client CA"
    if named and tls.ca_crl:
        yield "/tls/caCrl", "caCrl does not go with a credentialName"


def _of_routes(source: VirtualService) -> Iterator[Objection]:
    spec = source.spec
    if not spec.gateways:
        return  # of the mesh alone, or a delegate
    if not spec.hosts:
        yield source.at("/spec/hosts"), "it has gateways and no hosts"
    if not (spec.http or spec.tls or spec.tcp):
        yield source.at("/spec"), "it has no http, tls or tcp routes"
    for index, rule in enumerate(spec.http):
        if rule.redirect and rule.route:
            yield source.at(f"/spec/http/{index}"), f"rule {index} both redirects and routes"
