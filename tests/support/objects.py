"""Kubernetes objects in a line each, for claims about the mesh."""

import json
from typing import Any

from istiodoctor.mesh import Mesh
from istiodoctor.model.snapshot import Snapshot
from istiodoctor.testing.clusters import cluster

Manifest = dict[str, Any]
ISTIO = "networking.istio.io/v1"
GATEWAY_API = "gateway.networking.k8s.io/v1"
RBAC = "rbac.authorization.k8s.io/v1"
INGRESS = {"istio": "ingressgateway"}


def snapshot_of(*objects: Manifest) -> Snapshot:
    """Return objects as a cluster that was read completely."""
    return cluster("\n---\n".join(map(json.dumps, objects)))


def mesh_of(*objects: Manifest) -> Mesh:
    """Return the mesh of objects that are a whole cluster."""
    return Mesh(snapshot_of(*objects))


def made(api_version: str, kind: str, name: str, namespace: str, **fields: Any) -> Manifest:
    """Return an object; labels, annotations, age and owners go to its metadata."""
    metadata: Manifest = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if created := fields.pop("created", None):
        metadata["creationTimestamp"] = f"{created}T00:00:00Z"
    for key in ("labels", "annotations", "ownerReferences"):
        if key in fields:
            metadata[key] = fields.pop(key)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def pod(name: str = "gateway", namespace: str = "istio-system", **fields: Any) -> Manifest:
    """Return a pod of a gateway; `image`, `env`, `ports` are those of its proxy."""
    fields.setdefault("labels", INGRESS)
    proxy = {
        "name": "istio-proxy",
        "image": fields.pop("image", "istio/proxyv2:1.24.1"),
        "args": ["proxy", "router"],
        "env": [{"name": key, "value": value} for key, value in fields.pop("env", {}).items()],
        "ports": fields.pop("ports", []),
    }
    spec = {"containers": [proxy], **fields.pop("spec", {})}
    return made("v1", "Pod", name, namespace, spec=spec, **fields)


def istiod(version: str = "1.24.1", revision: str = "", **env: str) -> Manifest:
    """Return a pod of istiod."""
    labels = {"app": "istiod", **({"istio.io/rev": revision} if revision else {})}
    container = {
        "name": "discovery",
        "image": f"istio/pilot:{version}",
        "env": [{"name": key, "value": value} for key, value in env.items()],
    }
    name = f"istiod-{revision or 'default'}"
    return made("v1", "Pod", name, "istio-system", labels=labels, spec={"containers": [container]})


def service(name: str, namespace: str, *ports: int | Manifest, **fields: Any) -> Manifest:
    """Return a Service; a port is its number, or the whole entry."""
    entries = [
        {"name": f"p{each}", "port": each} if isinstance(each, int) else each for each in ports
    ]
    spec = {"selector": fields.pop("selector", INGRESS), "ports": entries}
    return made("v1", "Service", name, namespace, spec=spec | fields.pop("spec", {}), **fields)


def server(
    port: int, protocol: str, *hosts: str, tls: Manifest | None = None, **fields: Any
) -> Manifest:
    """Return a server of an Istio Gateway."""
    name = fields.pop("name", f"{protocol.lower()}-{port}-{hosts[0] if hosts else ''}")
    entry = {"port": {"number": port, "protocol": protocol, "name": name}, "hosts": list(hosts)}
    return {**entry, **({"tls": tls} if tls is not None else {}), **fields}


def https(*hosts: str, credential: str = "cert", mode: str = "SIMPLE", **fields: Any) -> Manifest:
    """Return an HTTPS server on 443 with a credential."""
    tls = {"mode": mode, "credentialName": credential}
    return server(443, "HTTPS", *hosts, tls=tls, **fields)


def gateway(
    name: str, namespace: str, *servers: Manifest, selector: Manifest = INGRESS, **fields: Any
) -> Manifest:
    """Return an Istio Gateway."""
    spec = {"selector": selector, "servers": list(servers)}
    return made(ISTIO, "Gateway", name, namespace, spec=spec, **fields)


def virtual_service(name: str, namespace: str, *hosts: str, **fields: Any) -> Manifest:
    """Return a VirtualService; `gateways`, `http`, `tls` and `exportTo` are its spec's."""
    spec = {
        key: fields.pop(key) for key in ("gateways", "http", "tls", "exportTo") if key in fields
    }
    return made(
        ISTIO, "VirtualService", name, namespace, spec={"hosts": list(hosts), **spec}, **fields
    )


def route(host: str, **destination: Any) -> Manifest:
    """Return an HTTP rule without a match that leads to a host."""
    return {"route": [{"destination": {"host": host, **destination}}]}


def secret(name: str, namespace: str = "istio-system", *keys: str, **values: str) -> Manifest:
    """Return a Secret with a server certificate, or with the keys named."""
    data = dict.fromkeys(keys, "authority Clients") | values
    if not data:
        data = {"tls.crt": "certificate for a.example.com", "tls.key": "key of a.example.com"}
    return made("v1", "Secret", name, namespace, stringData=data)


