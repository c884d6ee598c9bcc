"""REQ002."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.logs.failed_requests import FailedRequest, failed_requests
from istiodoctor.mesh.logs.meaning import Meaning
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ref import Place
from istiodoctor.text import listing

WORDS: Mapping[Meaning, tuple[str, str, str]] = {
    Meaning.CLUSTER_NOT_FOUND: (
        "backend",
        "NC",
        "the route leads to a cluster that Envoy does not have",
    ),
    Meaning.NO_HEALTHY_UPSTREAM: ("endpoints", "UH", "no endpoint of the backend takes requests"),
    Meaning.UPSTREAM_RESET: (
        "endpoints",
        "UF, UC",
        "the connection to the backend was not made, or ended",
    ),
}
"""Of each kind of line the hop at which a request ends, Envoy's flags and what they mean."""


@check("REQ002", severity=Severity.LOW, is_last_resort=True)
def failed_request_logged(mesh: Mesh) -> Iterator[Finding]:
    """Envoy answered requests with an error of its own, and no other check says why.

    The access log of a gateway has 503 with a flag: `NC` no such cluster, `UH` no endpoint that
    takes requests, `UF` no connection to the backend, `UC` a connection that ended. While pods are
    replaced a few of them are ordinary; `NC` never is for long.

    Fix: look at the backend at the time of the line: its pods, their readiness, the protocol that
    the Service's port names.

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
    ```

    ```log bad istio-system/gateway/istio-proxy
    [2026-03-01T11:40:00.000Z] "GET / HTTP/2" 503 UH no_healthy_upstream - "-" 0 19 0 - "203.0.113.9" "curl/8.5.0" "2d4f" "shop.example.com" "-" outbound|80||shop.shop.svc.cluster.local - 10.0.0.4:8443 203.0.113.9:51412 shop.example.com -
    ```

    ```finding
    low, observed: Pod istio-system/gateway
    hosts: shop.example.com
    Pod istio-system/gateway answered 1 request for shop.example.com with 503 (UH): no endpoint of
    the backend takes requests.
    ```

    An error that the application answers with is its own, and nobody serves the other host:

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
    ```

    ```log good istio-system/gateway/istio-proxy
    [2026-03-01T11:40:00.000Z] "GET / HTTP/2" 503 - via_upstream - "-" 0 19 3 2 "203.0.113.9" "curl/8.5.0" "2d4f" "shop.example.com" "10.2.0.9:8080" outbound|80||shop.shop.svc.cluster.local 10.0.0.4:1 10.0.0.4:8443 203.0.113.9:51412 shop.example.com -
    [2026-03-01T11:40:01.000Z] "GET / HTTP/2" 503 UH no_healthy_upstream - "-" 0 19 0 - "203.0.113.9" "curl/8.5.0" "2d4f" "other.example.net" "-" - - 10.0.0.4:8443 203.0.113.9:51412 shop.example.com -
    ```

    Source: Envoy, access log (`RESPONSE_FLAGS`).
    """  # noqa: E501 - lines of logs are shown whole
    grouped: dict[tuple[Workload, Meaning], list[FailedRequest]] = defaultdict(list)
    for each in failed_requests(mesh):
        grouped[each.workload, each.fact.meaning].append(each)
    for (workload, meaning), failed in grouped.items():
        hop, flags, reason = WORDS[meaning]
        last, hosts = failed[-1].fact, tuple(dict.fromkeys(each.host for each in failed))
        yield Finding(
            message=(
                f"{workload} answered {len(failed)} {'requests' if len(failed) > 1 else 'request'}"
                f" for {listing(hosts)} with {last.code or 503} ({flags}): {reason}."
            ),
            objects=(Place(workload.owner),),
            identity=Identity.of(workload.owner, meaning.value),
            hosts=frozenset(hosts),
            evidence=(Evidence.of_line(last.line),),
            fixes=(
                Fix(
                    title="Look at the backend at the time of the line",
                    commands=(kubectl("get", "endpointslices", "-A"),),
                    why="While pods are replaced a few such answers are ordinary.",
                ),
            ),
            severity=Severity.MEDIUM if meaning is Meaning.CLUSTER_NOT_FOUND else None,
            confidence=Confidence.OBSERVED,
            hop=hop,
        )
