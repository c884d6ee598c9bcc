"""GWAPI013."""

from collections.abc import Iterator, Mapping

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, get, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.api_left_out import listeners_left_out
from istiodoctor.mesh.configuration.left_out import LeftOut
from istiodoctor.mesh.gateways.listener_faults import ListenerFault
from istiodoctor.mesh.logs.repeated_snis import logged_repetitions
from istiodoctor.mesh.workloads.control_planes import control_planes
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing

OF_CREDENTIALS = frozenset({ListenerFault.INVALID_CERTIFICATE, ListenerFault.INVALID_CLIENT_CA})
"""The checks about Secrets and client CAs say what is wrong with those."""
TITLES: Mapping[ListenerFault | None, str] = {
    None: "Let the ListenerSet's namespace in by allowedListeners of the Gateway",
    ListenerFault.HOSTNAME_CONFLICT: "Give the listener another hostname or port, or remove it",
    ListenerFault.PROTOCOL_CONFLICT: "Move the listener to a port of its own",
    ListenerFault.DUPLICATE_NAME: "Give the listener a name of its own",
    ListenerFault.MISSING_TLS: "Add a tls section with a certificate to the listener",
    ListenerFault.MISSING_PORT: "Give the listener a port",
    ListenerFault.UNSUPPORTED_PROTOCOL: "Use a protocol that this istiod serves, or upgrade it",
    ListenerFault.UNSUPPORTED_ADDRESS: "Name a Service of the gateway in the Gateway's addresses",
}


@check(
    "GWAPI013",
    severity=Severity.CRITICAL,
    evidence=[logged_repetitions],
    explains={"GW022", "GWAPI011", "GWAPI017", "HTTP017", "SNI011", "SNI012", "SVC014"},
)
def listener_not_served(mesh: Mesh) -> Iterator[Finding]:
    """A listener of the Gateway API is left out by istiod, so nothing listens for its hosts.

    istiod makes nothing of a listener that an earlier one of its Gateway stands in the way of
    (the same port and hostname, or a protocol that does not fit), of HTTPS or TLS without a `tls`
    section, of a protocol that is not in upper case, and of one that its
    release does not serve: before Istio 1.31 TCP, and before 1.30 TLS, only with
    `PILOT_ENABLE_ALPHA_GATEWAY_API=true`. A ListenerSet counts only where `allowedListeners` of
    its Gateway lets its namespace in. The other listeners go on.

    Where istiod counts routes on such a listener, in its status, or its log names routes of it,
    the flag is set.

    Listeners whose Secrets istiod cannot use are told by the checks about those.

    Fix: change the listener, or upgrade istiod.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.29.2"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.29.2"}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: web-istio, namespace: shop}
    spec:
      selector: {gateway.networking.k8s.io/gateway-name: web}
      ports: [{name: tls, port: 443}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners:
      - name: tls
        hostname: shop.example.com
        port: 443
        protocol: TLS
        tls: {mode: Passthrough}
    ```

    ```finding
    critical: Gateway API Gateway shop/web spec.listeners[0]
    hosts: shop.example.com
    istiod makes nothing of Gateway API Gateway shop/web listener 443 (tls): this istiod serves the
    protocol TLS only with PILOT_ENABLE_ALPHA_GATEWAY_API=true. Nothing listens there for
    shop.example.com.
    ```

    Protocols are in upper case:

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.29.2"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners:
      - name: https
        hostname: shop.example.com
        port: 443
        protocol: https
        tls: {certificateRefs: [{name: shop-cert}]}
    ```

    ```finding
    critical: Gateway API Gateway shop/web spec.listeners[0]
    hosts: shop.example.com
    istiod makes nothing of Gateway API Gateway shop/web listener 443 (https): istiod serves no
    protocol https, which is written HTTPS. Nothing listens there for shop.example.com.
    ```

    That it is accepted does not say that routes of it are read:

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.29.2"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.29.2"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners:
      - name: tls
        hostname: shop.example.com
        port: 443
        protocol: TLS
        tls: {mode: Passthrough}
    status:
      listeners:
      - name: tls
        attachedRoutes: 0
        conditions: [{type: Accepted, status: "True", reason: Accepted}]
    ```

    ```finding
    critical: Gateway API Gateway shop/web spec.listeners[0]
    hosts: shop.example.com
    istiod makes nothing of Gateway API Gateway shop/web listener 443 (tls): this istiod serves the
    protocol TLS only with PILOT_ENABLE_ALPHA_GATEWAY_API=true. Nothing listens there for
    shop.example.com.
    ```

    A later release serves it:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.30.1"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.30.1"}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: web-istio, namespace: shop}
    spec:
      selector: {gateway.networking.k8s.io/gateway-name: web}
      ports: [{name: tls, port: 443}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners:
      - name: tls
        hostname: shop.example.com
        port: 443
        protocol: TLS
        tls: {mode: Passthrough}
    ```

    istiod counts a route on one, so that its flag is set:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.29.2"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.29.2"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners:
      - name: tls
        hostname: shop.example.com
        port: 443
        protocol: TLS
        tls: {mode: Passthrough}
    status:
      listeners:
      - name: tls
        attachedRoutes: 1
        conditions: [{type: Accepted, status: "True", reason: Accepted}]
    ```

    Sources: istio/istio, pilot/pkg/config/kube/gateway/conversion.go (`buildListener`),
    gatewaycommon/listener_conflict.go; the release note tls-protocol-gateway-no-alpha-gate.
    """
    for left_out in listeners_left_out(mesh):
        if left_out.fault in OF_CREDENTIALS or _is_seen_served(mesh, left_out):
            continue
        server, place = left_out.server, left_out.place
        yield Finding(
            message=(
                f"istiod makes nothing of {server or place.ref}: {left_out.because}. Nothing"
                f" listens there for {host_listing(left_out.hosts)}."
            ),
            objects=(place, *((Place(left_out.winner),) if left_out.winner else ())),
            identity=Identity.of(place.ref, server.gateway_name if server else ""),
            hosts=frozenset(left_out.hosts),
            evidence=(
                Evidence(text=f"{place}: {left_out.because}", ref=place.ref),
                *(_versions(mesh) if left_out.fault is ListenerFault.UNSUPPORTED_PROTOCOL else ()),
            ),
            fixes=(_fix(left_out),),
            severity=_severity(left_out),
            servers=frozenset({server.id} if server else ()),
        )


