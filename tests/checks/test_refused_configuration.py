"""Routes and clusters that Envoy refused: what the examples of SDS017 and SDS018 cannot show."""

import pytest

from istiodoctor.finding import Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.registry import discover
from istiodoctor.testing.clusters import cluster, log_lines

CHECKS = discover().by_code()
ISTIOD = "istio-system/istiod/discovery"
GATEWAY = """
apiVersion: v1
kind: Pod
metadata: {name: gateway, namespace: istio-system, labels: {istio: ingress}%s}
spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  selector: {istio: ingress}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {mode: SIMPLE, credentialName: shop-cert}
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [plain.example.com]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: shop}
spec:
  hosts: [shop.example.com]
  gateways: [web]
  http: [{route: [{destination: {host: shop, port: {number: 80}}}]}]
---
"""
SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: shop}
spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: other, namespace: shop}
spec: {selector: {app: other}, ports: [{name: http, port: 80}]}
---
"""
API = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: istio}
spec: {controllerName: istio.io/gateway-controller}
---
apiVersion: v1
kind: Secret
metadata: {name: shop-cert, namespace: shop}
stringData: {tls.crt: certificate for shop.example.com, tls.key: key of shop.example.com}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  gatewayClassName: istio
  listeners:
  - name: https
    port: 443
    protocol: HTTPS
    tls: {certificateRefs: [{name: shop-cert}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-istio, namespace: shop, labels: {gateway.networking.k8s.io/gateway-name: web}}
spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web-istio, namespace: shop}
spec:
  selector: {gateway.networking.k8s.io/gateway-name: web}
  ports: [{name: https, port: 443}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: shop}
spec:
  parentRefs: [{name: web}]
  hostnames: [shop.example.com]
  rules: [{backendRefs: [{name: shop, port: 80}]}]
---
"""
SHOP, OTHER = (
    "outbound|80||shop.shop.svc.cluster.local",
    "outbound|80||other.shop.svc.cluster.local",
)


def gateway(created: str = "") -> str:
    return GATEWAY % (f", creationTimestamp: {created}" if created else "")


def line(xds: str, reason: str, node: str = "gateway.istio-system-2") -> str:
    return f"2026-03-01T11:40:00.000000Z\twarn\tads\tADS:{xds}: ACK ERROR {node} Internal:{reason}"


def found(code: str, text: str, *lines: str) -> list[Finding]:
    logs = tuple(log_lines(ISTIOD, "\n".join(lines)))
    return list(CHECKS[code].run(Mesh(cluster(text, logs))))


def test_each_cluster_that_a_line_names_is_told_with_its_own_reason():
    reason = f"Error adding/updating cluster(s) {SHOP}: no, {OTHER}: Invalid path: /x, y"

    shop, other = found("SDS018", gateway() + SERVICES, line("CDS", reason))

    assert (shop.severity, shop.subject.name) == (Severity.HIGH, "shop")
    assert (other.severity, other.subject.name) == (Severity.LOW, "other")
    assert (
        f"refused the cluster {OTHER} of Service shop/other: Invalid path: /x, y." in other.message
    )


def test_a_cluster_of_a_route_of_the_gateway_api_is_one_that_routes_lead_to():
    refused = line("CDS", f"Error adding/updating cluster(s) {SHOP}: no", "web-istio.shop-1")

    (only,) = found("SDS018", API + SERVICES, refused)

    assert (only.severity, only.hosts) == (Severity.HIGH, frozenset({"shop.example.com"}))


def test_a_refusal_that_names_no_cluster_is_told_of_the_gateway():
    (only,) = found("SDS018", gateway(), line("CDS", "Proto constraint validation failed"))

    assert (only.subject.name, only.severity) == ("gateway", Severity.HIGH)


@pytest.mark.parametrize(
    ("created", "severity"),
    [("2026-03-01T11:39:00Z", Severity.CRITICAL), ("2026-03-01T08:00:00Z", Severity.HIGH)],
)
@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        ("SDS017", line("RDS", "bad regex in route http.80")),
        ("SDS018", line("CDS", f"Error adding/updating cluster(s) {SHOP}: no")),
    ],
)
def test_a_pod_that_has_just_started_has_nothing_of_before(
    code: str, refusal: str, created: str, severity: Severity
):
    (only,) = found(code, gateway(created) + SERVICES, refusal)

    assert only.severity is severity


@pytest.mark.parametrize(
    ("route", "hosts"),
    [
        ("https.443.https.web.shop", {"shop.example.com"}),
        ("http.80", {"plain.example.com"}),
        ("http.81", set()),
    ],
)
def test_the_hosts_of_a_refused_route_configuration_are_those_of_its_servers(
    route: str, hosts: set[str]
):
    (only,) = found("SDS017", gateway(), line("RDS", f"no good in route {route}"))

    assert only.hosts == hosts


def test_two_lines_of_one_refusal_are_one_finding_and_other_proxies_are_not_told_of():
    refusal = "Duplicate entry of domain shop.example.com in route https.443.https.web.shop"
    sidecar = line("RDS", refusal, "shop-0.shop-3")

    (only,) = found("SDS017", gateway(), line("RDS", refusal), line("RDS", refusal), sidecar)

    assert only.objects[0].path == "/spec/hosts/0"


def test_a_refusal_in_the_name_of_a_node_of_older_releases_is_told():
    node = "router~10.0.0.4~gateway.istio-system~istio-system.svc.cluster.local-21"

    assert found("SDS017", gateway(), line("RDS", "no", node))
