"""Requests that Envoy answered itself: a check of last resort, by access logs."""

import pytest

from istiodoctor.registry import discover
from istiodoctor.testing.clusters import cluster, log_lines
from tests.support.judgements import judged

CHECKS = discover().by_code()
CLUSTER = """
apiVersion: v1
kind: Pod
metadata: {name: gateway, namespace: istio-system, labels: {istio: ingress}}
spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}]}
---
apiVersion: v1
kind: Service
metadata: {name: gateway, namespace: istio-system}
spec: {type: LoadBalancer, selector: {istio: ingress}, ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  selector: {istio: ingress}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.example.com"]}]
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
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: shop}
spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: shop-1, namespace: shop, labels: {kubernetes.io/service-name: shop}}
addressType: IPv4
endpoints: [{addresses: [10.2.0.9], conditions: {ready: true}}]
ports: [{name: http, port: 80}]
---
"""


def line(flags: str, details: str, host: str = "shop.example.com") -> str:
    return (
        f'[2026-03-01T11:40:00.000Z] "GET / HTTP/2" 503 {flags} {details} - "-" 0 19 0 -'
        f' "203.0.113.9" "curl/8.5.0" "2d4f" "{host}" "-" - - 10.0.0.4:8443'
        " 203.0.113.9:51412 shop.example.com -"
    )


def told(text: str, *lines: str) -> list[tuple[str, list[str]]]:
    """Return what a scan says by this check: the severities, with the hosts."""
    logs = tuple(log_lines("istio-system/gateway/istio-proxy", "\n".join(lines)))
    runs = judged(cluster(text, logs)).runs
    found = next(each for each in runs if each.check.code == "REQ002").findings
    return [(each.severity or "low", sorted(each.hosts)) for each in found]


@pytest.mark.parametrize(
    ("flags", "details", "severity"),
    [
        ("NC", "cluster_not_found", "medium"),
        ("UH", "no_healthy_upstream", "low"),
        ("UF", "upstream_reset_before_response_started{connection_failure}", "low"),
    ],
)
def test_an_error_that_nothing_else_explains_is_told(flags: str, details: str, severity: str):
    failed = line(flags, details, "Shop.example.com:443")

    assert told(CLUSTER + SERVICE, failed) == [(severity, ["shop.example.com"])]


def test_what_another_check_explains_is_not_told_again():
    assert told(CLUSTER, line("NC", "cluster_not_found")) == []


def test_hosts_that_the_gateway_does_not_serve_are_clients_own_words():
    assert told(CLUSTER + SERVICE, line("UH", "no_healthy_upstream", "evil.example.net")) == []
