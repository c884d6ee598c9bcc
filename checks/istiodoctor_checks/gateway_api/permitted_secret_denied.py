"""GWAPI012."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.credential_references import Purpose
from istiodoctor.mesh.logs.istiod_bugs import mistaken_refusals
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor_checks.gateway_api._istiod_bugs import is_of_set, istiod_bug


@check(
    "GWAPI012",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"GWAPI017", "SDS011", "SDS014"},
)
def permitted_secret_denied(mesh: Mesh) -> Iterator[Finding]:
    """A bug makes istiod refuse a Secret that the listener may use.

    `cross namespace secret reference requires ReferenceGrant` is what istiod says of any Secret
    that it does not find among those verified for the proxy. Where the Secret is beside the
    Gateway, or a ReferenceGrant admits it, the objects are right, and istiod is not: releases
    around 1.28 and 1.29 lost verified Secrets while they merged listeners. Envoy waits for the
    Secret and resets every connection.

    Fix: upgrade Istio to a release with the fix; restarting istiod may help until it happens
    again.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-6d9-22f9n
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners:
      - name: https
        hostname: shop.example.com
        port: 443
        protocol: HTTPS
        tls: {certificateRefs: [{name: shop-cert}]}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```log bad istio-system/istiod-0/discovery
    2026-03-01T11:40:00.000000Z	warn	ads	proxy web-istio-6d9-22f9n.shop attempted to access unauthorized certificates shop-cert: cross namespace secret reference requires ReferenceGrant
    ```

    ```finding
    critical, observed: Gateway API Gateway shop/web spec.listeners[0].tls.certificateRefs[0]
    hosts: shop.example.com
    istiod refuses Secret shop/shop-cert to Gateway API Gateway shop/web listener 443 (https),
    which may have it: it lost it while it merged listeners. Connections to shop.example.com are
    reset.
    ```

    Without a grant the refusal is right, and another check says so:

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
        tls: {certificateRefs: [{name: shop-cert, namespace: shop}]}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```log good istio-system/istiod-0/discovery
    2026-03-01T11:40:00.000000Z	warn	ads	proxy web-istio-6d9-22f9n.edge attempted to access unauthorized certificates shop-cert: cross namespace secret reference requires ReferenceGrant
    ```

    Sources: istio/istio issue 59251 and pull request 58878.
    """  # noqa: E501 - lines of logs are shown whole
    for refusal in mistaken_refusals(mesh):
        if refusal.reference.purpose is Purpose.SERVER and not is_of_set(refusal):
            yield istiod_bug(refusal, "it lost it while it merged listeners")
