"""SDS011."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import container, kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import uses_by_secret
from istiodoctor.mesh.credentials.secret_lookup import servers_using
from istiodoctor.mesh.logs.delivery import DeliveryFailure, delivery_failures
from istiodoctor.mesh.logs.meaning import Meaning
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.kind import CORE
from istiodoctor.model.ref import Place, Ref

PHRASES = {
    Meaning.CREDENTIAL_FETCH_FAILED: "istiod could not fetch it",
    Meaning.CA_FETCH_FAILED: "istiod found no client CA there",
    Meaning.UNAUTHORIZED_CREDENTIAL: "the gateway's ServiceAccount may not list Secrets",
    Meaning.CROSS_NAMESPACE_CREDENTIAL: "the reference leads to another namespace",
    Meaning.ACCESS_REVIEW_FAILED: "istiod could not ask whether the gateway may read it",
    Meaning.LEGACY_SECRET_NOT_FOUND: "the gateway's own agent did not find it",
    Meaning.LEGACY_SECRET_EMPTY: "the gateway's own agent found it empty",
}
UNKNOWN = "the reason is in the line"
LONGEST_REASON = 200


@check(
    "SDS011",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"MTLS015", "SDS014", "SNI011"},
)
def fetch_failure_unexplained(mesh: Mesh) -> Iterator[Finding]:
    """A log says that a Secret was not delivered to a gateway, and no object explains it.

    istiod writes a line when it cannot give a gateway the Secret that it asks for: the Secret is
    missing, has the wrong keys, or the gateway may not have it. Envoy then has no certificate and
    resets every connection. Where the objects show why, that problem is reported and this one
    stands under it; alone, it says that the objects which could be read do not explain the line.

    The line stays in the log after the trouble is over. A Secret that was made or changed after
    it counts as recovered; where all looks right now, the finding is of medium severity.

    Fix: see whether istiod still says so; a ServiceAccount's rights are asked for again only when
    the gateway asks for the Secret again.

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

    ```log bad istio-system/istiod-0/discovery
    2026-03-01T11:40:00.000000Z	warn	ads	failed to fetch key and certificate for kubernetes://shop-cert: secret istio-system/shop-cert not found
    ```

    ```finding
    critical, observed: Secret istio-system/shop-cert
    hosts: shop.example.com
    The log of Pod istio-system/istiod-0 says that Secret istio-system/shop-cert was not delivered:
    istiod could not fetch it (secret istio-system/shop-cert not found).
    ```

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
    metadata: {name: shop-cert, namespace: istio-system, creationTimestamp: "2026-03-01T11:00:00Z"}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```log bad istio-system/istiod-0/discovery
    2026-03-01T11:40:00.000000Z	warn	ads	proxy gateway.istio-system attempted to access unauthorized certificates shop-cert: default/istio-system is not authorized to read secrets:
    ```

    ```finding
    critical, observed: Secret istio-system/shop-cert
    hosts: shop.example.com
    The log of Pod istio-system/istiod-0 says that Secret istio-system/shop-cert was not delivered:
    the gateway's ServiceAccount may not list Secrets.
    ```

    The Secret was made after the line, and istiod pushed it by itself:

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
    metadata: {name: shop-cert, namespace: istio-system, creationTimestamp: "2026-03-01T11:45:00Z"}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```log good istio-system/istiod-0/discovery
    2026-03-01T11:40:00.000000Z	warn	ads	failed to fetch key and certificate for kubernetes://shop-cert: secret istio-system/shop-cert not found
    ```

    The Secret was repaired after the line:

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
    metadata: {name: shop-cert, namespace: istio-system, creationTimestamp: "2026-03-01T08:00:00Z"}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```log good istio-system/istiod-0/discovery
    2026-03-01T11:40:00.000000Z	warn	ads	failed to fetch key and certificate for kubernetes://shop-cert: found secret, but didn't have expected keys (cert and key) or (tls.crt and tls.key); found: a.crt, a.key
    2026-03-01T11:41:00.000000Z	info	ads	Push debounce stable[12] 1 for config Secret/istio-system/shop-cert: 100ms since last change, 100ms since last push, full=false
    ```

    Sources: istio.io, Secure Gateways, Troubleshooting; istio/istio issues 19097, 43891, 18061.
    """  # noqa: E501 - lines of logs are shown whole
    uses = uses_by_secret(mesh)
    for failure in delivery_failures(mesh):
        key = (failure.namespace, failure.name)
        secret = Ref(CORE, "Secret", *key)
        servers = servers_using(mesh, *key)
        looks_right = bool(uses.get(key)) and all(
            use.credential and use.credential.pair and use.permission.allowed
            for use in uses.get(key, ())
        )
        yield Finding(
            message=_message(failure, secret, looks_right=looks_right),
            objects=(
                Place(secret),
                *(server.place for server in servers),
                Place(failure.last.line.pod),
            ),
            identity=Identity.of(secret),
            hosts=frozenset(name for server in servers for name in server.names),
            evidence=(Evidence.of_line(failure.last.line),),
            fixes=(_look_again(failure),),
            severity=_severity(is_used=bool(servers), looks_right=looks_right),
            confidence=Confidence.OBSERVED,
            credentials=frozenset({key}),
            servers=frozenset(server.id for server in servers),
        )


def _message(failure: DeliveryFailure, secret: Ref, *, looks_right: bool) -> str:
    said = failure.last.reason[:LONGEST_REASON]
    reason = f" ({said})" if said else ""
    text = (
        f"The log of {failure.last.line.pod} says that {secret} was not delivered:"
        f" {PHRASES.get(failure.last.meaning, UNKNOWN)}{reason}."
    )
    if looks_right:
        text += " The Secret and the rights to it look right now, so it may be over."
    return text


def _severity(*, is_used: bool, looks_right: bool) -> Severity:
    if not is_used:
        return Severity.LOW
    return Severity.MEDIUM if looks_right else Severity.CRITICAL


def _look_again(failure: DeliveryFailure) -> Fix:
    line = failure.last.line
    return Fix(
        title="See whether istiod still says so",
        commands=(kubectl("logs", line.pod, container(line.container), "--since=5m"),),
    )
