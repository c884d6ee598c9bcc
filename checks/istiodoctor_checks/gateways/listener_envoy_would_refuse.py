"""GW024."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Evidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.refusals import ChainFault
from istiodoctor.mesh.configuration.refused_listeners import (
    RefusedListener,
    is_of_two_namespaces,
    order_is_known,
    refused_listeners,
)
from istiodoctor_checks.gateways._colliding_chains import (
    asked_by,
    chains_of,
    fixes_of,
    name_of,
    place_of,
)
from istiodoctor_checks.text import listing


@check(
    "GW024",
    severity=Severity.CRITICAL,
    explains={"GW005", "GW019", "GW022", "SDS010", "SDS012", "SDS016", "SNI003", "SNI011"},
)
def listener_envoy_would_refuse(mesh: Mesh) -> Iterator[Finding]:
    """Two servers or routes of a port ask for the same connections, and Envoy refuses the port.

    Envoy chooses a filter chain by the SNI. istiod makes one for all plain servers of a port, one
    for each HTTPS server and one for each `sniHosts` match of a PASSTHROUGH server, and lets pass
    that two of them match alike: a `tls` route for the host of an HTTPS server, an HTTPS server
    for `*` beside a plain one, the host of two servers in other letters, one server without
    `bind` and one that binds 0.0.0.0; and it looks neither at
    a `bind` that is no IP address nor at pins of client certificates (`verifyCertificateHash`,
    `verifyCertificateSpki`) that are no digests. Envoy then refuses the whole listener and goes on
    with the last one that it accepted: no host on that port gets new certificates or routes, and a
    new pod does not open it. Of two servers that bind one address in
    two spellings (`::1` and `0:0::1`) istiod makes two listeners, of which Envoy takes only the
    one that it is sent first.

    Fix: leave each name to one of the two; bind an IP address, spelt alike everywhere.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
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
      - port: {number: 443, name: tls, protocol: TLS}
        hosts: ["*.example.com"]
        tls: {mode: PASSTHROUGH}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: ["*.example.com"]
      gateways: [web]
      tls:
      - match: [{sniHosts: [api.example.com, shop.example.com]}]
        route: [{destination: {host: shop}}]
    ```

    A wildcard beside an exact name is no conflict:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
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
      - port: {number: 443, name: tls, protocol: TLS}
        hosts: ["*.example.com"]
        tls: {mode: PASSTHROUGH}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: ["*.example.com"]
      gateways: [web]
      tls:
      - match: [{sniHosts: [api.example.com, "*.example.com"]}]
        route: [{destination: {host: shop}}]
    ```

    Sources: pilot/pkg/networking/core/gateway.go; Envoy, FilterChainMatch; istio/istio issue
    17079.
    """
    for refused in refused_listeners(mesh):
        hosts = refused.hosts  # Envoy stops at the first fault: the others come to light after it
        for fault in refused.faults:
            if not is_of_two_namespaces(fault):
                is_certain = not refused.unknown_because and order_is_known(
                    mesh, refused.workload, fault
                )
                yield _finding(refused, fault, hosts, is_certain=is_certain)
                hosts = frozenset()


def _finding(
    refused: RefusedListener, fault: ChainFault, hosts: frozenset[str], *, is_certain: bool
) -> Finding:
    chains = chains_of(fault)
    places = tuple(dict.fromkeys(place_of(each, fault) for each in chains))
    servers = tuple(dict.fromkeys(each.server for each in chains if each.server))
    concerned = {name.lower() for name in fault.names}
    concerned = concerned or {name for each in servers for name in each.names}
    return Finding(
        message=(f"{_message(refused, fault)} {_consequence(fault)}"),
        objects=places,
        identity=Identity.of(places[0].ref, min(concerned, default=str(refused.port))),
        hosts=hosts | concerned,
        evidence=tuple(
            Evidence(
                text=f"{name_of(each)} asks for {asked_by(each)}", ref=place_of(each, fault).ref
            )
            for each in chains
        ),
        fixes=tuple(fixes_of(fault)),
        severity=Severity.CRITICAL if refused.is_tls else Severity.HIGH,
        confidence=(
            Confidence.CERTAIN
            if is_certain and not any(each.unknown_because for each in chains)
            else Confidence.SUSPECTED
        ),
        servers=frozenset(each.id for each in servers),
    )


def _message(refused: RefusedListener, fault: ChainFault) -> str:
    where = f"port {refused.port} of {refused.workload}"
    if fault.field and fault.other:
        return (
            f"{name_of(fault.other)} and {name_of(fault.chain)} bind one address on {where}:"
            f" {fault.text}, and istiod makes a listener for each spelling."
        )
    if fault.other is None:
        return (
            f"{name_of(fault.chain)} makes a listener on {where} that is not valid: {fault.text}."
        )
    names = listing(name.lower() for name in fault.names)
    what = f"TLS for {names}" if names else "every connection"
    why = _by_address(fault)
    return f"{name_of(fault.other)} and {name_of(fault.chain)} both take {what} on {where}{why}."


def _consequence(fault: ChainFault) -> str:
    if fault.field and fault.other:
        return (
            "Envoy refuses the one that it is sent second, and istiod sends them in no fixed"
            " order: either server may be the one that no pod serves."
        )
    return (
        "Envoy refuses such a listener and keeps the last it had: nothing on that port is updated,"
        " and a new pod does not open it."
    )


def _by_address(fault: ChainFault) -> str:
    one, other = fault.chain.server, fault.other.server if fault.other else None
    if one and other and one.bind != other.bind:
        return f": to bind {one.bind or other.bind} is to bind no address"
    return ""
