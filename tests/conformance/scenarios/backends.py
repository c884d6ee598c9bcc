"""What routes lead to: Services, ServiceEntries, and the DestinationRules about them."""

from tests.conformance.scenarios.cluster import add_slice, port, ready
from tests.conformance.scenarios.draft import Draft
from tests.conformance.truth import Json


def add_backends(draft: Draft) -> None:
    """Add Services with pods in each namespace, and the odd ones beside them."""
    number = 10
    for namespace in ("app1", "app2", "istio-system"):
        for name in ("web", "api"):
            if namespace == "istio-system" and draft.chance(0.7):
                continue
            number += 1
            ports = _ports(draft, name)
            add_service(draft, name, namespace, ports, number, is_empty=draft.chance(0.08))
    if draft.chance(0.5):
        exported = draft.one(".", "app1", "*", "istio-system", "~", ".,istio-system")
        annotations = {"networking.istio.io/exportTo": exported}
        ports = [port("http", 80, 8080)]
        add_service(draft, "hidden", "app2", ports, 40, annotations=annotations)
    if draft.chance(0.3):
        _add_external_name(draft)
    if draft.chance(0.3):
        _add_headless(draft)
    if draft.chance(0.4):
        _add_service_entry(draft)
    for _ in range(draft.one(0, 0, 1, 1, 2)):
        _add_destination_rule(draft)


def _ports(draft: Draft, name: str) -> list[Json]:
    ports = [port("http", 80, 8080)]
    if name == "api" and draft.chance(0.6):
        ports.append(port("http-alt", 9090, 9090))
    if draft.chance(0.15):
        ports.append(port("https", 443, 8443))
    if draft.chance(0.15):
        ports = [port("http", 8000, 8080)]
    return ports


def add_service(
    draft: Draft,
    name: str,
    namespace: str,
    ports: list[Json],
    number: int,
    is_empty: bool = False,
    annotations: Json | None = None,
) -> None:
    """Add a Service with a pod of each of two versions; `number` makes its addresses."""
    metadata = draft.metadata(name, namespace)
    if annotations:
        metadata["annotations"] = annotations
    draft.add(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {
                "clusterIP": f"10.97.0.{number}",
                "selector": {"app": name},
                "ports": ports,
            },
        }
    )
    addresses = [] if is_empty else [f"10.2.{number}.1", f"10.2.{number}.2"]
    for address, version in zip(addresses, ("v1", "v2"), strict=False):
        draft.pods[address] = f"{name}-{version}"
        draft.add(_pod(name, namespace, version, address))
    add_slice(
        draft, name, namespace, [(each["name"], each["targetPort"]) for each in ports], addresses
    )
    draft.services.append((name, namespace, [each["port"] for each in ports]))


def _pod(name: str, namespace: str, version: str, address: str) -> Json:
    container = {"name": "c", "image": "x:1", "ports": [{"containerPort": 8080}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-{version}",
            "namespace": namespace,
            "labels": {"app": name, "version": version},
        },
        "spec": {"nodeName": "n1", "containers": [container]},
        "status": ready(address),
    }


def _add_external_name(draft: Draft) -> None:
    service: Json = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "ext", "namespace": "app1"},
        "spec": {"type": "ExternalName", "externalName": "outside.example.org"},
    }
    if draft.chance(0.5):
        service["spec"]["ports"] = [{"name": "http", "port": 80, "protocol": "TCP"}]
    draft.add(service)
    draft.services.append(("ext", "app1", [80]))


def _add_headless(draft: Draft) -> None:
    draft.add(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "headless", "namespace": "app1"},
            "spec": {
                "clusterIP": "None",
                "selector": {"app": "headless"},
                "ports": [port("http", 80, 8080)],
            },
        }
    )
    add_slice(draft, "headless", "app1", [("http", 8080)], ["10.2.9.1"])
    draft.services.append(("headless", "app1", [80]))


def _add_service_entry(draft: Draft) -> None:
    metadata = draft.metadata("ext", draft.one("app1", "istio-system"))
    spec: Json = {"hosts": [draft.one("ext.partner.org", "*.partner.org")]}
    number = draft.one(443, 80)
    protocol = draft.one("HTTPS", "HTTP", "TLS")
    spec["ports"] = [{"number": number, "name": "x", "protocol": protocol}]
    spec["location"] = "MESH_EXTERNAL"
    spec["resolution"] = draft.one("DNS", "NONE", "STATIC")
    if spec["hosts"][0].startswith("*"):
        spec["resolution"] = "NONE"
    if spec["resolution"] == "STATIC":
        spec["endpoints"] = [{"address": "192.0.2.1"}] if draft.chance(0.7) else []
    if draft.chance(0.3):
        spec["exportTo"] = [draft.one(".", "*", "app2")]
    draft.add(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "ServiceEntry",
            "metadata": metadata,
            "spec": spec,
        }
    )


def _add_destination_rule(draft: Draft) -> None:
    name, namespace, _ = draft.random.choice(draft.services)
    where = draft.one(namespace, namespace, namespace, "istio-system", "app2")
    full = f"{name}.{namespace}.svc.cluster.local"
    host = draft.one(full, name, full, f"*.{namespace}.svc.cluster.local")
    metadata = draft.metadata(draft.one("dr", "dr-2", "rules"), where)
    versions = draft.one(["v1"], ["v1", "v2"], ["v1", "v9"])
    spec: Json = {
        "host": host,
        "subsets": [{"name": each, "labels": {"version": each}} for each in versions],
    }
    if draft.chance(0.25):
        spec["exportTo"] = draft.one(["."], ["*"], ["app2"], ["istio-system"])
    if draft.chance(0.1):
        app = draft.one("web", "istio-ingressgateway")
        spec["workloadSelector"] = {"matchLabels": {"app": app}}
    if not draft.has("DestinationRule", where, metadata["name"]):
        draft.add(
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": "DestinationRule",
                "metadata": metadata,
                "spec": spec,
            }
        )
