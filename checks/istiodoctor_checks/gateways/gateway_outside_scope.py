"""GW011."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing
from istiodoctor_checks.gateways._conflicts import ScopedOut, scoped_out_gateways


@check(
    "GW011",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"CERT017", "CRED001", "CRED002", "GW012", "GW019", "SDS011", "SDS014"},
)
def gateway_outside_scope(mesh: Mesh) -> Iterator[Finding]:
    """A Gateway is outside the one namespace that istiod gives its pods Gateways from.

    With `PILOT_SCOPE_GATEWAY_TO_NAMESPACE=true` istiod gives a gateway pod only the Gateways of
    the pod's namespace. A Gateway beside the application is ignored without a word: nothing
    listens for its hosts.

    Fix: put the Gateway in the namespace of the gateway pods (VirtualServices then name it as
    `namespace/name`), or run istiod without the flag.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
    spec:
      containers:
      - name: discovery
        image: istio/pilot:1.22.3
        env: [{name: PILOT_SCOPE_GATEWAY_TO_NAMESPACE, value: "true"}]
    ---
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
    ```

    ```finding
    critical: Gateway shop/web metadata.namespace
    hosts: shop.example.com
    istiod gives Pod istio-system/gateway only Gateways of istio-system
    (PILOT_SCOPE_GATEWAY_TO_NAMESPACE): Gateway shop/web is ignored, and nothing listens for
    shop.example.com.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
    spec:
      containers:
      - name: discovery
        image: istio/pilot:1.22.3
        env: [{name: PILOT_SCOPE_GATEWAY_TO_NAMESPACE, value: "true"}]
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    Sources: istio.io, pilot-discovery reference; pilot/pkg/model/push_context.go.
    """
    for each in scoped_out_gateways(mesh):
        hosts = frozenset(name for server in each.servers for name in server.names)
        yield Finding(
            message=(
                f"istiod gives {each.workload} only Gateways of {each.workload.namespace}"
                f" (PILOT_SCOPE_GATEWAY_TO_NAMESPACE): {each.gateway} is ignored, and nothing"
                f" listens for {host_listing(sorted(hosts))}."
            ),
            objects=(
                Place(each.gateway, "/metadata/namespace"),
                Place(each.workload.owner),
                Place(each.control_plane.workload.owner),
            ),
            identity=Identity.of(each.gateway),
            hosts=hosts,
            evidence=(
                Evidence(
                    text="PILOT_SCOPE_GATEWAY_TO_NAMESPACE is true",
                    ref=each.control_plane.workload.owner,
                ),
            ),
            fixes=(_move(each),),
            servers=frozenset(server.id for server in each.servers),
        )


def _move(each: ScopedOut) -> Fix:
    target = each.workload.namespace
    return Fix(
        title=f"Move {each.gateway} to {target}",
        commands=(kubectl("get", each.gateway, "-o", "yaml"),),
        why=(
            f"Apply the manifest with namespace {target} and name it as {target}/"
            f"{each.gateway.name} in the VirtualServices; or take the flag from istiod."
        ),
    )
