"""DR011."""

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
from istiodoctor.mesh.logs.upstream_failures import FailedBackend, failed_handshakes
from istiodoctor_checks.fixes import get
from istiodoctor_checks.text import listing

REASONS = {
    "WRONG_VERSION_NUMBER": "the backend answers in plain text, not in TLS",
    "not_supplied_by_SDS": "the gateway waits for the Secret of its TLS settings",
    "not supplied by SDS": "the gateway waits for the Secret of its TLS settings",
    "UNRECOGNIZED_NAME": "the backend does not know the name it is asked for (SNI)",
    "HANDSHAKE_FAILURE": "the backend refuses, often for want of an SNI or a client certificate",
    "CERTIFICATE_REQUIRED": "the backend wants a client certificate",
    "UNKNOWN_CA": "the backend does not know who signed the gateway's client certificate",
}


@check("DR011", severity=Severity.HIGH, explains={"HTTP015"})
def backend_handshake_failed(mesh: Mesh) -> Iterator[Finding]:
    """TLS between the gateway and a backend fails.

    The access log has 503 (`UF`) with `TLS_error:` and a reason: `WRONG_VERSION_NUMBER` from a
    backend that speaks no TLS, `Secret is not supplied by SDS` while a Secret is missing,
    `HANDSHAKE_FAILURE` where the backend wants an SNI or a client certificate. Where the objects
    explain it, this is shown as a symptom of that.

    Fix: make the DestinationRule's `tls` fit what the backend's port speaks.

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
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: https, port: 443, targetPort: 8443}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: shop, trafficPolicy: {tls: {mode: SIMPLE}}}
    ```

    ```log bad istio-system/gateway/istio-proxy
    [2026-03-01T11:40:00.000Z] "GET / HTTP/2" 503 UF upstream_reset_before_response_started{connection_failure,TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER} - "TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER" 0 152 45 - "203.0.113.9" "curl/8.5.0" "2d4f" "shop.example.com" "10.0.0.7:8443" outbound|443||shop.shop.svc.cluster.local - 10.0.0.4:8443 203.0.113.9:51412 shop.example.com -
    ```

    A certificate that is refused is not this but backend-certificate-refused:

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
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: https, port: 443, targetPort: 8443}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: shop, trafficPolicy: {tls: {mode: SIMPLE, caCertificates: system, subjectAltNames: [shop.example.com]}}}
    ```

    ```log good istio-system/gateway/istio-proxy
    [2026-03-01T11:40:00.000Z] "GET / HTTP/2" 503 UF upstream_reset_before_response_started{connection_failure,TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_verify_SAN_list} - "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_verify_SAN_list" 0 152 45 - "203.0.113.9" "curl/8.5.0" "2d4f" "shop.example.com" "10.0.0.7:8443" outbound|443||shop.shop.svc.cluster.local - 10.0.0.4:8443 203.0.113.9:51412 shop.example.com -
    ```

    Sources: istio.io, Network Problems, DestinationRule (ClientTLSSettings); istio/istio issues
    25062, 35870, 48764; envoyproxy/envoy issue 15584.
    """  # noqa: E501 - lines of logs are shown whole
    for failed in failed_handshakes(mesh):
        last = failed.facts[-1]
        yield Finding(
            message=(
                f"TLS from {failed.workload} to {failed.fqdn} fails: {_reason(failed)}. Requests"
                f" for {listing(failed.hosts) or 'it'} get 503."
            ),
            objects=failed.places,
            identity=Identity.of(failed.places[0].ref, failed.fqdn),
            hosts=frozenset(failed.hosts),
            evidence=(Evidence.of_line(last.line),),
            fixes=(
                Fix(
                    title="Make the client TLS settings fit what the backend speaks",
                    commands=(get(failed.places[0].ref),),
                    why="DISABLE for plain text, SIMPLE for TLS, MUTUAL to present a certificate.",
                ),
            ),
            confidence=Confidence.OBSERVED,
        )


def _reason(failed: FailedBackend) -> str:
    said = failed.facts[-1].reason
    return next((words for text, words in REASONS.items() if text in said), said)
