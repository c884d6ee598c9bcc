"""SNI001."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.logs.clients import connections_without_name
from istiodoctor.model.ref import Place


@check("SNI001", severity=Severity.LOW)
def sni_absent(mesh: Mesh) -> Iterator[Finding]:
    """Clients came without a server name (SNI) and were reset.

    The gateway chooses a server by the name in the ClientHello. Where no server takes every host,
    a client without a name finds none: `curl https://ADDRESS -H 'Host: …'`, health checks, very
    old clients and proxies that do not pass the name on all look like this. It is mostly the
    client, not the gateway, that is to be changed. That a probe without a name is reset is how
    every such gateway behaves, and said only where a proxy is known to send none (SNI013).

    Fix: `curl --resolve shop.example.com:443:ADDRESS https://shop.example.com`; proxies have a
    setting for it (nginx: `proxy_ssl_server_name on`).

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
    [2026-03-01T11:58:00.000Z] "- - -" 0 NR filter_chain_not_found - "-" 0 0 0 - "-" "-" "-" "-" "-" - - 10.0.0.9:8443 10.0.0.1:51000 - -
    ```

    ```finding
    low, observed: Pod istio-system/gateway
    1 connections to Pod istio-system/gateway in the log came without a server name (SNI) and were
    reset: no server there takes every host.
    ```

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
    [2026-03-01T11:58:00.000Z] "- - -" 0 NR filter_chain_not_found - "-" 0 0 0 - "-" "-" "-" "-" "-" - - 10.0.0.9:8443 10.0.0.1:51000 other.example.com -
    ```

    Sources: istio.io, Network Problems (Configuring SNI routing when not sending SNI); istio/istio
    issues 31423, 6071, 41380.
    """  # noqa: E501 - a line of a log is one line
    for unnamed in connections_without_name(mesh):
        last = unnamed.facts[-1].line
        yield Finding(
            message=(
                f"{len(unnamed.facts)} connections to {unnamed.workload} in the log came without"
                f" a server name (SNI) and were reset: no server there takes every host."
            ),
            objects=(Place(unnamed.workload.owner),),
            identity=Identity.of(unnamed.workload.owner),
            evidence=(Evidence.of_line(last),),
            fixes=(
                Fix(
                    title="Let the client send the host as server name",
                    why=(
                        "curl --resolve HOST:443:ADDRESS https://HOST does; a server for the"
                        " host * would take clients without a name."
                    ),
                ),
            ),
            confidence=Confidence.OBSERVED,
        )
