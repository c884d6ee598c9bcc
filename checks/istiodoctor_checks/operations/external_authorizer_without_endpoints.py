"""OPS012."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl, selecting, within
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, get
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.workloads.control_planes import mesh_config_ref
from istiodoctor.model.ref import Place
from istiodoctor.text import listing
from istiodoctor_checks.operations._authorizers import unanswered_authorizers


@check("OPS012", severity=Severity.CRITICAL, explains={"OPS013", "HTTP015"})
def external_authorizer_without_endpoints(mesh: Mesh) -> Iterator[Finding]:
    """The Service of an external authorizer has no endpoint that takes requests.

    A CUSTOM AuthorizationPolicy has Envoy ask the authorizer before a request goes on. Where
    nobody is there to ask, Envoy refuses the request: 403 (`UAEX`, `ext_authz_error` in the
    access log), or what `statusOnError` says. With `failOpen: true` it would let it pass.

    Fix: bring the authorizer's pods back, or correct the Service's selector and the port that the
    mesh configuration names.

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
    endpoints: []
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

    ```finding
    critical: Service auth/login
    hosts: shop.example.com
    AuthorizationPolicy istio-system/login asks the external authorizer 'login' at Pod
    istio-system/gateway, and Service auth/login has no endpoints: no pod has the labels app=login:
    Envoy answers 403 (UAEX, ext_authz_error) to every request.
    ```

    A port that the Service does not have makes no cluster to ask:

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
    spec: {selector: {app: login}, ports: [{name: http, port: 80}]}
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
      rules: [{to: [{operation: {hosts: [shop.example.com]}}]}]
    ```

    ```finding
    high: Service auth/login
    hosts: shop.example.com
    AuthorizationPolicy istio-system/login asks the external authorizer 'login' at Pod
    istio-system/gateway, and Service auth/login has no port 8080, only 80: Envoy answers 403
    (UAEX, ext_authz_error) to every request that it takes.
    ```

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

    With `failOpen` requests pass:

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
          envoyExtAuthzHttp: {service: login.auth.svc.cluster.local, port: 8080, failOpen: true}
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
    endpoints: []
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

    Sources: Envoy, ext_authz filter (`failure_mode_allow`, `status_on_error`); istio.io, Global
    Mesh Options, `extensionProviders`.
    """
    for each in unanswered_authorizers(mesh):
        bad = each.bad
        if bad.service is None:
            continue
        names = listing(policy.ref for policy in bad.policies)
        takes = "they take" if len(bad.policies) > 1 else "it takes"
        yield Finding(
            message=(
                f"{names} {'ask' if len(bad.policies) > 1 else 'asks'} the external authorizer"
                f" {bad.name!r} at {each.workload}, and {bad.reason}: Envoy answers {bad.status}"
                f" (UAEX, ext_authz_error) to every request"
                f"{'' if bad.takes_everything else f' that {takes}'}."
            ),
            objects=(
                Place(bad.service),
                *(policy.at("/spec/provider") for policy in bad.policies),
                Place(mesh_config_ref(mesh, each.workload), "/data/mesh"),
            ),
            identity=Identity.of(bad.service, str(each.workload.owner.path)),
            hosts=each.hosts,
            evidence=(Evidence(text=bad.reason, ref=bad.service),),
            fixes=(
                Fix(
                    title=f"See why {bad.service} has no ready endpoint on the provider's port",
                    commands=(
                        get(bad.service),
                        kubectl(
                            "get",
                            "endpointslices",
                            within(bad.service.namespace),
                            selecting({"kubernetes.io/service-name": bad.service.name}),
                        ),
                    ),
                    why="Until then failOpen: true of the provider would let every request pass"
                    " without being asked about.",
                ),
            ),
            severity=Severity.CRITICAL if bad.takes_everything else Severity.HIGH,
            confidence=Confidence.CERTAIN if bad.is_certain else Confidence.SUSPECTED,
            servers=frozenset(server.id for server in each.servers),
        )
