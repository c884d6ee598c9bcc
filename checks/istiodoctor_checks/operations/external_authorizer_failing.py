"""OPS013."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.model.ref import Place
from istiodoctor.text import listing
from istiodoctor_checks.operations._authorizers import requests_without_answer


@check("OPS013", severity=Severity.HIGH, explains={"HTTP015"})
def external_authorizer_failing(mesh: Mesh) -> Iterator[Finding]:
    """Envoy refused requests because an external authorizer gave it no answer.

    The access log has the flag `UAEX` with `ext_authz_error`: the authorizer was not reached, did
    not answer within the provider's `timeout`, or answered with an error of its own (5xx). With
    `ext_authz_denied` it did answer, and said no.

    Fix: look into the authorizer's log, and at the port, timeout and protocol of the provider
    in the mesh configuration (one that speaks gRPC is an `envoyExtAuthzGrpc`).

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.3"}]}
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
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data:
      mesh: |
        extensionProviders:
        - name: login
          envoyExtAuthzHttp: {service: login.auth.svc.cluster.local, port: 8080}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: login, namespace: auth}
    spec: {selector: {app: login}, ports: [{name: http, port: 8080}]}
    ---
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: login-1, namespace: auth, labels: {kubernetes.io/service-name: login}}
    addressType: IPv4
    endpoints: [{addresses: [10.2.0.9], conditions: {ready: true}}]
    ports: [{name: http, port: 8080}]
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: login, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      action: CUSTOM
      provider: {name: login}
      rules: [{}]
    ```

    ```log bad istio-system/gateway/istio-proxy
    [2026-03-01T11:40:00.000Z] "GET / HTTP/2" 403 UAEX ext_authz_error - "-" 0 0 1 - "203.0.113.9" "curl/8.5.0" "2d4f" "shop.example.com" "-" - - 10.0.0.4:8443 203.0.113.9:51412 shop.example.com -
    ```

    ```finding
    high, observed: AuthorizationPolicy istio-system/login spec.provider
    hosts: shop.example.com
    Pod istio-system/gateway refused requests for shop.example.com (403, ext_authz_error): the
    external authorizer of AuthorizationPolicy istio-system/login gave no answer.
    ```

    A refusal by the authorizer is what it is for:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.3"}]}
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
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data:
      mesh: |
        extensionProviders:
        - name: login
          envoyExtAuthzHttp: {service: login.auth.svc.cluster.local, port: 8080}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: login, namespace: auth}
    spec: {selector: {app: login}, ports: [{name: http, port: 8080}]}
    ---
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: login-1, namespace: auth, labels: {kubernetes.io/service-name: login}}
    addressType: IPv4
    endpoints: [{addresses: [10.2.0.9], conditions: {ready: true}}]
    ports: [{name: http, port: 8080}]
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: login, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      action: CUSTOM
      provider: {name: login}
      rules: [{}]
    ```

    ```log good istio-system/gateway/istio-proxy
    [2026-03-01T11:40:00.000Z] "GET / HTTP/2" 403 UAEX ext_authz_denied - "-" 0 0 1 - "203.0.113.9" "curl/8.5.0" "2d4f" "shop.example.com" "-" - - 10.0.0.4:8443 203.0.113.9:51412 shop.example.com -
    ```

    Sources: Envoy, ext_authz filter (response code details) and access log (`UAEX`).
    """  # noqa: E501 - lines of logs are shown whole
    for failed in requests_without_answer(mesh):
        last = failed.facts[-1]
        asked = listing(failed.policies)
        owner = Place(failed.workload.owner)
        policies = tuple(Place(each, "/spec/provider") for each in failed.policies)
        yield Finding(
            message=(
                f"{failed.workload} refused requests for {listing(failed.hosts) or 'its hosts'}"
                f" ({last.code or 403}, ext_authz_error): the external authorizer"
                f"{f' of {asked}' if asked else ''} gave no answer."
            ),
            objects=(*policies, owner),
            identity=Identity.of(failed.workload.owner),
            hosts=frozenset(failed.hosts),
            evidence=(Evidence.of_line(last.line),),
            fixes=(
                Fix(
                    title="Look into the log of the authorizer that the policy's provider names",
                    commands=(kubectl("get", "authorizationpolicies.security.istio.io", "-A"),),
                    why="The provider's service, port and timeout stand in extensionProviders of"
                    " the mesh configuration.",
                ),
            ),
            confidence=Confidence.OBSERVED,
            servers=frozenset(server.id for server in failed.servers),
        )
