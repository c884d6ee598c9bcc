"""VS011."""

from collections.abc import Iterator
from difflib import get_close_matches

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, create, json_patch, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.model.istio import DestinationRule
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._destinations import severity_of
from istiodoctor_checks.routing._upstream import SubsetFault, subset_faults

LABELS_WHY = "See that pods of the Service carry this label."


@check("VS011", severity=Severity.CRITICAL, explains={"HTTP015"})
def subset_undefined(mesh: Mesh) -> Iterator[Finding]:
    """A route leads to a subset that no DestinationRule defines.

    A subset exists only where a DestinationRule for the same host lists it. Without one Envoy has
    no cluster for the destination, and requests get 503 (`NC cluster_not_found`).

    Fix: define the subset in a DestinationRule, or route to one that exists.

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
      http: [{route: [{destination: {host: shop, subset: v2}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: shop, subsets: [{name: v1, labels: {version: v1}}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ```

    ```finding
    critical: VirtualService shop/shop spec.http[0].route[0].destination.subset
    hosts: shop.example.com
    VirtualService shop/shop routes to the subset v2 of shop.shop.svc.cluster.local, but the
    DestinationRules for it define v1: requests for shop.example.com that take this route get 503
    (NC cluster_not_found).
    ```

    The subset may be defined by full name, in another namespace, or for a wildcard:

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
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop, subset: v2}}]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: istio-system}
    spec:
      host: "*.shop.svc.cluster.local"
      subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ```

    Sources: istio.io, DestinationRule (Subset), Network Problems; istio/istio issues 6335, 30730.
    """
    for fault in subset_faults(mesh):
        use, routed = fault.destination.use, fault.destination.routed
        yield Finding(
            message=_message(fault),
            objects=(
                Place(use.place.ref, f"{use.place.path}/subset"),
                *(rule.at("/spec/subsets") for rule in fault.rules),
            ),
            identity=Identity.of(use.place.ref, f"{routed.name.host}:{routed.name.subset}"),
            hosts=frozenset(use.virtual_service.spec.hosts),
            evidence=(
                Evidence(text=f"there is no cluster {routed.name}"),
                *(Evidence(text=f"{e.ref} defines {_names(e)}", ref=e.ref) for e in fault.rules),
            ),
            fixes=tuple(_fixes(fault)),
            severity=severity_of(use),
            confidence=Confidence.CERTAIN if fault.is_sure else Confidence.SUSPECTED,
        )


def _names(rule: DestinationRule) -> str:
    return listing(each.name for each in rule.spec.subsets) or "no subsets"


def _message(fault: SubsetFault) -> str:
    use, fqdn = fault.destination.use, fault.destination.routed.name.host
    if fault.defining:
        known = fault.destination.cluster.reason
    elif fault.defined:
        known = f"the DestinationRules for it define {listing(fault.defined)}"
    else:
        known = "no DestinationRule for it defines any"
    return (
        f"{use.place.ref} routes to the subset {use.destination.subset} of {fqdn}, but {known}:"
        f" requests for {host_listing(use.virtual_service.spec.hosts)} that take this route get"
        f" 503 (NC cluster_not_found)."
    )


def _fixes(fault: SubsetFault) -> Iterator[Fix]:
    use, routed = fault.destination.use, fault.destination.routed
    place, wanted = Place(use.place.ref, f"{use.place.path}/subset"), routed.name.subset
    if fault.defining:
        yield _fix_of_rule_that_counts(fault)
        return
    for name in get_close_matches(wanted, fault.defined, n=1, cutoff=0.7):
        if name.casefold() == wanted.casefold() or len(wanted) > len("v10"):
            yield set_field(place, name, f"Route to the subset {name}")
    subset = {"name": wanted, "labels": {"version": wanted}}
    rule = next(iter(fault.rules), None)
    if rule is None:
        namespace = use.place.ref.namespace
        service = routed.kubernetes_service
        manifest = {
            "metadata": {
                "name": service.name if service else wanted,
                "namespace": service.namespace if service else namespace,
            },
            "spec": {"host": routed.name.host, "subsets": [subset]},
        }
        yield create(
            manifest,
            Kind.DESTINATION_RULE,
            "Define the subset in a DestinationRule",
            why=LABELS_WHY,
        )
    else:
        end = ("-", subset) if rule.spec.subsets else ("", [subset])
        path = f"/spec/subsets/{end[0]}".rstrip("/")
        yield json_patch(
            rule.ref,
            [{"op": "add", "path": path, "value": end[1]}],
            f"Define the subset in {rule.ref}",
            why=LABELS_WHY,
        )


def _fix_of_rule_that_counts(fault: SubsetFault) -> Fix:
    workload = fault.destination.routed.workload
    return Fix(
        title=f"Define the subset in the DestinationRule that counts for {workload}",
        why="Of a host the rules of one namespace count, and those with the most exact name.",
    )
