"""A cluster of size n.

It has n VirtualServices, n Services, n/5 Gateways on 4 gateway workloads, n/2 Secrets, n/5 pods.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from istiodoctor.testing.certificates import Authority

GATEWAYS = 4
ROUTES_PER_GATEWAY = 5
Manifest = dict[str, Any]


def objects(size: int) -> Iterator[Manifest]:
    """Yield every object of a cluster of this size; all of it is healthy."""
    yield from _platform()
    for index in range(size // 5):
        yield _gateway(index, size)
    for index in range(size):
        yield _service(index)
        yield _virtual_service(index)
    for index in range(size // 5 - GATEWAYS):
        yield _backend_pod(index)
    yield from _secrets(size)


def write_yaml(size: int, path: Path) -> None:
    """Write the cluster as one YAML file."""
    with path.open("w", encoding="utf-8") as file:
        for each in objects(size):
            yaml.dump(each, file, Dumper=yaml.CSafeDumper, explicit_start=True)


def write_json(size: int, path: Path) -> None:
    """Write the cluster as one JSON list, for the API server."""
    path.write_text(
        json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects(size))}),
        encoding="utf-8",
    )


def _metadata(name: str, namespace: str = "", **more: Any) -> Manifest:
    where = {"namespace": namespace} if namespace else {}
    created = "2025-01-01T00:00:00Z"
    return {"metadata": {"name": name, **where, "creationTimestamp": created, **more}}


def _platform() -> Iterator[Manifest]:
    yield _istiod()
    for number in range(GATEWAYS):
        namespace, label = f"ingress-{number}", {"istio": f"gateway-{number}"}
        yield {"apiVersion": "v1", "kind": "Namespace", **_metadata(namespace)}
        yield {
            "apiVersion": "v1",
            "kind": "Pod",
            **_metadata(f"gateway-{number}", namespace, labels=label),
            "spec": {
                "serviceAccountName": "gateway",
                "containers": [
                    {
                        "name": "istio-proxy",
                        "image": "istio/proxyv2:1.26.5",
                        "args": ["proxy", "router"],
                    }
                ],
            },
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        }
        yield {
            "apiVersion": "v1",
            "kind": "Service",
            **_metadata("gateway", namespace),
            "spec": {
                "type": "LoadBalancer",
                "selector": label,
                "ports": [
                    {"name": "http2", "port": 80, "targetPort": 8080},
                    {"name": "https", "port": 443, "targetPort": 8443},
                ],
            },
            "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}},
        }
        yield from _rights(namespace)


def _istiod() -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        **_metadata("istiod", "istio-system", labels={"app": "istiod"}),
        "spec": {"containers": [{"name": "discovery", "image": "istio/pilot:1.26.5"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def _rights(namespace: str) -> Iterator[Manifest]:
    group = "rbac.authorization.k8s.io"
    yield {
        "apiVersion": f"{group}/v1",
        "kind": "Role",
        **_metadata("gateway-sds", namespace),
        "rules": [
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "watch", "list"]}
        ],
    }
    yield {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        **_metadata("gateway-sds", namespace),
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "gateway-sds"},
        "subjects": [{"kind": "ServiceAccount", "name": "gateway", "namespace": namespace}],
    }


def _host(index: int) -> str:
    return f"app-{index}.example.com"


def _gateway(index: int, size: int) -> Manifest:
    """Return a Gateway that serves five hosts: some by one Secret each, some together."""
    first = index * ROUTES_PER_GATEWAY
    hosts = [_host(first + offset) for offset in range(ROUTES_PER_GATEWAY)]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        **_metadata(f"gateway-{index}", f"team-{index % 50}"),
        "spec": {
            "selector": {"istio": f"gateway-{index % GATEWAYS}"},
            "servers": [
                {
                    "port": {"number": 80, "name": "http", "protocol": "HTTP"},
                    "hosts": hosts,
                    "tls": {"httpsRedirect": True},
                },
                *(
                    {
                        "port": {"number": 443, "name": f"https-{part}", "protocol": "HTTPS"},
                        "hosts": served,
                        "tls": {"mode": "SIMPLE", "credentialName": f"tls-{index}-{part}"},
                    }
                    for part, served in enumerate((hosts[:3], hosts[3:]))
                ),
            ],
        },
    }


def _service(index: int) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        **_metadata(f"app-{index}", f"team-{index // ROUTES_PER_GATEWAY % 50}"),
        "spec": {
            "selector": {"app": f"app-{index}"},
            "ports": [{"name": "http", "port": 8080, "targetPort": 8080}],
        },
    }


def _virtual_service(index: int) -> Manifest:
    team = index // ROUTES_PER_GATEWAY % 50
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        **_metadata(f"app-{index}", f"team-{team}"),
        "spec": {
            "hosts": [_host(index)],
            "gateways": [f"gateway-{index // ROUTES_PER_GATEWAY}"],
            "http": [
                {
                    "match": [{"uri": {"prefix": "/api/"}}],
                    "route": [{"destination": {"host": f"app-{index}", "port": {"number": 8080}}}],
                },
                {
                    "route": [
                        {"destination": {"host": f"app-{index}.team-{team}.svc.cluster.local"}}
                    ]
                },
            ],
        },
    }


def _backend_pod(index: int) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        **_metadata(f"app-{index}", f"team-{index % 50}", labels={"app": f"app-{index}"}),
        "spec": {"containers": [{"name": "app", "image": "example/app:1"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def _secrets(size: int) -> Iterator[Manifest]:
    """Yield n/2 Secrets: two for each Gateway beside its pods, and a tenth that nobody uses."""
    authority = Authority("Benchmark Intermediate", parent=Authority("Benchmark Root"))
    now = datetime.now(UTC)
    made = 0
    for index in range(size // 5):
        first = index * ROUTES_PER_GATEWAY
        hosts = [_host(first + offset) for offset in range(ROUTES_PER_GATEWAY)]
        for part, served in enumerate((hosts[:3], hosts[3:])):
            issued = authority.issue(
                *served, not_before=now - timedelta(days=10), not_after=now + timedelta(days=80)
            )
            made += 1
            yield issued.secret(f"ingress-{index % GATEWAYS}", f"tls-{index}-{part}")
    for index in range(size // 2 - made):
        issued = authority.issue(f"unused-{index}.example.com")
        yield issued.secret(f"team-{index % 50}", f"unused-{index}")
