"""SVC019."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.exposure.ip_families import DUAL_STACK, unheard_families
from istiodoctor.model.ref import Place


@check("SVC019", severity=Severity.HIGH)
def ipv6_not_listened_on(mesh: Mesh) -> Iterator[Finding]:
    """The Service of a gateway has IPv6, and Envoy listens on IPv4 alone.

    istiod has gateways listen on `0.0.0.0` unless their pods have addresses of IPv6 only, or it
    runs with `ISTIO_DUAL_STACK=true` and the pods have both. A Service with both `ipFamilies` then
    leads clients that come by IPv6, and mobile networks and browsers prefer it, to a port on which
    nothing listens: connection refused or reset, while IPv4 works.

    Fix: set ISTIO_DUAL_STACK for istiod and, by `proxyMetadata`, for the gateway, or take IPv6
    from the Service and its DNS records (AAAA).

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
    status: {podIP: 10.0.0.4, podIPs: [{ip: 10.0.0.4}, {ip: "2001:db8::4"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.3"}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ipFamilyPolicy: RequireDualStack
      ipFamilies: [IPv4, IPv6]
      ports: [{name: https, port: 443, targetPort: 8443}]
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
    ```

    ```finding
    high: Service istio-system/gateway spec.ipFamilies
    hosts: shop.example.com
    Service istio-system/gateway has addresses of IPv6, but Pod istio-system/gateway listens on
    0.0.0.0 alone (istiod runs without ISTIO_DUAL_STACK): connections of clients that come by IPv6
    are refused.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
    status: {podIP: 10.0.0.4, podIPs: [{ip: 10.0.0.4}, {ip: "2001:db8::4"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
    spec:
      containers:
      - name: discovery
        image: istio/pilot:1.27.3
        env: [{name: ISTIO_DUAL_STACK, value: "true"}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: gateway, namespace: istio-system}
    spec:
      type: LoadBalancer
      selector: {istio: ingressgateway}
      ipFamilyPolicy: RequireDualStack
      ipFamilies: [IPv4, IPv6]
      ports: [{name: https, port: 443, targetPort: 8443}]
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
    ```

    Sources: istio/istio, pilot/pkg/networking/core/listener_address.go and gateway.go; istio/istio
    issues 54100, 35781.
    """
    for each in unheard_families(mesh):
        spec = each.service.spec
        families = ", ".join(spec.ip_families) or spec.ip_family_policy or "not written"
        plane = "istiod runs without" if each.is_certain else "unless istiod runs with"
        who = "all clients" if each.is_only_family else "clients that come by IPv6"
        yield Finding(
            message=(
                f"{each.service.ref} has addresses of IPv6, but {each.workload} listens on 0.0.0.0"
                f" alone ({plane} {DUAL_STACK}): connections of {who} are refused."
            ),
            objects=(each.service.at("/spec/ipFamilies"), Place(each.workload.owner)),
            identity=Identity.of(each.service.ref),
            hosts=frozenset(name for server in each.servers for name in server.names),
            evidence=(
                Evidence(text=f"ipFamilies: {families}", ref=each.service.ref),
                Evidence(text=f"{DUAL_STACK} is not set to true for istiod"),
            ),
            fixes=(
                Fix(
                    title=f"Run istiod and the gateway with {DUAL_STACK}=true, or take IPv6 from"
                    f" {each.service.ref}",
                    why=f"istiod: pilot.env.{DUAL_STACK} of the chart; the gateway:"
                    f" meshConfig.defaultConfig.proxyMetadata.{DUAL_STACK}, and new pods.",
                ),
            ),
            severity=Severity.CRITICAL if each.is_only_family else Severity.HIGH,
            confidence=Confidence.CERTAIN if each.is_certain else Confidence.SUSPECTED,
            servers=frozenset(server.id for server in each.servers),
        )
