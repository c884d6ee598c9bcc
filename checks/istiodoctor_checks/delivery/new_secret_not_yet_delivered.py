"""SDS001."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.secret_lookup import servers_using
from istiodoctor.mesh.logs.delivery import settling_failures
from istiodoctor.model.kind import CORE
from istiodoctor.model.ref import Place, Ref

NOT_FOUND = "not found"


@check("SDS001", severity=Severity.LOW, explains={"SDS014", "SNI011"})
def new_secret_not_yet_delivered(mesh: Mesh) -> Iterator[Finding]:
    """A Secret that was missing has just been made, and may not have reached the gateway yet.

    istiod watches Secrets and pushes a new one to the gateways by itself, within seconds; no
    restart is needed. A line of its log that says the Secret is missing is older than the Secret,
    or as good as.

    Fix: wait, and look again in two minutes.

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
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system, creationTimestamp: "2026-03-01T11:59:30Z"}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```log bad istio-system/istiod-0/discovery
    2026-03-01T11:59:00.000000Z	warn	ads	failed to fetch key and certificate for kubernetes://shop-cert: secret istio-system/shop-cert not found
    ```

    ```finding
    low, observed: Secret istio-system/shop-cert
    hosts: shop.example.com
    Secret istio-system/shop-cert was made less than two minutes before this scan; the log of Pod
    istio-system/istiod-0 says that it could not be delivered just before. istiod pushes it by
    itself.
    ```

    Two minutes later the same log is history:

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
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system, creationTimestamp: "2026-03-01T11:50:00Z"}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```log good istio-system/istiod-0/discovery
    2026-03-01T11:49:00.000000Z	warn	ads	failed to fetch key and certificate for kubernetes://shop-cert: secret istio-system/shop-cert not found
    ```

    Sources: istio/istio issues 14739, 18061.
    """  # noqa: E501 - lines of logs are shown whole
    for failure in settling_failures(mesh):
        if failure.last.reason and NOT_FOUND not in failure.last.reason:
            continue  # it came, and istiod could not use it: time mends nothing
        secret = Ref(CORE, "Secret", failure.namespace, failure.name)
        servers = servers_using(mesh, failure.namespace, failure.name)
        yield Finding(
            message=(
                f"{secret} was made less than two minutes before this scan; the log of"
                f" {failure.last.line.pod} says that it could not be delivered just before. istiod"
                f" pushes it by itself."
            ),
            objects=(Place(secret), *(server.place for server in servers)),
            identity=Identity.of(secret),
            hosts=frozenset(name for server in servers for name in server.names),
            evidence=(Evidence.of_line(failure.last.line),),
            fixes=(Fix(title="Wait two minutes and scan again"),),
            confidence=Confidence.OBSERVED,
            credentials=frozenset({(failure.namespace, failure.name)}),
            servers=frozenset(server.id for server in servers),
        )
