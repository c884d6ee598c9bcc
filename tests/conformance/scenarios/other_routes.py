"""TLSRoutes, TCPRoutes, GRPCRoutes and HTTPRoutes, on Gateways and on ListenerSets."""

from tests.conformance.scenarios.draft import NAMESPACES, Draft
from tests.conformance.scenarios.gateways import API
from tests.conformance.scenarios.routes import (
    add_route,
    backend,
    header_matches,
    hostnames,
    http_route_rules,
)
from tests.conformance.truth import Json

SERVICES = ("shop.Cart", "shop.Orders", "api")
METHODS = ("Get", "List", "Watch")
GRPC_PATHS = ("/shop.Cart/Get", "/shop.Cart/List", "/shop.Orders/Get", "/api/Watch", "/api/v1")


def add_routes_of_every_kind(draft: Draft) -> None:
    """Add three to seven routes; each kind where a listener takes it, now and then elsewhere."""
    for _ in range(draft.one(3, 4, 5, 6, 7)):
        protocols = {each["protocol"] for each in _every_listener(draft)}
        weights = [
            40 if protocols & {"HTTP", "HTTPS"} else 5,
            20 if protocols & {"HTTP", "HTTPS"} else 3,
            35 if "TLS" in protocols else 4,
            25 if "TCP" in protocols else 4,
        ]
        add = draft.weighted([_add_http, _add_grpc, _add_tls, _add_tcp], weights)
        add(draft, draft.weighted(NAMESPACES, [20, 45, 30, 5]))


def _every_listener(draft: Draft) -> list[Json]:
    groups = [*draft.listeners, *draft.listener_sets]
    return [each for _, _, listeners in groups for each in listeners]


def _parent(draft: Draft, namespace: str, *protocols: str) -> Json:
    """Return a reference to a Gateway or ListenerSet, mostly to one with such a listener."""
    groups = [("Gateway", *each) for each in draft.listeners]
    groups += [("ListenerSet", *each) for each in draft.listener_sets] * 2
    fitting = [
        group
        for group in groups
        if any(each["protocol"] in protocols for each in group[3]) or draft.chance(0.1)
    ]
    kind, name, where, listeners = draft.random.choice(fitting or groups)
    reference: Json = {"group": API, "kind": kind, "name": name}
    if where != namespace:
        reference["namespace"] = where
    if listeners and draft.chance(0.3):
        reference["sectionName"] = draft.random.choice(listeners)["name"]
    if listeners and draft.chance(0.08):
        reference["port"] = draft.random.choice(listeners)["port"]
    return reference


def _add_http(draft: Draft, namespace: str) -> None:
    spec: Json = {"parentRefs": [_parent(draft, namespace, "HTTP", "HTTPS")]}
    spec |= _hostnames(draft)
    spec["rules"] = http_route_rules(draft, namespace)
    add_route(draft, "HTTPRoute", namespace, spec)


def _hostnames(draft: Draft) -> Json:
    found = hostnames(draft)
    return {"hostnames": found} if found else {}


def _add_grpc(draft: Draft, namespace: str) -> None:
    spec: Json = {"parentRefs": [_parent(draft, namespace, "HTTP", "HTTPS")]}
    spec |= _hostnames(draft)
    spec["rules"] = [_grpc_rule(draft, namespace) for _ in range(draft.one(1, 1, 2))]
    draft.paths |= set(GRPC_PATHS)
    add_route(draft, "GRPCRoute", namespace, spec)


def _grpc_rule(draft: Draft, namespace: str) -> Json:
    rule: Json = {"backendRefs": _weighted(draft, namespace)}
    if draft.chance(0.8):
        rule["matches"] = [_grpc_match(draft) for _ in range(draft.one(1, 1, 2))]
    return rule


def _grpc_match(draft: Draft) -> Json:
    match: Json = {}
    if draft.chance(0.85):
        method: Json = {}
        if draft.chance(0.8):
            method["service"] = draft.one(*SERVICES)
        if draft.chance(0.6) or not method:
            method["method"] = draft.one(*METHODS)
        if draft.chance(0.2):
            method["type"] = "RegularExpression"
            method |= {key: f"{value[:2]}.*" for key, value in method.items() if key != "type"}
        match["method"] = method
    if draft.chance(0.2):
        match["headers"] = header_matches(draft)
    return match


def _weighted(draft: Draft, namespace: str) -> list[Json]:
    count = draft.weighted([1, 2], [80, 20])
    backends = [_backend(draft, namespace) for _ in range(count)]
    if len(backends) == 2:
        for each, weight in zip(backends, draft.one([50, 50], [1, 0], [0, 0]), strict=True):
            each["weight"] = weight
    return backends


def _backend(draft: Draft, namespace: str) -> Json:
    """Return a reference to a Service, mostly one that needs no grant."""
    near = [each for each in draft.services if each[1] == namespace and each[0] != "ext"]
    if not near or draft.chance(0.35):
        return backend(draft, namespace)
    name, _, ports = draft.random.choice(near)
    return {"name": name, "port": draft.random.choice(ports)}


def _add_tls(draft: Draft, namespace: str) -> None:
    spec: Json = {"parentRefs": [_parent(draft, namespace, "TLS")]}
    spec["hostnames"] = hostnames(draft) or ["a.example.com"]
    spec["rules"] = [{"backendRefs": _weighted(draft, namespace)}]
    add_route(draft, "TLSRoute", namespace, spec)


def _add_tcp(draft: Draft, namespace: str) -> None:
    spec: Json = {"parentRefs": [_parent(draft, namespace, "TCP")]}
    spec["rules"] = [{"backendRefs": _weighted(draft, namespace)}]
    add_route(draft, "TCPRoute", namespace, spec)
