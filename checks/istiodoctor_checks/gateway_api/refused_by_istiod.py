"""GWAPI017."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, get
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.status_refusals import StatusRefusal, status_refusals
from istiodoctor.mesh.workloads.control_planes import control_planes
from istiodoctor.text import listing
from istiodoctor_checks.gateway_api._listeners import status_evidence

HOSTNAME_CONFLICT = "HostnameConflict"


@check("GWAPI017", severity=Severity.CRITICAL)
def refused_by_istiod(mesh: Mesh) -> Iterator[Finding]:
    """A listener, ListenerSet or route is refused by istiod, or nobody has judged its Gateway.

    istiod writes into the status what it makes of each object: `Accepted`, `Programmed` and
    `ResolvedRefs` are `False`, or `Conflicted` is `True`, where it leaves something out. A Gateway
    whose `Accepted` stays `Unknown` (`Waiting for controller`) is taken by no istiod: mostly its
    label `istio.io/rev` names no revision that runs, or the only istiod has a revision and the
    Gateway no label.

    The same is said, as a doubt, of a listener, ListenerSet, route or BackendTLSPolicy whose
    conditions are `Unknown`, or are all of an older generation than its spec.

    Where another check knows the reason, this stands below it.

    Fix: do what the condition's message asks for.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
    status:
      listeners:
      - name: http
        conditions:
        - {type: Accepted, status: "False", reason: UnsupportedProtocol, message: not served}
    ```

    ```finding
    high: Gateway API Gateway shop/web spec.listeners[0]
    hosts: *
    istiod says Accepted=False (UnsupportedProtocol) of Gateway API Gateway shop/web listener 80
    (http): not served. Nothing listens there for *.
    ```

    What is said of an older spec does not count:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop, generation: 2}
    spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
    status:
      listeners:
      - name: http
        conditions:
        - {type: Accepted, status: "False", reason: Invalid, observedGeneration: 1}
        - {type: Conflicted, status: "False", reason: NoConflicts, observedGeneration: 2}
    ```

    Sources: gateway-api.sigs.k8s.io, API reference (ListenerConditionType, RouteConditionType);
    istio/istio, pilot/pkg/config/kube/gateway/conditions.go.
    """
    for refused in status_refusals(mesh):
        said, server = refused.condition, refused.server
        subject = server or refused.place.ref
        yield Finding(
            message=f"{_start(refused, subject)}. {_effect(refused)}",
            objects=(refused.place,),
            identity=Identity.of(refused.place.ref, _detail(refused)),
            hosts=frozenset(refused.hosts),
            evidence=(
                *status_evidence(said, refused.place.ref),
                *(_revisions(mesh) if refused.is_undecided or refused.generation else ()),
            ),
            fixes=(
                Fix(
                    title="Do what the condition asks for",
                    commands=(get(refused.place.ref),),
                    why="Its message is istiod's own word on what is wrong.",
                ),
            ),
            severity=_severity(refused),
            confidence=Confidence.SUSPECTED if _is_open(refused) else Confidence.CERTAIN,
            servers=frozenset({server.id} if server else ()),
        )


def _is_open(refused: StatusRefusal) -> bool:
    """Whether istiod has said neither yes nor no of what there is."""
    return bool(refused.generation) or (refused.is_undecided and not refused.is_untaken)


def _start(refused: StatusRefusal, subject: object) -> str:
    said = refused.condition
    if refused.generation:
        return (
            f"No istiod has judged the present spec of {subject}: its status is of generation"
            f" {said.observed_generation}, the spec of {refused.generation}"
        )
    words = f": {said.message.rstrip('.')}" if said.message else ""
    if refused.is_undecided:
        done = "taken" if refused.is_untaken else "judged"
        return f"No istiod has {done} {subject}: {said.type} is {said.status}{words}"
    where = f" for {refused.parent}" if refused.parent else ""
    return f"istiod says {said.type}={said.status} ({said.reason}) of {subject}{where}{words}"


def _effect(refused: StatusRefusal) -> str:
    hosts = listing(refused.hosts) or "its hosts"
    if refused.generation:
        return f"What was changed since may not be in force for {hosts}."
    if refused.is_of_policy:
        return "What it says of TLS to its backends may not be in force."
    if refused.is_undecided and not refused.is_untaken:
        return f"It may not be in force for {hosts}."
    if refused.parent and refused.condition.type == "ResolvedRefs":
        return f"Requests for {hosts} that it leads to such a backend fail."
    if refused.parent:
        return f"It answers nothing there for {hosts}."
    return f"Nothing listens there for {hosts}."


def _detail(refused: StatusRefusal) -> str:
    if refused.parent:
        return refused.parent.path
    return refused.server.section_name if refused.server else refused.condition.type


def _severity(refused: StatusRefusal) -> Severity:
    # Another listener of the Gateway has the host.
    if refused.condition.reason == HOSTNAME_CONFLICT or _is_open(refused):
        return Severity.MEDIUM
    if refused.is_of_policy:
        return Severity.HIGH
    is_plain = refused.server is not None and not refused.server.is_tls
    if refused.condition.type == "ResolvedRefs" or refused.is_answered or is_plain:
        return Severity.HIGH
    return Severity.CRITICAL


def _revisions(mesh: Mesh) -> Iterator[Evidence]:
    for plane in control_planes(mesh):
        text = f"istiod has the revision {plane.revision or 'default'}"
        yield Evidence(text=text, ref=plane.workload.owner)
