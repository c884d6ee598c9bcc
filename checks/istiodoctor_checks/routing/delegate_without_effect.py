"""VS020."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, get
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.lost_delegations import (
    DelegationFault,
    LostDelegation,
    lost_delegations,
)
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing


@check("VS020", severity=Severity.CRITICAL, explains={"GW019", "HTTP015", "HTTP018"})
def delegate_without_effect(mesh: Mesh) -> Iterator[Finding]:
    """A rule delegates to a VirtualService that istiod makes no routes of.

    A rule with `delegate` has no destination of its own: istiod puts the rules of the delegate in
    its place. It leaves the rule out, with no more than a line in its log (`delegate virtual
    service … not found`), where the delegate does not exist, where it has hosts of its own and
    so is none, where its `exportTo` hides it, or where none of its matches fits the match of the
    rule. Requests for the rule then get 404, or what a later rule says.

    Fix: correct the name and namespace, take `hosts` and `gateways` from the delegate, export it,
    or let its matches begin with that of the rule.

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
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{match: [{uri: {prefix: /pay}}], delegate: {name: pay, namespace: pay}}]
    ```

    ```finding
    critical: VirtualService shop/shop spec.http[0].delegate
    hosts: shop.example.com
    VirtualService shop/shop spec.http[0].delegate names VirtualService pay/pay, which does not
    exist: istiod leaves the rule out, and requests for shop.example.com that it takes get 404 or
    another rule's answer.
    ```

    A VirtualService with hosts is no delegate:

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
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{match: [{uri: {prefix: /pay}}], delegate: {name: pay, namespace: pay}}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: pay, namespace: pay}
    spec:
      hosts: [pay.example.com]
      http: [{match: [{uri: {prefix: /pay/cards}}], route: [{destination: {host: pay}}]}]
    ```

    ```finding
    critical: VirtualService pay/pay spec.hosts
    hosts: shop.example.com
    VirtualService shop/shop spec.http[0].delegate names VirtualService pay/pay, which has hosts of
    its own and so is no delegate: istiod leaves the rule out, and requests for shop.example.com
    that it takes get 404 or another rule's answer.
    ```

    and one that is kept to its own namespace, or asks for other paths, gives no routes:

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
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{match: [{uri: {prefix: /pay}}], delegate: {name: pay, namespace: pay}}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: pay, namespace: pay}
    spec:
      exportTo: ["."]
      http: [{match: [{uri: {prefix: /pay/cards}}], route: [{destination: {host: pay}}]}]
    ```

    ```finding
    critical: VirtualService pay/pay spec.exportTo
    hosts: shop.example.com
    VirtualService shop/shop spec.http[0].delegate names VirtualService pay/pay, whose exportTo
    hides it from the namespace shop: istiod leaves the rule out, and requests for shop.example.com
    that it takes get 404 or another rule's answer.
    ```

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
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{match: [{uri: {prefix: /pay}}], delegate: {name: pay, namespace: pay}}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: pay, namespace: pay}
    spec:
      http: [{match: [{uri: {prefix: /cards}}], route: [{destination: {host: pay}}]}]
    ```

    ```finding
    critical: VirtualService pay/pay spec.http
    hosts: shop.example.com
    VirtualService shop/shop spec.http[0].delegate names VirtualService pay/pay, none of whose
    matches fits that of the rule: istiod leaves the rule out, and requests for shop.example.com
    that it takes get 404 or another rule's answer.
    ```

    ```yaml good
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
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{match: [{uri: {prefix: /pay}}], delegate: {name: pay, namespace: pay}}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: pay, namespace: pay}
    spec:
      http: [{match: [{uri: {prefix: /pay/cards}}], route: [{destination: {host: pay}}]}]
    ```

    Sources: istio.io, VirtualService (Delegate); istio/istio, pilot/pkg/model/virtualservice.go;
    istio/istio issues 33530, 49539.
    """
    for each in lost_delegations(mesh):
        delegate = each.delegate
        yield Finding(
            message=(
                f"{each.place} names {delegate}, {_reason(each)}: istiod leaves the rule out, and"
                f" requests for {host_listing(each.hosts)} that it takes get 404 or another rule's"
                " answer."
            ),
            objects=(_to_change(each), each.place),
            identity=Identity.of(each.source.ref, str(delegate.path)),
            hosts=frozenset(each.hosts),
            evidence=(
                Evidence(text=f"delegate: {delegate.namespace}/{delegate.name}", ref=delegate),
            ),
            fixes=(_fix(each),),
            severity=Severity.CRITICAL if each.is_whole else Severity.HIGH,
            servers=frozenset(server.id for server in each.servers),
            absences=frozenset({(Kind.VIRTUAL_SERVICE, delegate.namespace, delegate.name)})
            if each.fault is DelegationFault.MISSING
            else frozenset(),
        )


def _reason(each: LostDelegation) -> str:
    match each.fault:
        case DelegationFault.MISSING:
            also = f", only {listing(each.namesakes)}" if each.namesakes else ""
            return f"which does not exist{also}"
        case DelegationFault.HAS_HOSTS:
            return "which has hosts of its own and so is no delegate"
        case DelegationFault.NOT_EXPORTED:
            return f"whose exportTo hides it from the namespace {each.source.namespace}"
        case DelegationFault.CONTRADICTS:
            return "none of whose matches fits that of the rule"


def _to_change(each: LostDelegation) -> Place:
    match each.fault:
        case DelegationFault.MISSING:
            return each.place
        case DelegationFault.HAS_HOSTS:
            return Place(each.delegate, "/spec/hosts")
        case DelegationFault.NOT_EXPORTED:
            return Place(each.delegate, "/spec/exportTo")
        case DelegationFault.CONTRADICTS:
            return Place(each.delegate, "/spec/http")


def _fix(each: LostDelegation) -> Fix:
    title = {
        DelegationFault.MISSING: f"Name an existing VirtualService in {each.place}",
        DelegationFault.HAS_HOSTS: f"Take hosts and gateways from {each.delegate}",
        DelegationFault.NOT_EXPORTED: f"Export {each.delegate} to {each.source.namespace}",
        DelegationFault.CONTRADICTS: f"Let the matches of {each.delegate} lie within that of"
        f" {each.place}",
    }[each.fault]
    return Fix(title=title, verify=get(each.source.ref))
