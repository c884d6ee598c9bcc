"""HTTP019."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, Risk
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.http_answers import Downgrade, downgrades
from istiodoctor.model.observation import Outcome
from istiodoctor_checks._wire import observed_evidence

HEED_THE_HEADER = Fix(
    title="Make the application go by X-Forwarded-Proto",
    risk=Risk.OUTSIDE_CLUSTER,
    why="Its own option for work behind a proxy, or the https:// address that it is known by.",
)


@check("HTTP019", severity=Severity.MEDIUM, explains={"HTTP009"})
def application_redirects_to_http(mesh: Mesh) -> Iterator[Finding]:
    """An application that is asked over HTTPS redirects to http:// of the same host.

    Seen on the wire: the answer came from behind the gateway, it bears
    `x-envoy-upstream-service-time`. The application builds its addresses from the scheme that it
    believes in, and believes in http: redirects after a login or to a path with a slash leave
    HTTPS, cookies lack Secure, OIDC redirect URIs are refused. Where the gateway redirects
    http:// to https://, the same redirect comes again: ERR_TOO_MANY_REDIRECTS.

    Where TLS ends in the gateway, it told the application https in `X-Forwarded-Proto`, and the
    application does not go by that. Where TLS ends before the gateway, the gateway told it http
    (HTTP008).

    Fix: make the application go by `X-Forwarded-Proto`, or tell it its address; where TLS ends
    before the gateway, `numTrustedProxies: 1`.

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

    ```http bad
    - host: shop.example.com
      server: shop/web/0
      outcome: left
      steps:
      - url: "https://shop.example.com/"
        status: 302
        location: "http://shop.example.com/login"
        from_upstream: true
    ```

    ```finding
    medium, observed: Gateway shop/web spec.servers[0]
    hosts: shop.example.com
    The application behind Gateway shop/web server 443 (https) redirects https://shop.example.com/
    to http://shop.example.com/login, though the gateway tells it https in X-Forwarded-Proto.
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

    ```http good
    - host: shop.example.com
      server: shop/web/0
      steps:
      - url: "https://shop.example.com/"
        status: 302
        location: "/login"
        from_upstream: true
      - {url: "https://shop.example.com/login", status: 200, from_upstream: true}
    ```

    Sources: istio.io, Configuring Gateway Network Topology; istio/istio issues 7964, 18300.
    """
    for each in downgrades(mesh):
        server, host = each.server, each.observation.target.host
        loops = each.observation.outcome is Outcome.LOOP
        yield Finding(
            message=_message(each),
            objects=(server.place,),
            identity=Identity.of(server.gateway, host),
            hosts=frozenset({host}),
            evidence=observed_evidence(each.observation.steps),
            fixes=(HEED_THE_HEADER,),
            severity=Severity.CRITICAL if loops else None,
            confidence=Confidence.OBSERVED,
            servers=frozenset({server.id}),
        )


def _message(each: Downgrade) -> str:
    step = each.step
    start = f"The application behind {each.server} redirects {step.url} to {step.location}"
    if each.observation.outcome is Outcome.LOOP:
        return f"{start}, from where the client is sent to https:// again: it goes in circles."
    if each.server.is_tls:
        return f"{start}, though the gateway tells it https in X-Forwarded-Proto."
    return f"{start}: it was told http, since TLS ends before the gateway."
