"""VirtualServices for the hosts of gateways, and those they delegate to."""

from tests.conformance.scenarios.connection_rules import tcp_rule, tls_rule
from tests.conformance.scenarios.destinations import gateway_reference
from tests.conformance.scenarios.draft import NAMESPACES, ROUTE_NAMES, Draft, clash
from tests.conformance.scenarios.http_rules import http_rule
from tests.conformance.truth import Json

EXPORTS = [
    ["."],
    ["*"],
    ["istio-system"],
    ["app1"],
    ["app2", "istio-system"],
    [".", "istio-system"],
    ["app1"],
]


def add_virtual_services(draft: Draft) -> None:
    """Add up to five VirtualServices and, where one delegates, candidates for that."""
    used = set()
    count = draft.weighted([1, 2, 3, 4, 5], [20, 30, 25, 15, 10])
    hosts = list(draft.hosts) or ["a.example.com"]
    for _ in range(count):
        name = draft.random.choice(ROUTE_NAMES)
        namespace = draft.weighted(NAMESPACES, [15, 45, 35, 5])
        if (name, namespace) not in used:
            used.add((name, namespace))
            _add_root(draft, name, namespace, hosts)
    rules = (r for each in draft.of_kind("VirtualService") for r in each["spec"].get("http", []))
    if any(rule.get("delegate") for rule in rules):
        _add_delegates(draft)


def _add(draft: Draft, name: str, namespace: str, spec: Json) -> None:
    draft.add(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": draft.metadata(name, namespace),
            "spec": spec,
        }
    )


def _add_root(draft: Draft, name: str, namespace: str, pool: list[str]) -> None:
    focus = draft.random.choice(draft.gateways) if draft.gateways else None
    hosts = _hosts(draft, pool, _served(draft, focus) if focus else [])
    spec: Json = {"hosts": hosts, "gateways": _gateways(draft, namespace, focus)}
    if draft.chance(0.04):
        del spec["gateways"]
    if draft.chance(0.13):
        spec["exportTo"] = draft.one(*EXPORTS)
    _add_rules(draft, spec, namespace)
    _add(draft, name, namespace, spec)


def _served(draft: Draft, gateway: tuple[str, str]) -> list[str]:
    """Return the hosts of an Istio Gateway's servers."""
    return [
        host.split("/")[-1]
        for each in draft.of_kind("Gateway")
        if gateway == (each["metadata"]["name"], each["metadata"]["namespace"])
        for server in each["spec"].get("servers", [])
        for host in server["hosts"]
    ]


def _hosts(draft: Draft, pool: list[str], served: list[str]) -> list[str]:
    hosts: list[str] = []
    for _ in range(draft.weighted([1, 2, 3], [70, 22, 8])):
        host = _host(draft, pool, served)
        if not any(clash(host, other) for other in hosts) or draft.chance(0.01):
            hosts.append(host)
    return hosts


def _host(draft: Draft, pool: list[str], served: list[str]) -> str:
    host = draft.random.choice(sorted(pool)) if draft.chance(0.6) else draft.host(0.3)
    if served and draft.chance(0.7):
        host = draft.random.choice(served)
        if host == "*" and draft.chance(0.6):
            host = draft.host(0.2)
        elif host.startswith("*.") and draft.chance(0.5):
            host = draft.one("q", "www", "*.r") + host[1:]
        draft.hosts.add(host)
    if draft.chance(0.03):
        host = draft.one("web", "web.app1.svc.cluster.local", "shop")
        draft.hosts.add(host)
    return host


def _gateways(draft: Draft, namespace: str, focus: tuple[str, str] | None) -> list[str]:
    if focus and draft.chance(0.75):
        named = [f"{focus[1]}/{focus[0]}"]
    else:
        named = [gateway_reference(draft, namespace)]
    more = draft.weighted([0, 1], [75, 25])
    named += [gateway_reference(draft, namespace) for _ in range(more)]
    return list(dict.fromkeys(named))


def _add_rules(draft: Draft, spec: Json, namespace: str) -> None:
    form = draft.random.random()
    if form < 0.8:
        count = draft.weighted([1, 2, 3, 4], [30, 35, 25, 10])
        spec["http"] = [http_rule(draft, namespace) for _ in range(count)]
        if draft.chance(0.1):
            spec["tls"] = [tls_rule(draft, namespace, spec["hosts"])]
        if draft.chance(0.05):
            spec["tcp"] = [tcp_rule(draft, namespace)]
    elif form < 0.95:
        count = draft.one(1, 1, 2)
        spec["tls"] = [tls_rule(draft, namespace, spec["hosts"]) for _ in range(count)]
        if draft.chance(0.15):
            spec["tcp"] = [tcp_rule(draft, namespace)]
    else:
        count = draft.one(1, 2)
        spec["tcp"] = [tcp_rule(draft, namespace) for _ in range(count)]


def _add_delegates(draft: Draft) -> None:
    for name in ("dele", "dele-2"):
        for namespace in ("app1", "app2", "istio-system"):
            if draft.chance(0.55):
                _add_delegate(draft, name, namespace)


def _add_delegate(draft: Draft, name: str, namespace: str) -> None:
    count = draft.one(1, 2, 3)
    rules = [http_rule(draft, namespace, is_root=draft.chance(0.1)) for _ in range(count)]
    spec: Json = {"http": rules}
    if draft.chance(0.2):
        spec["exportTo"] = draft.one(["."], ["*"], ["app1"], ["app2"])
    _add(draft, name, namespace, spec)
