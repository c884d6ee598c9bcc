"""OPS006."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import Value, kubectl, labels
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.model.ref import Place
from istiodoctor.text import listing
from istiodoctor_checks.operations._mesh_policies import HiddenNamespace, hidden_namespaces


@check("OPS006", severity=Severity.CRITICAL, explains={"GW019", "GW022", "HTTP018", "SDS016"})
def discovery_hides_namespace(mesh: Mesh) -> Iterator[Finding]:
    """A namespace with Gateways or VirtualServices is outside istiod's discoverySelectors.

    With `discoverySelectors` in the mesh configuration istiod reads only the namespaces whose
    labels they take. Whatever lies in another one is as if it did not exist: no listener, no
    route, no event.

    Fix: give the namespace a label that the selectors take.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data: {mesh: "discoverySelectors: [{matchLabels: {mesh: member}}]"}
    ---
    apiVersion: v1
    kind: Namespace
    metadata: {name: istio-system, labels: {mesh: member}}
    ---
    apiVersion: v1
    kind: Namespace
    metadata: {name: shop}
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
    critical: Namespace shop metadata.labels
    istiod does not look at the namespace shop: the discoverySelectors of the mesh do not take its
    labels. To the gateways it is as if Gateway shop/web did not exist.
    ```

    One selector of several is enough:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data:
      mesh: |
        discoverySelectors:
        - matchLabels: {mesh: member}
        - matchExpressions: [{key: team, operator: Exists}]
    ---
    apiVersion: v1
    kind: Namespace
    metadata: {name: istio-system, labels: {mesh: member}}
    ---
    apiVersion: v1
    kind: Namespace
    metadata: {name: shop, labels: {team: shop}}
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

    Sources: istio.io, MeshConfig (`discoverySelectors`), Configuration Scoping.
    """
    for hidden in hidden_namespaces(mesh):
        yield Finding(
            message=(
                f"istiod does not look at the namespace {hidden.namespace}: the discoverySelectors"
                f" of the mesh do not take its labels. To the gateways it is as if"
                f" {listing(e.ref for e in hidden.objects)} did not exist."
            ),
            objects=(Place(hidden.ref, "/metadata/labels"), *(e.at() for e in hidden.objects)),
            identity=Identity.of(hidden.ref),
            hosts=frozenset(hidden.hosts),
            evidence=(Evidence(text=f"labels of {hidden.namespace}: {hidden.labels or 'none'}"),),
            fixes=(
                Fix(
                    title=f"Give the namespace {hidden.namespace} the labels that are asked for",
                    commands=(kubectl("label", hidden.ref, _wanted(hidden)),)
                    if hidden.wanted
                    else (),
                    verify=kubectl("get", hidden.ref, "--show-labels"),
                ),
            ),
        )


def _wanted(hidden: HiddenNamespace) -> Value:
    """Return the labels that one of the selectors asks for."""
    return labels(dict(each.partition("=")[::2] for each in hidden.wanted))
