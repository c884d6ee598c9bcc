"""GW026."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, remove_field, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.mesh.workloads.control_planes import control_planes
from istiodoctor.text import host_listing, listing
from istiodoctor_checks.gateways._passed_over import PassedOver, passed_over


@check(
    "GW026",
    severity=Severity.CRITICAL,
    claims=Claim.UNSERVED,
    explains={"GW019", "GW022", "GWAPI016", "HTTP004", "HTTP005", "HTTP017", "SNI011", "SNI012"},
)
def other_revision(mesh: Mesh) -> Iterator[Finding]:
    """The label `istio.io/rev` of a Gateway or route names another revision than its istiod has.

    An istiod with a revision reads, of Istio's own objects and of the routes of the Gateway API,
    those without the label `istio.io/rev` and those whose label is its revision. To all others it
    is as though they were not there: no listener for a Gateway, 404 for a route. The value is
    compared as text: the name of a tag (`prod`, `default`) is not a revision here, only for
    namespaces, pods and Gateways of the Gateway API. After a canary upgrade such labels keep the
    old revision.

    Fix: take the label off, or give it the revision of the istiod that configures the gateway.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod, istio.io/rev: canary}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata:
      name: gateway
      namespace: istio-system
      labels: {istio: ingressgateway, istio.io/rev: canary}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop, labels: {istio.io/rev: stable}}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    ```finding
    critical: Gateway shop/web metadata.labels["istio.io/rev"]
    hosts: shop.example.com
    Gateway shop/web has the label istio.io/rev=stable, and the istiod of its gateway is of the
    revision canary: it passes the object over, and nothing listens for shop.example.com.
    ```

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod, istio.io/rev: 1-27}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop, namespace: shop, labels: {istio.io/rev: 1-26}}
    spec:
      parentRefs: [{name: web}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: shop, port: 80}]}]
    ```

    ```finding
    critical: HTTPRoute shop/shop metadata.labels["istio.io/rev"]
    hosts: shop.example.com
    HTTPRoute shop/shop has the label istio.io/rev=1-26, and the istiod of its gateway is of the
    revision 1-27: it passes the object over, and its routes are not there for shop.example.com.
    ```

    Each of two istiods has its gateway, and its Gateway:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-a, namespace: istio-system, labels: {app: istiod, istio.io/rev: a}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-b, namespace: istio-system, labels: {app: istiod, istio.io/rev: b}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway-a, namespace: edge, labels: {istio: edge, istio.io/rev: a}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway-b, namespace: edge, labels: {istio: edge, istio.io/rev: b}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop, labels: {istio.io/rev: a}}
    spec:
      selector: {istio: edge}
      servers:
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop, labels: {istio.io/rev: a}}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ```

    Sources: istio/istio, pkg/config/model.go (`LabelsInRevision`), pilot/pkg/config/kube:
    crdclient/client.go and gateway/controller.go (`inRevision`).
    """
    for found in passed_over(mesh):
        revisions = listing(found.revisions)
        yield Finding(
            message=(
                f"{found.place.ref} has the label istio.io/rev={found.label}, and the istiod of"
                f" its gateway is of the revision {revisions}: it passes the object over, and"
                f" {found.effect} {host_listing(found.hosts)}."
            ),
            objects=(found.place,),
            identity=Identity.of(found.place.ref),
            hosts=frozenset(found.hosts),
            evidence=tuple(
                Evidence(text=f"{each.workload} has the revision {each.revision}")
                for each in control_planes(mesh)
            ),
            fixes=tuple(_fixes(found)),
            servers=frozenset(found.servers),
        )


def _fixes(found: PassedOver) -> Iterator[Fix]:
    why = "What it says comes into force then: see that it is still meant."
    yield remove_field(found.place, "Take the label off: every istiod reads the object", why=why)
    if len(found.revisions) == 1:
        revision = found.revisions[0]
        yield set_field(found.place, revision, f"Give it the revision {revision}", why=why)
