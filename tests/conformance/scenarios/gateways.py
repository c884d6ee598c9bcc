"""Gateways of the Gateway API, with listeners that share ports and hosts."""

from tests.conformance.scenarios.draft import Draft
from tests.conformance.truth import Json

API = "gateway.networking.k8s.io"
CLASS: Json = {
    "apiVersion": f"{API}/v1",
    "kind": "GatewayClass",
    "metadata": {"name": "istio", "creationTimestamp": "2025-12-01T00:00:00Z"},
    "spec": {"controllerName": "istio.io/gateway-controller"},
}
SERVICE = "istio-ingressgateway.istio-system.svc.cluster.local"


def add_gateways(draft: Draft) -> None:
    """Add one or two Gateways on the pods of the ingress Service."""
    draft.add(CLASS)
    used = set()
    for _ in range(draft.weighted([1, 2], [70, 30])):
        name = draft.one("gw", "main", "main-2")
        namespace = "app1" if draft.chance(0.08) else "istio-system"
        if (name, namespace) in used:
            continue
        used.add((name, namespace))
        listeners = _listeners(draft, namespace)
        draft.add(gateway(draft.metadata(name, namespace), listeners))
        draft.listeners.append((name, namespace, listeners))


def gateway(metadata: Json, listeners: list[Json], service: str = SERVICE) -> Json:
    """Return a Gateway on pods that are there already."""
    return {
        "apiVersion": f"{API}/v1",
        "kind": "Gateway",
        "metadata": metadata,
        "spec": {
            "gatewayClassName": "istio",
            "addresses": [{"type": "Hostname", "value": service}],
            "listeners": listeners,
        },
    }


def _listeners(draft: Draft, namespace: str) -> list[Json]:
    listeners: list[Json] = []
    names: set[str] = set()
    for _ in range(draft.one(1, 2, 2, 3)):
        protocol = draft.weighted(["HTTP", "HTTPS", "TLS"], [50, 38, 12])
        name = draft.one("http", "https", "tls", "h2", "s2")
        if name in names and draft.chance(0.97):
            continue
        names.add(name)
        listener = _listener(draft, name, protocol, namespace)
        if any(_place(other) == _place(listener) for other in listeners):
            continue  # the CRD's own rule refuses it
        listeners.append(listener)
        draft.ports.add(listener["port"])
    everyone = {"namespaces": {"from": "All"}}
    plain = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": everyone}
    return listeners or [plain]


def _place(listener: Json) -> tuple[int, str, str | None]:
    return listener["port"], listener["protocol"], listener.get("hostname")


def _listener(draft: Draft, name: str, protocol: str, namespace: str) -> Json:
    # Each is drawn, whichever is used: seeds stay the scenarios they were.
    ports = {"HTTP": 80, "HTTPS": 443, "TLS": draft.one(443, 15443)}
    listener: Json = {"name": name, "port": ports[protocol], "protocol": protocol}
    if draft.chance(0.04):
        listener["port"] = draft.one(31400, 8080, 443, 9999)
    if draft.chance(0.72):
        host = draft.host()
        if host != "*":
            listener["hostname"] = host
    if protocol == "HTTPS":
        listener["tls"] = _terminated(draft, namespace)
    if protocol == "TLS":
        listener["tls"] = {"mode": "Passthrough"}
    allowed = _allowed(draft)
    if allowed:
        listener["allowedRoutes"] = allowed
    return listener


def _terminated(draft: Draft, namespace: str) -> Json:
    last = "missing-cert" if draft.chance(0.2) else "cert-a"
    reference = {"name": draft.one("cert-a", "cert-b", "cert-c", last)}
    if namespace != "istio-system" and draft.chance(0.7):
        reference["namespace"] = "istio-system"
    tls: Json = {"mode": "Terminate", "certificateRefs": [reference]}
    if draft.chance(0.1):
        tls.pop("mode")
    return tls


def _allowed(draft: Draft) -> Json:
    form = draft.random.random()
    if form < 0.6:
        return {"namespaces": {"from": "All"}}
    if form < 0.7:
        labels = {"kubernetes.io/metadata.name": draft.one("app1", "app2")}
        return {"namespaces": {"from": "Selector", "selector": {"matchLabels": labels}}}
    if form < 0.78:
        return {"namespaces": {"from": "Same"}}
    if form < 0.82:
        kind = draft.one("HTTPRoute", "TLSRoute", "GRPCRoute")
        return {"namespaces": {"from": "All"}, "kinds": [{"kind": kind}]}
    return {}
