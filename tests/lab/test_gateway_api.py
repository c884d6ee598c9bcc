"""The same looks at a gateway of the Kubernetes Gateway API."""

from typing import Any

import pytest
import yaml

from istiodoctor.testing.certificates import Issued
from tests.cli.process import Done
from tests.lab.clusters import Cluster, issued
from tests.lab.gateway import Lab, told
from tests.lab.listeners import plain_listener, terminated, tls_listener, virtual_host
from tests.lab.sds import sds_secret
from tests.support.clusters import HOST, stored

pytestmark = pytest.mark.envoy

NAME = "kubernetes-gateway://istio-system/shop-cert"
OWNED = {"gateway.networking.k8s.io/gateway-name": "ingress"}
_OBJECTS = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: istio}
spec: {controllerName: istio.io/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ingress, namespace: istio-system}
spec:
  gatewayClassName: istio
  addresses: [{type: Hostname, value: ingress.istio-system.svc.cluster.local}]
  listeners:
  - name: http
    port: 80
    protocol: HTTP
    hostname: shop.example.com
    allowedRoutes: {namespaces: {from: All}}
  - name: https
    port: 443
    protocol: HTTPS
    hostname: shop.example.com
    tls: {mode: Terminate, certificateRefs: [{name: shop-cert}]}
    allowedRoutes: {namespaces: {from: All}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: redirect, namespace: shop}
spec:
  parentRefs: [{name: ingress, namespace: istio-system, sectionName: http}]
  hostnames: [shop.example.com]
  rules: [{filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301}}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: shop}
spec:
  parentRefs: [{name: ingress, namespace: istio-system, sectionName: https}]
  hostnames: [shop.example.com]
  rules: [{backendRefs: [{name: shop, port: 8080}]}]
"""


def by_gateway_api(secret: Issued | None = None) -> Cluster:
    """Return the healthy cluster with the objects of the Gateway API in place of Istio's."""
    cluster = Cluster(secret)
    istios = [cluster.find("Gateway", "web"), cluster.find("VirtualService", "shop")]
    cluster.objects = [each for each in cluster.objects if each not in istios]
    for each in cluster.objects:
        if each["kind"] == "Pod" and each["metadata"]["namespace"] == "istio-system":
            owned(each["metadata"])
    owned(cluster.find("Deployment", "ingress")["spec"]["template"]["metadata"])
    cluster.objects += yaml.safe_load_all(_OBJECTS)
    return cluster


def owned(metadata: dict[str, Any]) -> None:
    if metadata["labels"].get("istio") == "ingressgateway":
        metadata["labels"] |= OWNED


def scan(lab: Lab, cluster: Cluster, served: Issued | None) -> Done:
    """Scan with an Envoy as istiod sets it up: without a Secret there is no listener for it."""
    envoy = lab.envoy()
    redirecting = plain_listener(envoy, [virtual_host(HOST, to_itself=True)])
    if served is None:
        envoy.listen(redirecting)
        return lab.scan(cluster, envoy)
    envoy.secrets.send(NAME, sds_secret(NAME, served))
    chain = terminated(envoy, HOST, NAME, [virtual_host(HOST)])
    envoy.listen(tls_listener(envoy, chain), redirecting)
    return lab.scan(cluster, envoy)


def test_a_healthy_gateway_is_looked_at_and_nothing_is_said(lab: Lab):
    cluster = by_gateway_api()

    done = scan(lab, cluster, stored(cluster.objects))

    assert (done.status, done.report["verdict"], told(done)) == (0, "healthy", [])


def test_an_expired_certificate_is_seen_to_be_served(lab: Lab):
    expired = issued(since=50, days=-3)

    done = scan(lab, by_gateway_api(expired), expired)

    assert told(done) == [("CERT001", "observed", {"CERT018"})]


def test_a_secret_that_does_not_exist_is_seen_to_leave_no_listener(lab: Lab):
    cluster = by_gateway_api()
    cluster.objects.remove(cluster.find("Secret", "shop-cert"))

    done = scan(lab, cluster, None)

    assert told(done) == [("CRED002", "observed", {"GW022", "SNI012"})]
