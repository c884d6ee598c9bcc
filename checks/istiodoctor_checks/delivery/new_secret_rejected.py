"""SDS003."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import (
    Confidence,
    Evidence,
    Finding,
    Fix,
    Identity,
    Severity,
)
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.secret_lookup import servers_using
from istiodoctor.mesh.logs.proxy_logs import Rejection, secret_rejections
from istiodoctor.model.ref import Place
from istiodoctor_checks.fixes import replace_tls_secret
from istiodoctor_checks.text import listing


@check(
    "SDS003",
    severity=Severity.HIGH,
    explains={"CERT018", "MTLS015", "MTLS016", "SDS002", "SDS008", "SDS013", "SDS014", "SNI011"},
)
def new_secret_rejected(mesh: Mesh) -> Iterator[Finding]:
    """Envoy refused a Secret that istiod sent, and serves the one before it or none.

    istiod does not look at a certificate closely: it sends it, and Envoy refuses what it cannot
    load. Where Envoy has an older version of the Secret it goes on serving that, so nothing is
    noticed until the old certificate expires or the pod restarts. A pod that has just started has
    none.

    The line in the log names no Secret. Where exactly one Secret of the gateway cannot be loaded,
    that is the one.

    Fix: repair the Secret **before** any gateway pod restarts.

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
      tls.key: key of other.example.com
    ```

    ```log bad istio-system/gateway/istio-proxy
    2026-03-01T11:40:00.000000Z	warning	envoy config external/envoy/source/extensions/config_subscription/grpc/grpc_subscription_impl.cc:138	gRPC config for type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret rejected: Failed to load private key from <inline>, Cause: error:0b000074:X.509 certificate routines:OPENSSL_internal:KEY_VALUES_MISMATCH
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
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```log bad istio-system/istiod-0/discovery
    2026-03-01T11:40:00.000000Z	warn	delta	ADS:SDS: ACK ERROR gateway.istio-system-7 Internal:Failed to load private key from <inline>, Cause: error:0b000074:X.509 certificate routines:OPENSSL_internal:KEY_VALUES_MISMATCH
    ```

    The certificate of the mesh itself is no `credentialName`; that it was issued says nothing
    here:

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
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```log good istio-system/gateway/istio-proxy
    2026-03-01T11:40:00.000000Z	info	cache	generated new workload certificate	resourceName=default latency=1s ttl=24h
    ```

    Sources: istio/istio issues 45324, 53497, 47268.
    """  # noqa: E501 - lines of logs are shown whole
    for rejection in secret_rejections(mesh):
        refused = [credential for credential, _ in rejection.refused]
        servers = [
            server for each in refused for server in servers_using(mesh, each.namespace, each.name)
        ]
        yield Finding(
            message=_message(rejection),
            objects=(
                *(Place(each.ref, "/data") for each in refused),
                Place(rejection.workload.owner),
                *(server.place for server in servers),
            ),
            identity=Identity.of(
                rejection.workload.owner, refused[0].ref.path if len(refused) == 1 else ""
            ),
            hosts=frozenset(name for server in servers for name in server.names),
            evidence=(
                Evidence.of_line(rejection.last.line),
                *(Evidence(text=why, ref=each.ref) for each, why in rejection.refused),
            ),
            fixes=tuple(_fixes(rejection)),
            severity=_severity(rejection),
            confidence=Confidence.OBSERVED,
            credentials=frozenset((each.namespace, each.name) for each in refused),
            servers=frozenset(server.id for server in servers),
        )


def _message(rejection: Rejection) -> str:
    workload = rejection.workload
    text = f"Envoy in {workload} refused a Secret: {rejection.last.reason}."
    match rejection.refused:
        case ():
            text += (
                " No Secret of its servers that could be read explains it; it may have been"
                " repaired since. If not:"
            )
        case ((credential, why),):
            text += f" It is {credential.ref}: {why}."
        case several:
            text += f" It is one of {listing(credential.ref for credential, _ in several)}."
    if rejection.at_start:
        return text + " The pod had just started, so it had no older certificate to serve."
    return text + " An older one is served until the pod restarts."


def _severity(rejection: Rejection) -> Severity:
    if rejection.refused and rejection.at_start:
        return Severity.CRITICAL
    return Severity.HIGH if rejection.refused or rejection.at_start else Severity.MEDIUM


def _fixes(rejection: Rejection) -> Iterator[Fix]:
    for credential, _ in rejection.refused:
        yield replace_tls_secret(
            credential, f"Repair {credential.ref} before {rejection.workload} restarts"
        )
