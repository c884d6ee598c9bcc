"""DR006."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import host_after, istioctl, kubectl, proxy
from istiodoctor.finding import (
    Confidence,
    Evidence,
    Finding,
    Fix,
    Identity,
    Severity,
)
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.logs.upstream_failures import FailedBackend, refused_certificates
from istiodoctor_checks.text import listing


@check("DR006", severity=Severity.CRITICAL, explains={"HTTP015"})
def backend_certificate_refused(mesh: Mesh) -> Iterator[Finding]:
    """The gateway does not accept the certificate of a backend.

    The access log has 503 with `TLS_error: … CERTIFICATE_VERIFY_FAILED`. With `tls.mode` SIMPLE or
    MUTUAL, Envoy checks the backend's certificate against `caCertificates`, or the CA in the
    Secret of `credentialName`, and its names against `subjectAltNames`. Where a DestinationRule
    says nothing, Istio takes any certificate up to 1.20 and verifies with the CAs of the operating
    system from 1.21 on: a private certificate that worked before is refused after the upgrade.

    Fix: name the CA that signed the backend's certificate, and a name that is in it. Not
    verifying at all (`insecureSkipVerify`) lets anything in the way read along.

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
    [2026-03-01T11:40:00.000Z] "GET / HTTP/2" 503 UF upstream_reset_before_response_started{connection_failure,TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_verify_SAN_list} - "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_verify_SAN_list" 0 152 45 - "203.0.113.9" "curl/8.5.0" "2d4f" "shop.example.com" "10.0.0.7:8443" outbound|443||shop.shop.svc.cluster.local - 10.0.0.4:8443 203.0.113.9:51412 shop.example.com -
    ```

    A handshake that fails for another reason is not this:

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
    [2026-03-01T11:40:00.000Z] "GET / HTTP/2" 503 UF upstream_reset_before_response_started{connection_failure,TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER} - "TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER" 0 152 45 - "203.0.113.9" "curl/8.5.0" "2d4f" "shop.example.com" "10.0.0.7:8443" outbound|443||shop.shop.svc.cluster.local - 10.0.0.4:8443 203.0.113.9:51412 shop.example.com -
    ```

    Sources: istio.io, DestinationRule (ClientTLSSettings), Istio 1.21 Upgrade Notes,
    NoServerCertificateVerificationDestinationLevel (IST0128); istio/istio issue 42790.
    """  # noqa: E501 - lines of logs are shown whole
    for refused in refused_certificates(mesh):
        last = refused.facts[-1]
        yield Finding(
            message=(
                f"{refused.workload} refuses the certificate of {refused.fqdn}"
                f"{_settings(refused)}: requests for {listing(refused.hosts) or 'it'} get 503"
                f" (CERTIFICATE_VERIFY_FAILED)."
            ),
            objects=refused.places,
            identity=Identity.of(refused.places[0].ref, refused.fqdn),
            hosts=frozenset(refused.hosts),
            evidence=(Evidence.of_line(last.line),),
            fixes=(_fix(refused),),
            confidence=Confidence.OBSERVED,
        )


def _settings(refused: FailedBackend) -> str:
    for each in refused.upstreams:
        if each.place and each.tls:
            ca = each.tls.ca_certificates or each.tls.credential_name
            against = f" against {ca}" if ca else ", which names no CA"
            return f", checked as {each.place.ref} says{against}"
    return ""


def _fix(refused: FailedBackend) -> Fix:
    target = next((each.ref for each in refused.workload.pods), refused.workload.owner)
    which = host_after("--fqdn", refused.fqdn)
    return Fix(
        title="Name the CA of the backend's certificate and a name that is in it",
        commands=(istioctl("proxy-config", "cluster", proxy(target), which, "-o", "json"),),
        verify=kubectl("logs", target, "--since=5m"),
        why=(
            "Put the CA as ca.crt into a Secret beside the gateway pods and name it in"
            " tls.credentialName of the DestinationRule; tls.subjectAltNames names what the"
            " certificate has."
        ),
    )
