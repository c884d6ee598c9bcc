"""Whole clusters as manifests: one in which nothing is wrong, and what breaks it."""

from base64 import b64decode
from copy import deepcopy
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates

from istiodoctor.testing.certificates import Authority, Issued

Manifest = dict[str, Any]

HOST = "shop.example.com"
ROOT = Authority("Test Root")
ISSUER = Authority("Test Intermediate", parent=ROOT)

_PLATFORM = """
apiVersion: v1
kind: Namespace
metadata: {name: istio-system, labels: {kubernetes.io/metadata.name: istio-system}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {kubernetes.io/metadata.name: shop}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "accessLogFile: /dev/stdout\\n"}
---
apiVersion: v1
kind: Pod
metadata:
  name: istiod-6d5f8c7b9d-abcde
  namespace: istio-system
  labels: {app: istiod, istio.io/rev: default}
  ownerReferences:
  - {apiVersion: apps/v1, kind: ReplicaSet, name: istiod-6d5f8c7b9d, uid: r1, controller: true}
spec:
  serviceAccountName: istiod
  containers: [{name: discovery, image: "docker.io/istio/pilot:1.26.5"}]
status: {phase: Running, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: ingress, namespace: istio-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: ingress-sds, namespace: istio-system}
rules: [{apiGroups: [""], resources: [secrets], verbs: [get, watch, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: ingress-sds, namespace: istio-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: ingress-sds}
subjects: [{kind: ServiceAccount, name: ingress, namespace: istio-system}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ingress, namespace: istio-system}
spec:
  replicas: 1
  selector: {matchLabels: {istio: ingressgateway}}
  template:
    metadata: {labels: {istio: ingressgateway}}
    spec:
      serviceAccountName: ingress
      containers:
      - name: istio-proxy
        image: docker.io/istio/proxyv2:1.26.5
        args: [proxy, router]
        ports: [{containerPort: 8080}, {containerPort: 8443}]
---
apiVersion: v1
kind: Pod
metadata:
  name: ingress-7c9d8f6b5d-x2x4q
  namespace: istio-system
  labels: {istio: ingressgateway}
  ownerReferences:
  - {apiVersion: apps/v1, kind: ReplicaSet, name: ingress-7c9d8f6b5d, uid: r2, controller: true}
spec:
  serviceAccountName: ingress
  containers:
  - name: istio-proxy
    image: docker.io/istio/proxyv2:1.26.5
    args: [proxy, router]
    ports: [{containerPort: 8080}, {containerPort: 8443}]
status: {phase: Running, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: v1
kind: Service
metadata: {name: ingress, namespace: istio-system}
spec:
  type: LoadBalancer
  selector: {istio: ingressgateway}
  ports:
  - {name: http2, port: 80, targetPort: 8080}
  - {name: https, port: 443, targetPort: 8443}
status: {loadBalancer: {ingress: [{ip: 203.0.113.10}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ingress-1
  namespace: istio-system
  labels: {kubernetes.io/service-name: ingress}
addressType: IPv4
ports: [{name: http2, port: 8080, protocol: TCP}, {name: https, port: 8443, protocol: TCP}]
endpoints: [{addresses: [10.0.0.5], conditions: {ready: true}}]
"""

_SHOP = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [shop.example.com]
    tls: {httpsRedirect: true}
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {mode: SIMPLE, credentialName: shop-cert}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: shop}
spec:
  hosts: [shop.example.com]
  gateways: [web]
  http: [{route: [{destination: {host: shop.shop.svc.cluster.local, port: {number: 8080}}}]}]
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: shop}
spec:
  selector: {app: shop}
  ports: [{name: http, port: 8080, targetPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: shop-1, namespace: shop, labels: {app: shop}}
spec:
  containers: [{name: app, image: "example/shop:1", ports: [{containerPort: 8080}]}]
status: {phase: Running, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: shop-1, namespace: shop, labels: {kubernetes.io/service-name: shop}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints: [{addresses: [10.0.0.9], conditions: {ready: true}}]
"""


MODE_MISSING = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {credentialName: shop-cert}
"""
"""A Gateway that is wrong by itself, whatever else there is."""


def healthy(now: datetime) -> list[Manifest]:
    """Return a cluster that serves one host over HTTPS as it should, on this day."""
    issued = ISSUER.issue(
        HOST, not_before=now - timedelta(days=10), not_after=now + timedelta(days=80)
    )
    return [
        *yaml.safe_load_all(_PLATFORM),
        *yaml.safe_load_all(_SHOP),
        issued.secret("istio-system", "shop-cert"),
    ]


def stored(objects: list[Manifest]) -> Issued:
    """Return what a cluster's Secret holds, as something that an Envoy can be given."""
    data = next(each for each in objects if each["kind"] == "Secret")["data"]
    leaf, *_ = load_pem_x509_certificates(b64decode(data["tls.crt"]))
    key: Any = load_pem_private_key(b64decode(data["tls.key"]), None)
    return Issued(certificate=leaf, key=key, intermediates_pem=ISSUER.chain_pem)


def without(objects: list[Manifest], kind: str, name: str) -> list[Manifest]:
    """Return the cluster without one object."""
    return [each for each in objects if (each["kind"], each["metadata"]["name"]) != (kind, name)]


def broken(now: datetime) -> list[Manifest]:
    """Return the cluster with its Secret beside the application, out of the pods' reach."""
    objects = deepcopy(healthy(now))
    secret = next(each for each in objects if each["kind"] == "Secret")
    secret["metadata"]["namespace"] = "shop"
    return objects


def written(objects: list[Manifest], path: Path) -> Path:
    """Write a cluster as one YAML file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump_all(objects, sort_keys=False), encoding="utf-8")
    return path


def anchors(path: Path) -> Path:
    """Write the root that the cluster's clients trust."""
    path.write_text(ROOT.pem, encoding="utf-8")
    return path
