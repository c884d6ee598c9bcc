"""GWAPI009."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.credential_references import Purpose
from istiodoctor.mesh.logs.istiod_bugs import mistaken_refusals
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor_checks.gateway_api._istiod_bugs import is_of_set, istiod_bug


@check(
    "GWAPI009",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"GWAPI017", "SDS011", "SDS014"},
)
def listener_set_secret_denied(mesh: Mesh) -> Iterator[Finding]:
    """A bug makes istiod refuse the Secret of a ListenerSet in its own namespace.

    Releases without the fix do not count the listeners of a ListenerSet among those that may
    have their Secret. istiod logs `cross namespace secret reference requires ReferenceGrant`,
    even where Gateway, ListenerSet and Secret share a namespace; a ReferenceGrant does not help.
    Envoy waits for the Secret (`istioctl proxy-config secret` shows WARMING) and resets every
    connection.

    Fix: upgrade Istio, or write the listener into the Gateway itself until then.

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
      allowedListeners: {namespaces: {from: All}}
      listeners: [{name: http, port: 80, protocol: HTTP}]
    ---
    apiVersion: gateway.networking.x-k8s.io/v1alpha1
    kind: XListenerSet
    metadata: {name: shop, namespace: edge}
    spec:
      parentRef: {name: web}
      listeners:
      - name: https
        hostname: shop.example.com
        port: 443
        protocol: HTTPS
        tls: {certificateRefs: [{name: shop-cert}]}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: edge}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```log bad istio-system/istiod-0/discovery
    2026-03-01T11:40:00.000000Z	warn	ads	proxy web-istio-6d9-22f9n.edge attempted to access unauthorized certificates shop-cert: cross namespace secret reference requires ReferenceGrant
    ```

    ```finding
    critical, observed: XListenerSet edge/shop spec.listeners[0].tls.certificateRefs[0]
    hosts: shop.example.com
    istiod refuses Secret edge/shop-cert to XListenerSet edge/shop listener 443 (https), which may
    have it: it does not count the listeners of a ListenerSet. Connections to shop.example.com are
    reset.
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
      allowedListeners: {namespaces: {from: All}}
      listeners: [{name: http, port: 80, protocol: HTTP}]
    ---
    apiVersion: gateway.networking.x-k8s.io/v1alpha1
    kind: XListenerSet
    metadata: {name: shop, namespace: edge}
    spec:
      parentRef: {name: web}
      listeners:
      - name: https
        hostname: shop.example.com
        port: 443
        protocol: HTTPS
        tls: {certificateRefs: [{name: shop-cert}]}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: edge}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```log good istio-system/istiod-0/discovery
    2026-03-01T11:40:00.000000Z	info	ads	ADS: new delta connection for node:web-istio-6d9-22f9n.edge-7
    ```

    Sources: istio/istio issue 58019; gateway-api.sigs.k8s.io, ListenerSet.
    """  # noqa: E501 - lines of logs are shown whole
    for refusal in mistaken_refusals(mesh):
        if refusal.reference.purpose is Purpose.SERVER and is_of_set(refusal):
            yield istiod_bug(refusal, "it does not count the listeners of a ListenerSet")