def grant(namespace: str, origin: str, **fields: Any) -> Manifest:
    """Return a ReferenceGrant that lets Gateways of a namespace refer to Secrets."""
    group = "gateway.networking.k8s.io"
    kind = fields.pop("kind", "Gateway")
    spec = {
        "from": [{"group": group, "kind": kind, "namespace": origin}],
        "to": [fields.pop("to", {"group": "", "kind": "Secret"})],
    }
    return made(f"{group}/v1beta1", "ReferenceGrant", "grant", namespace, spec=spec)


def api_gateway(
    name: str, namespace: str, *listeners: Manifest, created: str = "", **spec: Any
) -> Manifest:
    """Return a Gateway of the Gateway API of Istio's class."""
    whole = {"gatewayClassName": "istio", "listeners": list(listeners)} | spec
    return made(GATEWAY_API, "Gateway", name, namespace, created=created, spec=whole)


def listener(
    name: str, port: int = 80, protocol: str = "HTTP", hostname: str = "", **fields: Any
) -> Manifest:
    """Return a listener; routes of every namespace may attach to it."""
    entry = {"name": name, "port": port, "protocol": protocol}
    named = {"hostname": hostname} if hostname else {}
    return {**entry, **named, "allowedRoutes": {"namespaces": {"from": "All"}}, **fields}


def api_route(
    kind: str,
    name: str,
    namespace: str,
    *rules: Manifest,
    parents: tuple[Manifest, ...] = ({"name": "web", "namespace": "edge"},),
    created: str = "",
    **spec: Any,
) -> Manifest:
    """Return a route of the Gateway API, on the Gateway edge/web."""
    whole = {"parentRefs": list(parents), "rules": list(rules)} | spec
    return made(GATEWAY_API, kind, name, namespace, created=created, spec=whole)


def ingress(
    name: str, namespace: str, *rules: Manifest, created: str = "", **fields: Any
) -> Manifest:
    """Return an Ingress of the class `istio` by its annotation; other fields are its spec's."""
    annotations = fields.pop("annotations", {"kubernetes.io/ingress.class": "istio"})
    spec = {"rules": list(rules)} | fields
    return made(
        "networking.k8s.io/v1",
        "Ingress",
        name,
        namespace,
        created=created,
        annotations=annotations,
        spec=spec,
    )


def web_pod(name: str, namespace: str = "app1", **fields: Any) -> Manifest:
    """Return a pod behind a Service, ready; `ip`, `node` and `labels` are its own."""
    spec = {"nodeName": fields.pop("node", ""), "containers": [{"name": "web"}]}
    ready = fields.pop("ready", True)
    status = {
        "phase": fields.pop("phase", "Running"),
        "podIP": fields.pop("ip", "10.0.0.1"),
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
    }
    fields.setdefault("labels", {"app": "web"})
    return made("v1", "Pod", name, namespace, spec=spec, status=status, **fields)


def endpoint(address: str, pod_name: str = "", namespace: str = "app1", **fields: Any) -> Manifest:
    """Return an endpoint of an EndpointSlice; `ready` and the like are its conditions."""
    entry: Manifest = {"addresses": [address], "conditions": fields}
    if pod_name:
        entry["targetRef"] = {"kind": "Pod", "namespace": namespace, "name": pod_name}
    return entry


def endpoint_slice(
    service_name: str, namespace: str, *endpoints: Manifest, **ports: int
) -> Manifest:
    """Return the EndpointSlice of a Service with named ports."""
    return made(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        f"{service_name}-1",
        namespace,
        labels={"kubernetes.io/service-name": service_name},
        addressType="IPv4",
        endpoints=list(endpoints),
        ports=[{"name": name, "port": port} for name, port in ports.items()],
    )


def service_entry(name: str, namespace: str, *hosts: str, **fields: Any) -> Manifest:
    """Return a ServiceEntry of port 443; what its spec has is given by name."""
    metadata = {
        key: fields.pop(key) for key in ("created", "labels", "annotations") if key in fields
    }
    spec = {
        "hosts": list(hosts),
        "ports": [{"number": 443, "name": "tls", "protocol": "TLS"}],
        "resolution": "DNS",
        **fields,
    }
    return made(ISTIO, "ServiceEntry", name, namespace, spec=spec, **metadata)


def destination_rule(
    name: str, namespace: str, host: str, *subsets: str, **fields: Any
) -> Manifest:
    """Return a DestinationRule whose subsets are versions; other fields are its spec's."""
    created = {"created": fields.pop("created")} if "created" in fields else {}
    spec = {
        "host": host,
        "subsets": [{"name": each, "labels": {"version": each}} for each in subsets],
        **fields,
    }
    return made(ISTIO, "DestinationRule", name, namespace, spec=spec, **created)
