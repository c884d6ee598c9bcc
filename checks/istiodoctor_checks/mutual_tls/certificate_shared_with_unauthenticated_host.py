"""MTLS011."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Evidence, Finding, Fix, Identity, Risk, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.certificates.connection_coalescing import (
    CoalescingMisroute,
    ReuseGroup,
    reuse_groups,
)
from istiodoctor.mesh.gateways.servers import WITH_CLIENT_CA
from istiodoctor.model.ref import Place
from istiodoctor_checks.text import listing


@check("MTLS011", severity=Severity.HIGH, explains={"SNI003"})
def certificate_shared_with_unauthenticated_host(mesh: Mesh) -> Iterator[Finding]:
    """A host that asks for client certificates shares its certificate with one that does not.

    A browser keeps one HTTP/2 connection for every name that the certificate covers. A connection
    that was opened to the server without client certificates is used for the MUTUAL host as well:
    nobody asks for a client certificate on it, and that server has no route for the host, so the
    answer is 404. curl, which opens a connection for each host, works.

    Fix: give the MUTUAL host a certificate, or an address, of its own.

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
    kind: Gateway
    metadata: {name: pay, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [pay.example.com]
        tls: {mode: MUTUAL, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: web, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: web}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: pay, namespace: shop}
    spec:
      hosts: [pay.example.com]
      gateways: [pay]
      http: [{route: [{destination: {host: pay}}]}]
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for *.example.com
      tls.key: key of *.example.com
      ca.crt: authority Clients
    ```

    Certificates of their own keep the connections apart:

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
    metadata: {name: pay, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [pay.example.com]
        tls: {mode: MUTUAL, credentialName: pay-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: web, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: web}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: pay, namespace: shop}
    spec:
      hosts: [pay.example.com]
      gateways: [pay]
      http: [{route: [{destination: {host: pay}}]}]
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: pay-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for pay.example.com
      tls.key: key of pay.example.com
      ca.crt: authority Clients
    ```

    Sources: istio/istio issue 26972; istio.io, Network Problems.
    """
    for group in reuse_groups(mesh):
        misroutes = [each for each in group.misroutes if _is_mixed(each)]
        if misroutes:
            first = misroutes[0]
            asking = first.server if _asks(first) else first.lands_on
            other = first.lands_on if asking is first.server else first.server
            yield Finding(
                message=(
                    f"{asking} asks for client certificates and {other} does not, but a"
                    f" certificate covers hosts of both ({first.name}): browsers reuse one"
                    f" connection, so {first.host} may arrive where it has no route."
                ),
                objects=(
                    Place(asking.gateway, asking.path),
                    Place(other.gateway, other.path),
                    *(Place(each.ref) for each in group.credentials),
                    Place(group.listener.workload.owner),
                ),
                identity=Identity.of(group.listener.workload.owner, group.credentials[0].ref.path),
                hosts=frozenset(each.host for each in misroutes),
                evidence=_evidence(group),
                fixes=(
                    Fix(
                        title=f"Give {listing(asking.names)} a certificate of its own",
                        risk=Risk.NEEDS_ISSUANCE,
                        why="Neither certificate may cover a host of the other server.",
                    ),
                ),
                credentials=frozenset((e.namespace, e.name) for e in group.credentials),
                servers=frozenset({asking.id, other.id}),
            )


def _asks(misroute: CoalescingMisroute) -> bool:
    return misroute.server.mode in WITH_CLIENT_CA


def _is_mixed(misroute: CoalescingMisroute) -> bool:
    lands_asking = misroute.lands_on.mode in WITH_CLIENT_CA
    return not misroute.server.is_passthrough and _asks(misroute) != lands_asking


def _evidence(group: ReuseGroup) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(text=f"covers {listing(each.leaf.dns_names)}", ref=each.ref)
        for each in group.credentials
        if each.leaf
    )
