"""SVC012."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl, labels
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.exposure.load_balancers import Unready, unready_gateways
from istiodoctor.mesh.observations.events import events_of
from istiodoctor.mesh.workloads.control_planes import control_planes, namespace_labels
from istiodoctor.mesh.workloads.workloads import REVISION_LABEL
from istiodoctor.model.kind import CORE
from istiodoctor.model.ref import Place, Ref
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._events import event_evidence

POD_LABEL = "sidecar.istio.io/inject"
NAMESPACE_LABEL = "istio-injection"
REVISION_PATH = REVISION_LABEL.replace("/", "~1")


@check(
    "SVC012",
    severity=Severity.CRITICAL,
    explains={"GWAPI011", "CM007"},
    evidence=[events_of],
)
def gateway_pods_not_ready(mesh: Mesh) -> Iterator[Finding]:
    """No pod of a gateway is ready, so its Service has no endpoints.

    The Service of the gateway sends clients to ready pods only, and there is none: connections
    are refused or time out. The reasons are those of any pod (image, scheduling, crash), or the
    proxy is not ready because istiod cannot be reached.

    A pod with the image `auto` was not injected: the gateway chart leaves the image to the
    injection webhook, which takes part only where the namespace, or the pod, is labelled for a
    revision that runs. `istio-injection: disabled` on the namespace keeps it away whatever the
    pod's labels say; `sidecar.istio.io/inject: "false"` on the pod does so too.

    Fix: see the pod's events and logs; for `auto`, label the namespace (`istio-injection=enabled`
    or `istio.io/rev=…`) and delete the pod.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    status: {conditions: [{type: Ready, status: "False"}]}
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
    apiVersion: v1
    kind: Event
    metadata: {name: gateway.17a, namespace: istio-system}
    involvedObject: {apiVersion: v1, kind: Pod, namespace: istio-system, name: gateway}
    type: Warning
    reason: FailedScheduling
    message: "0/3 nodes are available: 3 Insufficient cpu."
    lastTimestamp: 2026-03-01T11:55:00Z
    ```

    ```finding
    critical: Pod istio-system/gateway
    hosts: shop.example.com
    None of the 1 pods of Pod istio-system/gateway is ready: shop.example.com cannot be reached.
    ```

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: auto, args: [proxy, router]}]}
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
    critical: Pod istio-system/gateway
    hosts: shop.example.com
    The pods of Pod istio-system/gateway have the image “auto”: the injection webhook did not take
    part, and no proxy starts: shop.example.com cannot be reached.
    ```

    The namespace says no, whatever the pod says:

    ```yaml bad
    apiVersion: v1
    kind: Namespace
    metadata: {name: istio-system, labels: {istio-injection: disabled}}
    ---
    apiVersion: v1
    kind: Pod
    metadata:
      name: gateway
      namespace: istio-system
      labels: {istio: ingressgateway, sidecar.istio.io/inject: "true"}
    spec: {containers: [{name: istio-proxy, image: auto, args: [proxy, router]}]}
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
    critical: Namespace istio-system metadata.labels.istio-injection
    hosts: shop.example.com
    The pods of Pod istio-system/gateway have the image “auto”: the injection webhook did not take
    part, and no proxy starts (Namespace istio-system is labelled istio-injection=disabled):
    shop.example.com cannot be reached.
    ```

    The namespace is labelled for a revision that is gone:

    ```yaml bad
    apiVersion: v1
    kind: Namespace
    metadata: {name: edge, labels: {istio.io/rev: 1-21}}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: edge, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: auto, args: [proxy, router]}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod, istio.io/rev: 1-22}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.22.3"}]}
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
    critical: Namespace edge metadata.labels["istio.io/rev"]
    hosts: shop.example.com
    The pods of Pod edge/gateway have the image “auto”: the injection webhook did not take part,
    and no proxy starts (Namespace edge is labelled istio.io/rev=1-21; istiod here is of revision
    1-22, unless a tag has that name): shop.example.com cannot be reached.
    ```

    One ready pod is enough:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: gateway-1
      namespace: istio-system
      labels: {istio: ingressgateway}
      ownerReferences: [{kind: DaemonSet, name: gateway, controller: true}]
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    status: {conditions: [{type: Ready, status: "False"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata:
      name: gateway-2
      namespace: istio-system
      labels: {istio: ingressgateway}
      ownerReferences: [{kind: DaemonSet, name: gateway, controller: true}]
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    status: {conditions: [{type: Ready, status: "True"}]}
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

    Sources: istio.io, Installing Gateways; the analysis messages IST0146 and IST0147; istio/istio
    issue 44972.
    """
    for each in unready_gateways(mesh):
        pods, refusing = each.workload.pods, _refusing(mesh, each)
        yield Finding(
            message=(
                f"{_reason(each)}{_said(mesh, refusing)}: {host_listing(sorted(each.hosts))}"
                " cannot be reached."
            ),
            objects=(*refusing, Place(each.workload.owner), *(Place(pod.ref) for pod in pods[:3])),
            identity=Identity.of(each.workload.owner),
            hosts=each.hosts,
            evidence=(
                *(
                    Evidence(
                        text=f"{pod.ref}: phase {pod.status.phase or 'unknown'}, not ready",
                        ref=pod.ref,
                    )
                    for pod in pods[:3]
                ),
                *event_evidence(mesh, (pod.ref for pod in pods[:3])),
            ),
            fixes=(_look(mesh, each, refusing),),
        )


def _reason(each: Unready) -> str:
    if each.uninjected:
        return (
            f"The pods of {each.workload} have the image “auto”: the injection webhook did not"
            " take part, and no proxy starts"
        )
    return f"None of the {len(each.workload.pods)} pods of {each.workload} is ready"


def _refusing(mesh: Mesh, each: Unready) -> tuple[Place, ...]:
    """Return the label that keeps the injector away from pods that wait for it."""
    if not each.uninjected:
        return ()
    workload = each.workload
    if "false" in (workload.labels.get(POD_LABEL), workload.annotations.get(POD_LABEL)):
        return (Place(each.workload.owner),)
    given = namespace_labels(mesh, each.workload.namespace) or {}
    namespace = Ref(CORE, "Namespace", "", each.workload.namespace)
    if given.get(NAMESPACE_LABEL) == "disabled":
        return (Place(namespace, f"/metadata/labels/{NAMESPACE_LABEL}"),)
    revision = given.get(REVISION_LABEL)
    known = {plane.revision for plane in control_planes(mesh)}
    if NAMESPACE_LABEL in given or not revision or not known or revision in known:
        return ()
    return (Place(namespace, f"/metadata/labels/{REVISION_PATH}"),)


def _said(mesh: Mesh, refusing: tuple[Place, ...]) -> str:
    if not refusing:
        return ""
    if not refusing[0].path:
        return f' ({POD_LABEL} of the pods is "false")'
    namespace = refusing[0].ref
    if refusing[0].path.endswith(NAMESPACE_LABEL):
        return f" ({namespace} is labelled {NAMESPACE_LABEL}=disabled)"
    revision = (namespace_labels(mesh, namespace.name) or {}).get(REVISION_LABEL)
    known = listing(sorted({plane.revision for plane in control_planes(mesh)}))
    return (
        f" ({namespace} is labelled {REVISION_LABEL}={revision}; istiod here is of revision"
        f" {known}, unless a tag has that name)"
    )


def _look(mesh: Mesh, each: Unready, refusing: tuple[Place, ...]) -> Fix:
    pod = each.workload.pods[0].ref
    namespace = Ref(CORE, "Namespace", "", pod.namespace)
    inject = kubectl("label", namespace, "istio-injection=enabled", "--overwrite")
    revisions = sorted({plane.revision for plane in control_planes(mesh)})
    if refusing and REVISION_PATH in refusing[0].path and len(revisions) == 1:
        value = labels({REVISION_LABEL: revisions[0]})
        inject = kubectl("label", "--overwrite", namespace, value)
    if refusing and not refusing[0].path:
        return Fix(
            title=f'Set {POD_LABEL} of the pods to "true", as a label',
            why="It stands in the template of the pods, which are then made anew.",
        )
    if each.uninjected:
        return Fix(
            title="Let the injector fill in the proxy",
            commands=(inject, kubectl("delete", pod)),
            why="With revisions, label the namespace istio.io/rev=REVISION instead.",
        )
    return Fix(
        title="See why the pods are not ready",
        commands=(
            kubectl("describe", pod),
            kubectl("logs", pod, "--all-containers"),
        ),
    )
