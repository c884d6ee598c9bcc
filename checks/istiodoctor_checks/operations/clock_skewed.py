"""OPS001."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.http_answers import differing_clocks
from istiodoctor_checks.wire import observed_evidence


@check("OPS001", severity=Severity.HIGH)
def clock_skewed(mesh: Mesh) -> Iterator[Finding]:
    """The clock of a gateway's node differs from that of this machine.

    The Date of an answer is minutes away from the time at which it came. On a node whose clock
    is behind, new certificates are not valid yet, and istiod's are not either: the gateway loses
    its connection. On one that is ahead, they expire too early.

    One of the two clocks is wrong: compare both with a third before anything is changed.

    Fix: time synchronisation on that node, or on this machine.

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
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
        tls: {httpsRedirect: true}
    ```

    ```http bad
    - host: shop.example.com
      server: shop/web/0
      steps: [{url: "http://shop.example.com/", status: 301, date: 2026-03-01T11:20:00Z}]
    ```

    A few seconds are no difference:

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
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
        tls: {httpsRedirect: true}
    ```

    ```http good
    - host: shop.example.com
      server: shop/web/0
      steps: [{url: "http://shop.example.com/", status: 301, date: 2026-03-01T11:59:53Z}]
    ```

    Sources: Kubernetes, Operating etcd clusters; RFC 9110 section 6.6.1.
    """
    for server, answers in differing_clocks(mesh).items():
        step, difference = answers[0]
        minutes = round(difference.total_seconds() / 60)
        where = "ahead of" if minutes > 0 else "behind"
        yield Finding(
            message=(
                f"The Date that {server} answers with is {abs(minutes)} minutes {where} the clock"
                " of this machine. Certificates are judged by a wrong time on one of the two."
            ),
            objects=(server.place,),
            identity=Identity.of(server.gateway),
            hosts=frozenset(server.names),
            evidence=observed_evidence((step,)),
            confidence=Confidence.OBSERVED,
            servers=frozenset({server.id}),
        )
