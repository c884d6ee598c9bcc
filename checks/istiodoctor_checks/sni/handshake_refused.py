"""SNI011."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import uses_of_server
from istiodoctor.mesh.observations.endpoints import RefusedHandshake, refused_handshakes
from istiodoctor.model.ref import Place
from istiodoctor_checks._wire import observed_evidence


@check("SNI011", severity=Severity.CRITICAL)
def handshake_refused(mesh: Mesh) -> Iterator[Finding]:
    """A gateway pod refuses TLS for a host that it is configured for.

    Seen on the wire: a ready pod was asked for the host by its name, and closed the connection,
    answered with an alert, did not listen or did not speak TLS. Clients see `connection reset by
    peer`, SSL_ERROR_SYSCALL or ERR_CONNECTION_CLOSED.

    Mostly Envoy waits for a Secret that does not come (CRED001, CRED002, CRED011), was sent a
    certificate that it cannot load (CERT007 to CERT013), or has not taken a new configuration
    (SDS004, SDS010). Behind a PASSTHROUGH server the backend may be the one who refuses.

    A server that asks for client certificates and turns away a client without one is not meant
    (MTLS001).

    Fix: that of the cause in the report; where there is none, the log of the pod says more.

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
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```tls bad
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      outcome: reset
    ```

    ```finding
    critical, observed: Gateway shop/web spec.servers[0]
    hosts: shop.example.com
    Pod istio-system/gateway port 443 refuses TLS for shop.example.com, which Gateway shop/web
    server 443 (https) is configured for: the connection was closed without a word.
    ```

    A server that asks for client certificates refuses those without one, by design:

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
        tls: {mode: MUTUAL, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```tls good
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      outcome: alert
      alert: certificate required
      asks_for_certificate: true
      chain: certificate for shop.example.com
    ```

    Sources: istio.io, Traffic Management Problems; istio/istio issues 27740, 33020.
    """
    for refused in refused_handshakes(mesh):
        first = refused.handshakes[0]
        yield Finding(
            message=(
                f"{first.target.access_point} refuses TLS for {refused.host}, which"
                f" {refused.server} is configured for: {first.ending}.{_elsewhere(refused)}"
            ),
            objects=(
                refused.server.place,
                *(
                    Place(each.target.access_point.pod)
                    for each in refused.handshakes
                    if each.target.access_point.pod
                ),
            ),
            identity=Identity.of(refused.server.gateway, refused.host),
            hosts=frozenset({refused.host}),
            evidence=observed_evidence(refused.handshakes),
            severity=Severity.HIGH if refused.elsewhere else None,
            confidence=Confidence.OBSERVED,
            credentials=frozenset(each.key for each in uses_of_server(mesh, refused.server)),
            servers=frozenset({refused.server.id}),
        )


def _elsewhere(refused: RefusedHandshake) -> str:
    others = len({each.target.access_point for each in refused.elsewhere})
    if others > 1:
        return f" {others} other pods of it agree to TLS."
    return " Another pod of it agrees to TLS." if others else ""
