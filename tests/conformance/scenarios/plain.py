"""Ordinary gateways and routes, so that what a kind adds to them decides the answer."""

from tests.conformance.scenarios.deployments import deploy
from tests.conformance.scenarios.draft import PATHS, Draft
from tests.conformance.scenarios.gateways import API, CLASS, gateway
from tests.conformance.scenarios.http_rules import http_match
from tests.conformance.truth import Json

GATEWAY = ("public", "istio-system")


def add_plain_istio(draft: Draft) -> None:
    """Add a Gateway for HTTP and HTTPS and a VirtualService for each of its hosts."""
    hosts = _hosts(draft)
    name, namespace = GATEWAY
    plain: Json = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": hosts}
    if draft.chance(0.2):
        plain["tls"] = {"httpsRedirect": True}
    secured: Json = {
        "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
        "hosts": hosts,
        "tls": {"mode": "SIMPLE", "credentialName": "cert-a"},
    }
    spec = {"selector": {"istio": "ingressgateway"}, "servers": [plain, secured]}
    _add(draft, "Gateway", draft.metadata(name, namespace), spec)
    draft.gateways.append((name, namespace))
    for number, host in enumerate(hosts):
        where = draft.one("app1", "app2")
        rules = [_rule(draft, where) for _ in range(draft.one(1, 2, 3))]
        spec = {"hosts": [host], "gateways": [f"{namespace}/{name}"], "http": rules}
        _add(draft, "VirtualService", draft.metadata(f"route-{number}", where), spec)


def _hosts(draft: Draft) -> list[str]:
    hosts = [draft.host(0) for _ in range(draft.one(1, 2, 2, 3))]
    if draft.chance(0.3):
        hosts.append(draft.host(1))
    return list(dict.fromkeys(hosts))


def _add(draft: Draft, kind: str, metadata: Json, spec: Json) -> None:
    api = "networking.istio.io/v1"
    draft.add({"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec})


def _rule(draft: Draft, namespace: str) -> Json:
    name, where, ports = _service(draft, namespace)
    host = f"{name}.{where}.svc.cluster.local"
    destination = {"host": host, "port": {"number": draft.random.choice(ports)}}
    rule: Json = {"route": [{"destination": destination}]}
    if draft.chance(0.7):
        rule["match"] = [_match(draft, namespace) for _ in range(draft.one(1, 1, 2))]
    return rule


def _match(draft: Draft, namespace: str) -> Json:
    if draft.chance(0.3):
        return http_match(draft, namespace)
    path = draft.random.choice(PATHS)
    draft.paths |= {path, path.rstrip("/") + "/sub"}
    return {"uri": {draft.one("prefix", "prefix", "exact"): path}}


def _service(draft: Draft, namespace: str) -> tuple[str, str, list[int]]:
    """Return a Service with pods, mostly of the namespace."""
    real = [each for each in draft.services if each[0] in ("web", "api")]
    near = [each for each in real if each[1] == namespace]
    return draft.random.choice(near if near and draft.chance(0.8) else real)


def add_plain_gateway_api(draft: Draft) -> None:
    """Add a Gateway that istiod deploys and an HTTPRoute for each of its hosts."""
    draft.add(CLASS)
    name, namespace = GATEWAY
    everyone = {"namespaces": {"from": "All"}}
    tls = {"mode": "Terminate", "certificateRefs": [{"name": "cert-a"}]}
    listeners: list[Json] = [
        {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": everyone},
        {
            "name": "https",
            "port": 443,
            "protocol": "HTTPS",
            "tls": tls,
            "allowedRoutes": everyone,
        },
    ]
    made = gateway(draft.metadata(name, namespace), listeners)
    deploy(draft, made, listeners, 0)
    draft.add(made)
    draft.listeners.append((name, namespace, listeners))
    for number, host in enumerate(_hosts(draft)):
        where = draft.one("app1", "app2")
        spec = {
            "parentRefs": [{"name": name, "namespace": namespace}],
            "hostnames": [host],
            "rules": [_http_rule(draft, where) for _ in range(draft.one(1, 2, 3))],
        }
        if host == "*":
            del spec["hostnames"]
        draft.add(
            {
                "apiVersion": f"{API}/v1",
                "kind": "HTTPRoute",
                "metadata": draft.metadata(f"route-{number}", where),
                "spec": spec,
            }
        )


def _http_rule(draft: Draft, namespace: str) -> Json:
    near = [each for each in draft.services if each[1] == namespace and each[0] in ("web", "api")]
    name, _, ports = draft.random.choice(near)
    rule: Json = {"backendRefs": [{"name": name, "port": draft.random.choice(ports)}]}
    if draft.chance(0.7):
        path = draft.random.choice(PATHS)
        draft.paths |= {path, path.rstrip("/") + "/sub"}
        kind = draft.one("PathPrefix", "PathPrefix", "Exact")
        rule["matches"] = [{"path": {"type": kind, "value": path}}]
    return rule
