"""SDS016."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Literal

from istiodoctor.check import check
from istiodoctor.command import istioctl, proxy
from istiodoctor.evidence import Evidence, EvidenceKind
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.differences import Part
from istiodoctor.mesh.envoy.drift import Drift, drifts
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ref import Place
from istiodoctor_checks._envoys import pods_of
from istiodoctor_checks._wire import SHOWN

WORDS: Mapping[Part, str] = {
    Part.LISTENER: "the listener of {name}",
    Part.FILTER_CHAIN: "the filter chain for {name}",
    Part.DOMAIN: "the domain {name}",
    Part.CLUSTER: "the cluster {name}",
}
COMMANDS: Mapping[Part, Literal["cluster", "listeners", "routes"]] = {
    Part.LISTENER: "listeners",
    Part.FILTER_CHAIN: "listeners",
    Part.DOMAIN: "routes",
    Part.CLUSTER: "cluster",
}
"""What of `istioctl proxy-config` shows a part."""


@check("SDS016", severity=Severity.MEDIUM, explains={"HTTP018"})
def stale_proxy_configuration(mesh: Mesh) -> Iterator[Finding]:
    """The configuration in Envoy differs from the one that follows from the objects.

    Envoy's own dump was read within two minutes of the objects, and a listener, a filter chain, a
    domain or a cluster is missing there, or is there although nothing asks for it. The newer
    configuration has not reached the pod, Envoy refused it (SDS010, SDS012), istiod is out of
    reach (SDS004) or does not read the objects (OPS006).

    Only whether these parts are there is compared. What an EnvoyFilter may have done is left out,
    and so is everything where the objects were not read completely. Where neither Envoy's state
    nor its log has a refusal, nothing but this comparison speaks for it: it is suspected only.

    Fix: that of the cause in the report. Where there is none, see by `istioctl proxy-status`
    whether istiod and the pod are in touch, and what Envoy holds.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    status: {conditions: [{type: Ready, status: "True"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop, creationTimestamp: "2026-01-01T08:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: ["*.example.com"]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{directResponse: {status: 200}}]
    ```

    ```envoy bad istio-system/gateway
    listeners:
    - {name: 0.0.0.0_80, port: 80, hosts: ["*"]}
    routes:
    - {name: http.80, domains: [old.example.com]}
    ```

    ```finding
    medium, suspected: Pod istio-system/gateway
    hosts: old.example.com, shop.example.com
    Envoy in Pod istio-system/gateway differs from the objects: the domain shop.example.com in
    http.80 is missing, the domain old.example.com in http.80 is there and nothing asks for it. No
    refusal was seen.
    ```

    The same domains:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    status: {conditions: [{type: Ready, status: "True"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop, creationTimestamp: "2026-01-01T08:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: ["*.example.com"]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{directResponse: {status: 200}}]
    ```

    ```envoy good istio-system/gateway
    listeners:
    - {name: 0.0.0.0_80, port: 80, hosts: ["*"]}
    routes:
    - {name: http.80, domains: [shop.example.com]}
    ```

    Sources: istio.io, Debugging Envoy and Istiod; Envoy, Administration interface (config dump).
    """
    for (workload, refusal), found in _grouped(mesh).items():
        is_settling = all(each.is_settling for each in found)
        pods = dict.fromkeys(pod for each in found for pod in each.pods)
        yield Finding(
            message=_message(workload, found, refusal),
            objects=(
                Place(workload.owner),
                *dict.fromkeys(server.place for each in found for server in each.servers),
                *map(Place, pods),
            ),
            identity=Identity.of(workload.owner, "refused" if refusal else ""),
            hosts=_hosts(found),
            evidence=tuple(map(_evidence, found[:SHOWN])),
            fixes=(_look(found[0]),),
            severity=Severity.LOW if is_settling else None,
            confidence=Confidence.OBSERVED if refusal else Confidence.SUSPECTED,
            is_settling=is_settling,
            servers=frozenset(server.id for each in found for server in each.servers),
        )


def _grouped(mesh: Mesh) -> Mapping[tuple[Workload, str], list[Drift]]:
    """Return what differs by gateway, and apart from the rest what Envoy refused."""
    found: dict[tuple[Workload, str], list[Drift]] = defaultdict(list)
    for each in drifts(mesh):
        found[each.workload, each.refusal].append(each)
    return found


def _message(workload: Workload, found: list[Drift], refusal: str) -> str:
    pods = dict.fromkeys(pod for each in found for pod in each.pods)
    shown = ", ".join(map(_said, found[:SHOWN]))
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    text = f"Envoy in {pods_of(workload, pods)} differs from the objects: {shown}{more}."
    if refusal:
        return f"{text} Envoy refused a newer version: {refusal}."
    if all(each.is_settling for each in found):
        return f"{text} It may be on its way: the Gateway or the pod is new."
    return f"{text} No refusal was seen."


def _said(drift: Drift) -> str:
    """Say `the domain a.test in http.80 is missing`."""
    difference = drift.difference
    what = WORDS[difference.part].format(name=difference.name)
    return f"{what} is {'missing' if difference.is_missing else 'there and nothing asks for it'}"


def _hosts(found: list[Drift]) -> frozenset[str]:
    """Return the hosts that are missing or extra: one that both have, in other company, is not."""
    missing = {host for e in found if e.difference.is_missing for host in _hosts_of(e)}
    extra = {host for e in found if e.difference.is_extra for host in _hosts_of(e)}
    return frozenset(missing ^ extra)


def _hosts_of(drift: Drift) -> tuple[str, ...]:
    """Return the hosts of a part: its own names, else those of its servers."""
    match drift.difference.part:
        case Part.CLUSTER:
            return ()
        case Part.DOMAIN:
            return drift.difference.names
        case Part.FILTER_CHAIN if drift.difference.names:
            return drift.difference.names
        case _:
            return tuple(name for server in drift.servers for name in server.names)


def _evidence(drift: Drift) -> Evidence:
    difference, pod = drift.difference, drift.pods[0]
    field = f"{difference.part} {difference.name}"
    expected, held = difference.expected or "nothing", difference.held or "nothing"
    return Evidence(
        kind=EvidenceKind.ENVOY,
        text=f"Envoy in {pod}: {field}: expected {expected}, held {held}",
        ref=pod,
    )


def _look(drift: Drift) -> Fix:
    return Fix(
        title="See whether istiod and the pod are in touch, and what Envoy holds",
        commands=(
            istioctl("proxy-status"),
            istioctl("proxy-config", COMMANDS[drift.difference.part], proxy(drift.pods[0])),
        ),
        why="A version that is STALE was sent and not taken; one that is NOT SENT never was.",
    )
