"""SDS018."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import istioctl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, get
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.logs.refused_configuration import RefusedCluster, refused_clusters_in_logs
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing


@check("SDS018", severity=Severity.HIGH, explains={"HTTP015", "SDS016"})
def cluster_rejected(mesh: Mesh) -> Iterator[Finding]:
    """Envoy refused the cluster of a backend, so the gateway keeps the one that it had.

    Envoy judges each cluster by itself. One that it refuses stays as it was: changes of the
    Service, its DestinationRule or its TLS do not arrive. Where it had none, as a pod that has
    just started, requests to it get 503 (`NC cluster_not_found`).

    The reason stands in the line: a certificate or key that cannot be read, a setting of a
    DestinationRule that Envoy does not take, a patch of an EnvoyFilter.

    Fix: correct what the reason points to.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: ["*.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop, port: {number: 80}}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec:
      host: shop.shop.svc.cluster.local
      trafficPolicy: {tls: {mode: MUTUAL, clientCertificate: /certs/c.pem, privateKey: /certs/k.pem}}
    ```

    ```log bad istio-system/gateway/istio-proxy
    2026-03-01T11:40:00.000000Z	warning	envoy config	gRPC config for type.googleapis.com/envoy.config.cluster.v3.Cluster rejected: Error adding/updating cluster(s) outbound|80||shop.shop.svc.cluster.local: Failed to load certificate chain from <inline>
    ```

    ```finding
    high, observed: DestinationRule shop/shop
    hosts: shop.example.com
    Envoy in Pod istio-system/gateway refused the cluster outbound|80||shop.shop.svc.cluster.local
    of Service shop/shop: Failed to load certificate chain from <inline>. It goes on with the one
    of before; where it had none, or the pod restarts, requests for shop.example.com get 503 (NC).
    ```

    A gateway gets clusters of every Service; one that no route leads to does no harm yet:

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.22.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: ["*.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop, port: {number: 80}}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: other, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: other, namespace: shop}
    spec:
      host: other.shop.svc.cluster.local
      trafficPolicy: {tls: {mode: MUTUAL, clientCertificate: /certs/c.pem, privateKey: /certs/k.pem}}
    ```

    ```log bad istio-system/istiod/discovery
    2026-03-01T11:40:00.000000Z	warn	ads	ADS:CDS: ACK ERROR gateway.istio-system-2 Internal:Error adding/updating cluster(s) outbound|80||other.shop.svc.cluster.local: Invalid path: /certs/c.pem
    ```

    ```finding
    low, observed: DestinationRule shop/other
    Envoy in Pod istio-system/gateway refused the cluster outbound|80||other.shop.svc.cluster.local
    of Service shop/other: Invalid path: /certs/c.pem. No route leads to it.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: ["*.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop, port: {number: 80}}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec:
      host: shop.shop.svc.cluster.local
      trafficPolicy: {tls: {mode: MUTUAL, clientCertificate: /certs/c.pem, privateKey: /certs/k.pem}}
    ```

    ```log good istio-system/istiod/discovery
    2026-03-01T11:40:00.000000Z	info	ads	CDS: PUSH for node:gateway.istio-system resources:9 size:8.0kB cached:7/7
    ```

    Sources: Envoy, source/common/upstream/cds_api_helper.cc; istio/istio issues 39736, 29670.
    """  # noqa: E501 - lines of logs are shown whole
    for each in refused_clusters_in_logs(mesh):
        made_of = tuple(dict.fromkeys(filter(None, (each.made_by, each.service))))
        yield Finding(
            message=(
                f"Envoy in {each.workload} refused {_cluster(each)}: {each.reason}."
                f" {_consequence(each)}"
            ),
            objects=(
                *map(Place, made_of),
                *each.routes,
                Place(each.workload.owner),
            ),
            identity=Identity.of(each.workload.owner, each.name),
            hosts=frozenset(each.hosts),
            evidence=(Evidence.of_line(each.last.line),),
            fixes=(
                Fix(
                    title="Correct what the reason points to",
                    commands=tuple(get(ref) for ref in made_of),
                    verify=istioctl("proxy-status"),
                ),
            ),
            severity=_severity(each),
            confidence=Confidence.OBSERVED,
        )


def _cluster(each: RefusedCluster) -> str:
    if not each.name:
        return "a cluster"
    service = f" of {each.service}" if each.service else ""
    return f"the cluster {each.name}{service}"


def _severity(each: RefusedCluster) -> Severity:
    if each.name and not each.routes:
        return Severity.LOW
    return Severity.CRITICAL if each.at_start and each.name else Severity.HIGH


def _consequence(each: RefusedCluster) -> str:
    if each.name and not each.routes:
        return "No route leads to it."
    requests = f"requests for {host_listing(each.hosts)}" if each.hosts else "requests to it"
    if each.at_start:
        return f"The pod had just started, so it has none, and {requests} get 503 (NC)."
    return (
        f"It goes on with the one of before; where it had none, or the pod restarts, {requests}"
        " get 503 (NC)."
    )
