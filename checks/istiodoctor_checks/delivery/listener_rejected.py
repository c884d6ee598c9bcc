"""SDS010."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import listeners
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.logs.meaning import LogFact
from istiodoctor.mesh.logs.proxy_logs import Rejection, listener_rejections
from istiodoctor.mesh.logs.refusal_culprits import refusal_culprits
from istiodoctor.model.ref import Place
from istiodoctor_checks.delivery._refusals import correct, origin, refs_of


@check(
    "SDS010",
    severity=Severity.HIGH,
    explains={"GW022", "GW023", "HTTP018", "SDS013", "SDS016", "SNI011"},
)
def listener_rejected(mesh: Mesh) -> Iterator[Finding]:
    """Envoy refused a listener, so the gateway keeps its old configuration of that port.

    A listener is taken as a whole or not at all. What is wrong with one server, or with an
    EnvoyFilter, keeps every later change of that port out: new hosts never appear, while the old
    ones go on working until the pod restarts. A pod that has just started does not open the port.

    The reason stands in the line: an EnvoyFilter that does not fit the version, a key set (JWKS)
    of a RequestAuthentication that is none, two servers with the same SNI, a ServiceEntry that
    repeats a Service on an AUTO_PASSTHROUGH port, a port that is taken, a file that is not there.
    Where the reason names what an object puts in, that object is the one to change.

    Fix: find the object that the reason points to and revert its last change.

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

    ```log bad istio-system/gateway/istio-proxy
    2026-03-01T11:40:00.000000Z	warning	envoy config external/envoy/grpc_subscription_impl.cc:138	gRPC config for type.googleapis.com/envoy.config.listener.v3.Listener rejected: Error adding/updating listener(s) 0.0.0.0_443: Didn't find a registered implementation for 'envoy.filters.listener.proxy_protocol'
    ```

    ```finding
    high, observed: Pod istio-system/gateway
    hosts: shop.example.com
    Envoy in Pod istio-system/gateway refused listener 0.0.0.0_443: Didn't find a registered
    implementation for 'envoy.filters.listener.proxy_protocol'. Changes of that port do not arrive,
    and a restarted pod does not open it.
    ```

    An EnvoyFilter puts in a filter of a version that Envoy no longer has:

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
    apiVersion: networking.istio.io/v1alpha3
    kind: EnvoyFilter
    metadata: {name: scripts, namespace: istio-system}
    spec:
      workloadSelector: {labels: {istio: ingressgateway}}
      configPatches:
      - applyTo: HTTP_FILTER
        match: {context: GATEWAY}
        patch:
          operation: INSERT_BEFORE
          value:
            name: example.scripts
            typed_config:
              "@type": type.googleapis.com/envoy.config.filter.http.lua.v2.Lua
              inline_code: function envoy_on_request(handle) end
    ```

    ```log bad istio-system/gateway/istio-proxy
    2026-03-01T11:40:00.000000Z	warning	envoy config external/envoy/grpc_subscription_impl.cc:138	gRPC config for type.googleapis.com/envoy.config.listener.v3.Listener rejected: Error adding/updating listener(s) 0.0.0.0_443: The v2 xDS major version is deprecated and disabled by default. (envoy.config.filter.http.lua.v2.Lua)
    ```

    ```finding
    high, observed: EnvoyFilter istio-system/scripts spec.configPatches[0]
    hosts: shop.example.com
    Envoy in Pod istio-system/gateway refused listener 0.0.0.0_443: The v2 xDS major version is
    deprecated and disabled by default. (envoy.config.filter.http.lua.v2.Lua). That comes from
    EnvoyFilter istio-system/scripts spec.configPatches[0]. Changes of that port do not arrive, and
    a restarted pod does not open it.
    ```

    The key set of the second issuer, by name, is a page of HTML:

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
    apiVersion: security.istio.io/v1
    kind: RequestAuthentication
    metadata: {name: customers, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      jwtRules: [{issuer: "https://login.example.com", jwks: "<html>sign in</html>"}]
    ---
    apiVersion: security.istio.io/v1
    kind: RequestAuthentication
    metadata: {name: partners, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      jwtRules: [{issuer: "https://auth.example.com", jwks: '{"keys": []}'}]
    ```

    ```log bad istio-system/gateway/istio-proxy
    2026-03-01T11:40:00.000000Z	warning	envoy config external/envoy/grpc_subscription_impl.cc:138	gRPC config for type.googleapis.com/envoy.config.listener.v3.Listener rejected: Error adding/updating listener(s) 0.0.0.0_443: Provider 'origins-1' in jwt_authn config has invalid local jwks: Jwks is an invalid JSON
    ```

    ```finding
    high, observed: RequestAuthentication istio-system/customers spec.jwtRules[0]
    hosts: shop.example.com
    Envoy in Pod istio-system/gateway refused listener 0.0.0.0_443: Provider 'origins-1' in
    jwt_authn config has invalid local jwks: Jwks is an invalid JSON. That comes from
    RequestAuthentication istio-system/customers spec.jwtRules[0]. Changes of that port do not
    arrive, and a restarted pod does not open it.
    ```

    A ServiceEntry repeats host and port of a Service, and both get a filter chain:

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
    kind: Gateway
    metadata: {name: east-west, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 15443, name: tls, protocol: TLS}
        hosts: ["*.local"]
        tls: {mode: AUTO_PASSTHROUGH}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: ServiceEntry
    metadata: {name: again, namespace: shop}
    spec:
      hosts: [shop.shop.svc.cluster.local]
      ports: [{number: 80, name: http, protocol: HTTP}]
      location: MESH_INTERNAL
      resolution: DNS
    ```

    ```log bad istio-system/gateway/istio-proxy
    2026-03-01T11:40:00.000000Z	warning	envoy config external/envoy/grpc_subscription_impl.cc:138	gRPC config for type.googleapis.com/envoy.config.listener.v3.Listener rejected: Error adding/updating listener(s) 0.0.0.0_15443: error adding listener '0.0.0.0:15443': filter chain '' has the same matching rules defined as ''
    ```

    ```finding
    high, observed: ServiceEntry shop/again spec.hosts
    hosts: *.local
    Envoy in Pod istio-system/gateway refused listener 0.0.0.0_15443: error adding listener
    '0.0.0.0:15443': filter chain '' has the same matching rules defined as ''. That comes from
    ServiceEntry shop/again spec.hosts. Changes of that port do not arrive, and a restarted pod
    does not open it.
    ```

    A refused route or cluster leaves the listener as it is:

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
    2026-03-01T11:40:00.000000Z	warning	envoy config external/envoy/grpc_subscription_impl.cc:138	gRPC config for type.googleapis.com/envoy.config.cluster.v3.Cluster rejected: Error adding/updating cluster(s) 0.0.0.0_443: Didn't find a registered implementation for 'envoy.filters.listener.proxy_protocol'
    ```

    Sources: istio/istio issues 49836, 13717, 6046, 11786.
    """  # noqa: E501 - lines of logs are shown whole
    for rejection in listener_rejections(mesh):
        for name, fact in _newest(rejection).items():
            servers = _servers(mesh, rejection, fact)
            culprits = refusal_culprits(mesh, rejection.workload, fact.port, fact.reason)
            yield Finding(
                message=(
                    f"Envoy in {rejection.workload} refused listener {name or '(not named)'}:"
                    f" {fact.reason}.{origin(culprits)} {_consequence(rejection)}"
                ),
                objects=(
                    *culprits,
                    Place(rejection.workload.owner),
                    *(each.place for each in servers),
                ),
                identity=Identity.of(rejection.workload.owner, name),
                hosts=frozenset(host for each in servers for host in each.names),
                evidence=(Evidence.of_line(fact.line),),
                fixes=(correct(culprits),),
                severity=Severity.CRITICAL if rejection.at_start else Severity.HIGH,
                confidence=Confidence.OBSERVED,
                servers=frozenset(each.id for each in servers),
                culprits=refs_of(culprits),
            )


def _newest(rejection: Rejection) -> dict[str, LogFact]:
    return {fact.listener: fact for fact in rejection.facts}


def _consequence(rejection: Rejection) -> str:
    if rejection.at_start:
        return "The pod had just started, so it does not open that port."
    return "Changes of that port do not arrive, and a restarted pod does not open it."


def _servers(mesh: Mesh, rejection: Rejection, fact: LogFact) -> list[Server]:
    return [
        server
        for listener in listeners(mesh)
        if listener.workload is rejection.workload and listener.port == fact.port
        for server in listener.servers
    ]
