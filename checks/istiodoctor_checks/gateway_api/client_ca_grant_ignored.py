"""GWAPI010."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.credential_references import Purpose
from istiodoctor.mesh.logs.istiod_bugs import mistaken_refusals
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.istio import TlsMode
from istiodoctor_checks.gateway_api._istiod_bugs import istiod_bug


@check(
    "GWAPI010",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"GWAPI017", "MTLS015", "SDS011"},
)
def client_ca_grant_ignored(mesh: Mesh) -> Iterator[Finding]:
    """A bug makes istiod refuse the client CA of a listener, though a ReferenceGrant admits it.

    A Gateway API listener with the option `gateway.istio.io/tls-terminate-mode: MUTUAL` asks for
    two Secrets: that of its certificateRef and the CA `<name>-cacert`. Releases without the fix
    apply the ReferenceGrant to the first one only and refuse the CA with `cross namespace secret
    reference requires ReferenceGrant`. Envoy waits for the CA and resets every connection.

    Fix: upgrade Istio, or keep the Secrets in the namespace of the Gateway until then.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-6d9-22f9n
      namespace: edge
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: edge}
    spec:
      gatewayClassName: istio
      listeners:
      - name: https
        hostname: shop.example.com
        port: 443
        protocol: HTTPS
        tls: {
          certificateRefs: [{name: shop-cert, namespace: shop}],
          options: {gateway.istio.io/tls-terminate-mode: MUTUAL}
        }
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
      ca.crt: authority Clients
    ---
    apiVersion: gateway.networking.k8s.io/v1beta1
    kind: ReferenceGrant
    metadata: {name: edge, namespace: shop}
    spec:
      from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: edge}]
      to: [{group: "", kind: Secret}]
    ```

    ```log bad istio-system/istiod-0/discovery
    2026-03-01T11:40:00.000000Z	warn	ads	proxy web-istio-6d9-22f9n.edge attempted to access unauthorized certificates shop-cert-cacert: cross namespace secret reference requires ReferenceGrant
    ```

    ```finding
    critical, observed: Gateway API Gateway edge/web spec.listeners[0].tls.certificateRefs[0]
    hosts: shop.example.com
    istiod refuses Secret shop/shop-cert-cacert to Gateway API Gateway edge/web listener 443
    (https), which may have it: it applies the grant to the certificate, and not to the client CA.
    Connections to shop.example.com are reset.
    ```

    A release with the fix says nothing of the kind:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-6d9-22f9n
      namespace: edge
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: edge}
    spec:
      gatewayClassName: istio
      listeners:
      - name: https
        hostname: shop.example.com
        port: 443
        protocol: HTTPS
        tls: {
          certificateRefs: [{name: shop-cert, namespace: shop}],
          options: {gateway.istio.io/tls-terminate-mode: MUTUAL}
        }
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
      ca.crt: authority Clients
    ---
    apiVersion: gateway.networking.k8s.io/v1beta1
    kind: ReferenceGrant
    metadata: {name: edge, namespace: shop}
    spec:
      from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: edge}]
      to: [{group: "", kind: Secret}]
    ```

    ```log good istio-system/istiod-0/discovery
    2026-03-01T11:40:00.000000Z	info	ads	ADS: new delta connection for node:web-istio-6d9-22f9n.edge-7
    ```

    Sources: istio/istio issue 55623 and pull request 55859.
    """  # noqa: E501 - lines of logs are shown whole
    for refusal in mistaken_refusals(mesh):
        if (
            refusal.reference.purpose is Purpose.CLIENT_CA
            and refusal.server.mode is TlsMode.MUTUAL
        ):
            yield istiod_bug(
                refusal, "it applies the grant to the certificate, and not to the client CA"
            )
