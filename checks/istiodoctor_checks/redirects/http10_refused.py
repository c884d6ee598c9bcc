"""HTTP013."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import (
    Confidence,
    Evidence,
    Finding,
    Fix,
    Identity,
    Risk,
    Severity,
)
from istiodoctor.mesh import Mesh
from istiodoctor.model.ref import Place
from istiodoctor_checks.redirects._http10 import ObsoleteHttp, obsolete_proxies, obsolete_requests
from istiodoctor_checks.text import listing

SHOWN = 3


@check("HTTP013", severity=Severity.HIGH, explains={"HTTP016"})
def http10_refused(mesh: Mesh) -> Iterator[Finding]:
    """Something before the gateway speaks HTTP/1.0, which Envoy refuses with 426.

    Envoy does not accept HTTP/1.0 and answers "426 Upgrade Required"; its access log says
    `low_version`. It is nearly always nginx, which speaks HTTP/1.0 to what it proxies unless told
    otherwise.

    Scanners and the health checks of old load balancers speak HTTP/1.0 too. So requests for hosts
    that the gateway does not name count for little.

    Fix: `proxy_http_version 1.1;` in nginx.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ```

    ```log bad istio-system/gateway/istio-proxy
    [2026-03-01T11:59:00.000Z] "GET / HTTP/1.0" 426 - low_version - "-" 0 0 0 -
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ```

    ```log good istio-system/gateway/istio-proxy
    [2026-03-01T11:59:00.000Z] "GET / HTTP/1.1" 200 - via_upstream - "-" 0 0 0 -
    ```

    Sources: istio.io, Traffic Management Problems (Envoy will not connect to my HTTP/1.0
    service).
    """
    for each in (*obsolete_requests(mesh), *obsolete_proxies(mesh)):
        yield Finding(
            message=_message(each),
            objects=(Place(each.owner),),
            identity=Identity.of(each.owner, each.hosts[0] if each.hosts else ""),
            hosts=frozenset(each.hosts if each.is_served else ()),
            evidence=tuple(Evidence.of_line(fact.line) for fact in each.facts[-SHOWN:]),
            fixes=(
                Fix(
                    title="Make the proxy before the gateway speak HTTP/1.1",
                    risk=Risk.OUTSIDE_CLUSTER,
                    why="In nginx: proxy_http_version 1.1; in the location that proxies.",
                ),
            ),
            severity=_severity(each),
            confidence=Confidence.OBSERVED if each.facts else Confidence.CERTAIN,
        )


def _severity(each: ObsoleteHttp) -> Severity:
    """Rate requests for hosts that nobody serves as what they are: scanners, health checks."""
    if not each.is_served:
        return Severity.LOW
    return Severity.HIGH if each.facts else Severity.CRITICAL


def _message(each: ObsoleteHttp) -> str:
    hosts = listing(each.hosts) or "no host"
    if not each.facts:
        return (
            f"The proxy before {each.owner} speaks HTTP/1.0 by the configuration: Envoy refuses"
            f" its requests for {hosts} with 426."
        )
    return (
        f"{each.owner} refused {len(each.facts)} of the requests for {hosts} with 426: they came"
        " in HTTP/1.0, which nginx speaks unless told otherwise."
    )
