"""VS022."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.bindings import servers_of
from istiodoctor.mesh.configuration.virtual_services import (
    virtual_services,
    virtual_services_by_gateway_name,
)
from istiodoctor.mesh.question import question
from istiodoctor.model.ref import Place


@check("VS022", severity=Severity.LOW, explains={"SDS017"})
def host_in_two_spellings(mesh: Mesh) -> Iterator[Finding]:
    """Two hosts of VirtualServices on one Gateway differ in capital letters only.

    DNS names and Envoy's domains do not distinguish case. Up to Istio 1.21 istiod makes a virtual
    host of each spelling; Envoy says `Only unique values for domains are permitted`, refuses the
    whole route configuration and goes on with the one before, for every host of the port. Since
    1.22 istiod puts the rules of both into one virtual host, those of the older VirtualService
    first: where it takes every request, the other one never applies.

    Fix: write hosts in lower case, and keep one VirtualService for each.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
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
    metadata: {name: blog, namespace: shop}
    spec:
      hosts: [blog.example.com]
      gateways: [web]
      http: [{match: [{uri: {prefix: /posts}}], route: [{destination: {host: posts}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: other, namespace: shop}
    spec:
      hosts: [Blog.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: blog}}]}]
    ```

    ```finding
    low: VirtualService shop/other spec.hosts[0]
    hosts: blog.example.com
    VirtualService shop/other spec.hosts[0] (Blog.example.com) and VirtualService shop/blog
    spec.hosts[0] (blog.example.com) are one domain to Envoy. istiod puts the rules of both
    together, the older VirtualService's first; before Istio 1.22 Envoy refuses all routes of the
    port.
    ```

    ```yaml good
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: blog, namespace: shop}
    spec:
      hosts: [blog.example.com, Shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: blog}}]}]
    ```

    Sources: istio/istio issues 49638 and 45719, pull request 49674; Envoy,
    source/common/router/config_impl.cc (`RouteMatcher`).
    """
    for capital, other in _pairs(mesh):
        host = _text(mesh, capital)
        yield Finding(
            message=(
                f"{capital} ({host}) and {other} ({_text(mesh, other)}) are one domain to Envoy."
                " istiod puts the rules of both together, the older VirtualService's first; before"
                " Istio 1.22 Envoy refuses all routes of the port."
            ),
            objects=(capital, other),
            identity=Identity.of(capital.ref, host.lower()),
            hosts=frozenset({host.lower()}),
            evidence=(Evidence(text=f"{capital} is {host}", ref=capital.ref),),
            fixes=(set_field(capital, host.lower(), "Write the host in lower case"),),
            servers=frozenset(each.server.id for each in servers_of(mesh).get(capital.ref, ())),
        )


@question
def _pairs(mesh: Mesh) -> tuple[tuple[Place, Place], ...]:
    """Return each host with capitals, and the first other spelling of it on one Gateway."""
    capitals = {
        host.lower()
        for each in virtual_services(mesh)
        for host in each.spec.hosts
        if host != host.lower()
    }
    found: dict[Place, Place] = {}
    for bound in virtual_services_by_gateway_name(mesh).values() if capitals else ():
        spellings: dict[str, dict[str, Place]] = {}
        for each in bound:
            for index, host in enumerate(each.spec.hosts):
                if host.lower() in capitals:
                    place = each.at(f"/spec/hosts/{index}")
                    spellings.setdefault(host.lower(), {}).setdefault(host, place)
        for lower, places in spellings.items():
            first = places.get(lower) or next(iter(places.values()))
            for place in places.values():
                if place != first:
                    found.setdefault(place, first)
    return tuple(found.items())


@question
def _hosts(mesh: Mesh) -> dict[Place, str]:
    return {
        each.at(f"/spec/hosts/{index}"): host
        for each in virtual_services(mesh)
        for index, host in enumerate(each.spec.hosts)
    }


def _text(mesh: Mesh, place: Place) -> str:
    return _hosts(mesh)[place]
