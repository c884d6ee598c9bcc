"""Whole clusters in few words, and their scan as files by the installed checks."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from istiodoctor.engine import Options, scan
from istiodoctor.mesh.facts import Facts
from istiodoctor.model.x509_facts import facts_of
from istiodoctor.registry import discover
from istiodoctor.report import Report
from istiodoctor.sources.files import open_files
from istiodoctor.testing.clusters import materialized
from istiodoctor.testing.words import NOW, authority
from tests.support.objects import INGRESS, RBAC, Manifest, made, pod, service

CHECKS = discover().checks
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
WEB_PORTS = ((80, 8080), (443, 8443))
PROXY = "istio/proxyv2:1.24.2"


def scanned(
    folder: Path,
    *objects: Manifest,
    whole_cluster: bool = True,
    logs: Mapping[str, str] | None = None,
) -> Report:
    """Write objects and logs (`namespace/pod/container`) into a folder, and scan it."""
    folder.mkdir(parents=True, exist_ok=True)
    items = [materialized(each) for each in objects]
    (folder / "objects.json").write_text(json.dumps({"kind": "List", "items": items}))
    for where, text in (logs or {}).items():
        file = folder / "logs" / f"{where}.log"
        file.parent.mkdir(parents=True)
        file.write_text(text)
    return scanned_folder(folder, whole_cluster=whole_cluster)


def scanned_folder(folder: Path, *, whole_cluster: bool = False) -> Report:
    """Scan a folder as it is; clients trust the root of the certificates in words."""
    root = facts_of(authority("Example Root").certificate.public_bytes(Encoding.DER))
    assert root
    source = open_files(
        [str(folder)],
        whole_cluster=whole_cluster,
        stdin=None,
        since=timedelta(hours=1),
        now=NOW,
    )
    return scan(source, CHECKS, Options(facts=Facts(trusted_subjects=frozenset({root.subject}))))


def control_plane(version: str = "1.24.2", **env: str) -> tuple[Manifest, ...]:
    """Return istiod and its configuration."""
    container = {
        "name": "discovery",
        "image": f"istio/pilot:{version}",
        "env": [{"name": key, "value": value} for key, value in env.items()],
    }
    labels = {"app": "istiod", "istio.io/rev": "default"}
    return (
        made("v1", "Namespace", "istio-system", "", labels={}),
        made("v1", "ConfigMap", "istio", "istio-system", data={"mesh": "trustDomain: local\n"}),
        made(
            "v1",
            "Pod",
            "istiod-0",
            "istio-system",
            labels=labels,
            spec={"containers": [container]},
            status=READY,
        ),
    )


def ingress(
    name: str = "ingress",
    namespace: str = "istio-system",
    *,
    labels: Manifest = INGRESS,
    ports: tuple[tuple[int, int], ...] = WEB_PORTS,
    selector: Manifest | None = None,
    has_role: bool = True,
    unprivileged: bool = True,
    image: str = PROXY,
    annotations: Manifest | None = None,
    **spec: Any,
) -> tuple[Manifest, ...]:
    """Return a gateway's pod, Service (`spec` is its) and rights, as the charts make them."""
    env = {"ISTIO_META_UNPRIVILEGED_POD": "true"} if unprivileged else {}
    status = {"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}}
    entries = [{"name": f"p{port}", "port": port, "targetPort": to} for port, to in ports]
    return (
        pod(
            f"{name}-pod",
            namespace,
            labels=labels,
            env=env,
            image=image,
            spec={"serviceAccountName": name, "nodeName": "node-1"},
            status=READY,
        ),
        service(
            name,
            namespace,
            *entries,
            selector=selector or labels,
            spec={"type": "LoadBalancer"} | spec,
            annotations=annotations or {},
            status=status,
        ),
        *(rights(name, namespace) if has_role else ()),
    )


def rights(account: str, namespace: str) -> tuple[Manifest, ...]:
    """Return what lets a ServiceAccount read the Secrets of its namespace."""
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "watch", "list"]}
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account}
    return (
        made(RBAC, "Role", account, namespace, rules=[rule]),
        made(RBAC, "RoleBinding", account, namespace, roleRef=role, subjects=[subject]),
    )


def backend(
    name: str, namespace: str, *, port: int = 80, port_name: str = "http", ready: bool = True
) -> tuple[Manifest, ...]:
    """Return an application: Service, pod with a sidecar, endpoints."""
    labels = {"app": name}
    containers = [
        {"name": "app", "image": "example/app:1"},
        {"name": "istio-proxy", "image": PROXY, "args": ["proxy", "sidecar"]},
    ]
    slice_labels = {"kubernetes.io/service-name": name}
    endpoint = {"addresses": ["10.0.1.9"], "conditions": {"ready": ready}}
    conditions = [{"type": "Ready", "status": str(ready)}]
    return (
        service(
            name,
            namespace,
            {"name": port_name, "port": port, "targetPort": 8080},
            selector=labels,
        ),
        made(
            "v1",
            "Pod",
            f"{name}-pod",
            namespace,
            labels=labels,
            spec={"containers": containers},
            status={"phase": "Running", "conditions": conditions},
        ),
        made(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            f"{name}-1",
            namespace,
            labels=slice_labels,
            addressType="IPv4",
            ports=[{"name": port_name, "port": 8080}],
            endpoints=[endpoint],
        ),
    )


def certificate(hosts: str, name: str, namespace: str = "istio-system", **more: str) -> Manifest:
    """Return a Secret for these hosts; what follows a semicolon are the certificate's options."""
    first = hosts.partition(";")[0].partition(",")[0]
    data = {"tls.crt": f"certificate for {hosts}", "tls.key": f"key of {first}"} | more
    return made("v1", "Secret", name, namespace, type="kubernetes.io/tls", stringData=data)
