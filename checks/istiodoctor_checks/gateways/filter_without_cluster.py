"""GW027."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, get, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.cluster_patches import cluster_patches
from istiodoctor.mesh.configuration.patched_clusters import (
    REFERENCED,
    PatchedCluster,
    absent_clusters_of_patches,
)
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.model.ref import Place


@check(
    "GW027",
    severity=Severity.CRITICAL,
    explains={"HTTP015", "OPS010"},
    evidence=[cluster_patches],
)
def filter_without_cluster(mesh: Mesh) -> Iterator[Finding]:
    """An EnvoyFilter names a cluster that the gateway does not have.

    A filter that an EnvoyFilter puts in, an external authorizer mostly, asks a cluster by its
    name, `outbound|PORT||HOST`. Envoy has it where istiod knows a Service of that host with that
    port. With `PILOT_FILTER_GATEWAY_CLUSTER_CONFIG=true` istiod sends a gateway the clusters alone
    that its routes and the extension providers of the mesh name, and reads no EnvoyFilters for
    that. An authorizer without its cluster refuses every request (403), any other filter does
    nothing or fails.

    Fix: correct the name; name the host in the annotation
    `envoyfilter.istio.io/referenced-services` of the EnvoyFilter (newer releases), or make the
    authorizer an extension provider of the mesh.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
    spec:
      containers:
      - name: discovery
        image: istio/pilot:1.27.3
        env: [{name: PILOT_FILTER_GATEWAY_CLUSTER_CONFIG, value: "true"}]
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
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
    kind: Service
    metadata: {name: login, namespace: auth}
    spec: {selector: {app: login}, ports: [{name: http, port: 8080}]}
    ---
    apiVersion: networking.istio.io/v1alpha3
    kind: EnvoyFilter
    metadata: {name: login, namespace: istio-system}
    spec:
      configPatches:
      - applyTo: HTTP_FILTER
        match: {context: GATEWAY}
        patch:
          operation: INSERT_FIRST
          value:
            name: envoy.filters.http.ext_authz
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              http_service:
                server_uri:
                  uri: http://login.auth
                  cluster: outbound|8080||login.auth.svc.cluster.local
                  timeout: 1s
    ```

    ```finding
    critical: EnvoyFilter istio-system/login spec.configPatches[0].patch.value
    hosts: shop.example.com
    EnvoyFilter istio-system/login spec.configPatches[0] names the cluster
    outbound|8080||login.auth.svc.cluster.local, which Pod istio-system/gateway does not have, for
    PILOT_FILTER_GATEWAY_CLUSTER_CONFIG sends the clusters alone that a route names, and none names
    it: the authorizer cannot be asked, and every request gets 403.
    ```

    A port that the Service does not have:

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
    spec:
      containers:
      - {name: discovery, image: "istio/pilot:1.27.3"}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
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
    kind: Service
    metadata: {name: login, namespace: auth}
    spec: {selector: {app: login}, ports: [{name: http, port: 8080}]}
    ---
    apiVersion: networking.istio.io/v1alpha3
    kind: EnvoyFilter
    metadata: {name: login, namespace: istio-system}
    spec:
      configPatches:
      - applyTo: HTTP_FILTER
        match: {context: GATEWAY}
        patch:
          operation: INSERT_FIRST
          value:
            name: envoy.filters.http.ext_authz
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              http_service:
                server_uri:
                  uri: http://login.auth
                  cluster: outbound|80||login.auth.svc.cluster.local
                  timeout: 1s
    ```

    ```finding
    critical: EnvoyFilter istio-system/login spec.configPatches[0].patch.value
    hosts: shop.example.com
    EnvoyFilter istio-system/login spec.configPatches[0] names the cluster
    outbound|80||login.auth.svc.cluster.local, which Pod istio-system/gateway does not have, for
    Service auth/login has no port 80, only 8080: the authorizer cannot be asked, and every request
    gets 403.
    ```

    Without the setting istiod sends the clusters of all Services:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
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
    kind: Service
    metadata: {name: login, namespace: auth}
    spec: {selector: {app: login}, ports: [{name: http, port: 8080}]}
    ---
    apiVersion: networking.istio.io/v1alpha3
    kind: EnvoyFilter
    metadata: {name: login, namespace: istio-system}
    spec:
      configPatches:
      - applyTo: HTTP_FILTER
        match: {context: GATEWAY}
        patch:
          operation: INSERT_FIRST
          value:
            name: envoy.filters.http.ext_authz
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              http_service:
                server_uri:
                  uri: http://login.auth
                  cluster: outbound|8080||login.auth.svc.cluster.local
                  timeout: 1s
    ```

    Sources: istio/istio, pilot/pkg/model/push_context.go (`GatewayServices`); Envoy, External
    Authorization (`failure_mode_allow`).
    """
    for workload, servers in servers_by_workload(mesh).items():
        for missing in absent_clusters_of_patches(mesh, workload):
            place = Place(missing.patch.place.ref, f"{missing.patch.place.path}/patch/value")
            yield Finding(
                message=(
                    f"{missing.patch.place} names the cluster {missing.name}, which"
                    f" {workload} does not have, for {missing.reason}: {_effect(missing)}."
                ),
                objects=(place,),
                identity=Identity.of(place.ref, str(missing.name)),
                hosts=frozenset(name for each in servers for name in each.names),
                evidence=(Evidence(text=f"it names {missing.name}", ref=place.ref),),
                fixes=tuple(_fixes(missing)),
                severity=Severity.CRITICAL if missing.denies else Severity.HIGH,
                confidence=Confidence.CERTAIN if missing.denies else Confidence.SUSPECTED,
            )


def _effect(missing: PatchedCluster) -> str:
    if missing.denies:
        return "the authorizer cannot be asked, and every request gets 403"
    return "what it puts in fails or does nothing"


def _fixes(missing: PatchedCluster) -> Iterator[Fix]:
    ref, host = missing.patch.place.ref, missing.name.host
    if missing.is_filtered:
        place = Place(ref, f"/metadata/annotations/{REFERENCED.replace('/', '~1')}")
        yield set_field(place, host, f"Have istiod send the clusters of {host}")
        return
    yield Fix(
        title=f"Correct the cluster's name in {ref}, or make the Service that it is for",
        commands=(get(ref),),
        why="The name is outbound|PORT|SUBSET|HOST, as `istioctl proxy-config cluster` shows it.",
    )
