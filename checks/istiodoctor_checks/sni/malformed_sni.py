"""SNI010."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, Risk
from istiodoctor.mesh import Mesh
from istiodoctor.model.ref import Place
from istiodoctor_checks.sni._malformed_snis import malformed_snis


@check("SNI010", severity=Severity.LOW)
def malformed_sni(mesh: Mesh) -> Iterator[Finding]:
    """Clients send a malformed SNI, with a port or a trailing dot, and are reset.

    A server name is the host alone (RFC 6066). `shop.example.com:443` and `shop.example.com.` are
    other names to Envoy, and no server has them. It is mostly a proxy in front that passes on the
    Host header as it came, port and all. Capitals make no difference.

    Fix: the proxy's setting for the name (nginx: `proxy_ssl_name $host`, which has no port).

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
    ```

    ```log bad istio-system/gateway/istio-proxy
    [2026-03-01T11:58:00.000Z] "- - -" 0 NR filter_chain_not_found - "-" 0 0 0 - "-" "-" "-" "-" "-" - - 10.0.0.9:8443 10.0.0.1:51000 invalid:shop.example.com_443 -
    ```

    ```finding
    low, observed: Pod istio-system/gateway
    hosts: shop.example.com
    1 connections to Pod istio-system/gateway in the log asked for shop.example.com with a port or
    a dot in the server name (SNI), and were reset.
    ```

    A name that no server would take either way is somebody else's:

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
    ```

    ```log good istio-system/gateway/istio-proxy
    [2026-03-01T11:58:00.000Z] "- - -" 0 NR filter_chain_not_found - "-" 0 0 0 - "-" "-" "-" "-" "-" - - 10.0.0.9:8443 10.0.0.1:51000 invalid:other.example.com_443 -
    ```

    Sources: RFC 6066 section 3; nginx.org, proxy_ssl_name.
    """  # noqa: E501 - a line of a log is one line
    for malformed in malformed_snis(mesh):
        last = malformed.facts[-1].line
        yield Finding(
            message=(
                f"{len(malformed.facts)} connections to {malformed.workload} in the log asked for"
                f" {malformed.host} with a port or a dot in the server name (SNI), and were reset."
            ),
            objects=(Place(malformed.workload.owner),),
            identity=Identity.of(malformed.workload.owner, malformed.host),
            hosts=frozenset({malformed.host}),
            evidence=(Evidence.of_line(last),),
            fixes=(
                Fix(
                    title="Let the proxy send the host alone as server name",
                    risk=Risk.OUTSIDE_CLUSTER,
                    why="nginx: proxy_ssl_server_name on; proxy_ssl_name $host;",
                ),
            ),
            confidence=Confidence.OBSERVED,
        )