def _is_seen_served(mesh: Mesh, left_out: LeftOut) -> bool:
    """Whether a log names the listener's routes: then istiod serves its protocol, by a flag."""
    return (
        left_out.fault is ListenerFault.UNSUPPORTED_PROTOCOL
        and left_out.server is not None
        and any(each.gateway == left_out.server.gateway for each in logged_repetitions(mesh))
    )


def _fix(left_out: LeftOut) -> Fix:
    """Write a protocol in upper case; what else to serve for the hosts is not for a tool."""
    server, place = left_out.server, left_out.place
    is_unserved = left_out.fault is ListenerFault.UNSUPPORTED_PROTOCOL
    # `Server.protocol` is in upper case already, as an Istio Gateway's is read.
    if is_unserved and server and f"written {server.protocol}" in left_out.because:
        field = Place(place.ref, f"{place.path}/protocol")
        return set_field(field, server.protocol, f"Write the protocol as {server.protocol}")
    return Fix(
        title=TITLES.get(left_out.fault, "Change the listener"),
        commands=(get(place.ref),),
        why="What to serve for these hosts instead is not for a tool to say.",
    )


def _versions(mesh: Mesh) -> Iterator[Evidence]:
    for plane in control_planes(mesh):
        text = f"istiod is of version {plane.version or 'unknown'}"
        yield Evidence(text=text, ref=plane.workload.owner)


def _severity(left_out: LeftOut) -> Severity:
    """Say how grave it is: another listener may have the hosts, or it is none of HTTPS."""
    if left_out.fault is ListenerFault.HOSTNAME_CONFLICT:
        return Severity.MEDIUM
    is_tls = left_out.server is None or left_out.server.is_tls
    return Severity.CRITICAL if is_tls else Severity.HIGH
