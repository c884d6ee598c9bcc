"""Routes of the Gateway API, and the grants they need."""

from tests.conformance.scenarios.draft import NAMESPACES, PATHS, ROUTE_NAMES, Draft
from tests.conformance.scenarios.gateways import API
from tests.conformance.truth import Json


def add_http_routes(draft: Draft) -> None:
    """Add up to four HTTPRoutes."""
    for _ in range(draft.weighted([1, 2, 3, 4], [25, 35, 25, 15])):
        _add_http_route(draft)


def add_tls_routes(draft: Draft) -> None:
    """Add a TLSRoute or two, mostly where a listener is there for them."""
    listeners = [each for _, _, listeners in draft.listeners for each in listeners]
    if any(each["protocol"] == "TLS" for each in listeners) or draft.chance(0.1):
        for _ in range(draft.one(1, 1, 2)):
            _add_tls_route(draft)


def add_grants(draft: Draft) -> None:
    """Add ReferenceGrants, now and then for the wrong thing."""
    for namespace in ("app1", "app2", "istio-system"):
        if not draft.chance(0.35):
            continue
        metadata = draft.metadata("grant", namespace)
        kind = draft.one("HTTPRoute", "HTTPRoute", "TLSRoute", "Gateway")
        origin = {"group": API, "kind": kind, "namespace": draft.one("app1", "app2")}
        target = {"group": "", "kind": draft.one("Service", "Service", "Secret")}
        draft.add(
            {
                "apiVersion": f"{API}/v1beta1",
                "kind": "ReferenceGrant",
                "metadata": metadata,
                "spec": {"from": [origin], "to": [target]},
            }
        )


def parent(draft: Draft, namespace: str) -> Json:
    """Return a reference to a Gateway, sometimes to one listener or port of it."""
    name, where, listeners = draft.random.choice(draft.listeners)
    reference = {"name": name}
    if where != namespace or draft.chance(0.2):
        reference["namespace"] = where
    if draft.chance(0.04):
        reference.pop("namespace", None)
    if draft.chance(0.25) and listeners:
        is_there = draft.chance(0.9)
        section = draft.random.choice(listeners)["name"] if is_there else "nosuch"
        reference["sectionName"] = section
    if draft.chance(0.1) and listeners:
        reference["port"] = draft.random.choice(listeners)["port"]
    return reference


def hostnames(draft: Draft) -> list[str]:
    """Return hostnames for a route: those of listeners, narrower ones, or others."""
    own = [
        each["hostname"]
        for _, _, listeners in draft.listeners
        for each in listeners
        if "hostname" in each
    ]
    found: list[str] = []
    for _ in range(draft.weighted([0, 1, 2, 3], [22, 55, 18, 5])):
        host = draft.random.choice(own) if own and draft.chance(0.5) else draft.host(0.3)
        if host.startswith("*.") and draft.chance(0.4):
            host = draft.one("q", "www") + host[1:]
        if host != "*" and host not in found:
            found.append(host)
            draft.hosts.add(host)
    return found


def add_route(draft: Draft, kind: str, namespace: str, spec: Json, version: str = "v1") -> None:
    """Add a route under a name that is free."""
    for _ in range(5):
        name = draft.random.choice(ROUTE_NAMES)
        if not draft.has(kind, namespace, name):
            draft.add(
                {
                    "apiVersion": f"{API}/{version}",
                    "kind": kind,
                    "metadata": draft.metadata(name, namespace),
                    "spec": spec,
                }
            )
            return


def _add_http_route(draft: Draft) -> None:
    namespace = draft.weighted(NAMESPACES, [20, 45, 30, 5])
    count = draft.one(1, 1, 1, 2)
    parents = [parent(draft, namespace) for _ in range(count)]
    if len(parents) == 2 and parents[0] == parents[1]:
        parents.pop()
    spec: Json = {"parentRefs": parents}
    hosts = hostnames(draft)
    if hosts:
        spec["hostnames"] = hosts
    spec["rules"] = http_route_rules(draft, namespace)
    add_route(draft, "HTTPRoute", namespace, spec)


def http_route_rules(draft: Draft, namespace: str) -> list[Json]:
    """Return one to three rules of an HTTPRoute."""
    count = draft.weighted([1, 2, 3], [40, 40, 20])
    return [_rule(draft, namespace) for _ in range(count)]


def _rule(draft: Draft, namespace: str) -> Json:
    rule: Json = {}
    if draft.chance(0.75):
        rule["matches"] = [_match(draft) for _ in range(draft.one(1, 1, 2, 3))]
    types = {each.get("path", {}).get("type", "PathPrefix") for each in rule.get("matches", [])}
    has_other_paths = bool(types - {"PathPrefix"})
    form = draft.random.random()
    if form < 0.16:
        redirect = _redirect(draft, has_other_paths)
        rule["filters"] = [{"type": "RequestRedirect", "requestRedirect": redirect}]
        return rule
    if draft.chance(0.95):
        rule["backendRefs"] = _backends(draft, namespace)
    _add_filters(draft, rule, has_other_paths)
    return rule


def _redirect(draft: Draft, has_other_paths: bool) -> Json:
    redirect: Json = {}
    if draft.chance(0.5):
        redirect["hostname"] = draft.one("b.example.com", "other.test")
    if draft.chance(0.4):
        redirect["scheme"] = draft.one("https", "http")
    if draft.chance(0.25):
        redirect["port"] = draft.one(443, 80, 8443)
    if draft.chance(0.45):
        redirect["statusCode"] = draft.one(301, 302)
    if draft.chance(0.4):
        if has_other_paths or draft.chance(0.5):
            full = draft.one("/new", "/")
            redirect["path"] = {"type": "ReplaceFullPath", "replaceFullPath": full}
        else:
            prefix = draft.one("/v2", "/", "/v2/", "")
            redirect["path"] = {"type": "ReplacePrefixMatch", "replacePrefixMatch": prefix}
    return redirect


def _backends(draft: Draft, namespace: str) -> list[Json]:
    count = draft.weighted([1, 2], [80, 20])
    backends = [backend(draft, namespace) for _ in range(count)]
    if count == 2:
        weights = draft.one([50, 50], [1, 0], [0, 1], [0, 0], [1, 99])
        for each, weight in zip(backends, weights, strict=True):
            each["weight"] = weight
    elif draft.chance(0.07):
        backends[0]["weight"] = draft.one(0, 1, 5)
    return backends


def _add_filters(draft: Draft, rule: Json, has_other_paths: bool) -> None:
    if draft.chance(0.15):
        path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
        if has_other_paths or draft.chance(0.5):
            path = {"type": "ReplaceFullPath", "replaceFullPath": "/rw"}
        rule["filters"] = [{"type": "URLRewrite", "urlRewrite": {"path": path}}]
    elif draft.chance(0.1):
        change = {"set": [{"name": "x-a", "value": "b"}]}
        rule["filters"] = [{"type": "RequestHeaderModifier", "requestHeaderModifier": change}]


def _match(draft: Draft) -> Json:
    match: Json = {}
    if draft.chance(0.85):
        match["path"] = _path(draft)
    if draft.chance(0.2):
        match["headers"] = header_matches(draft)
    if draft.chance(0.1):
        match["queryParams"] = [{"name": draft.one("q", "v"), "value": draft.one("1", "2")}]
    if draft.chance(0.15):
        match["method"] = draft.one("GET", "POST", "PUT")
    return match


def _path(draft: Draft) -> Json:
    kind = draft.weighted(["PathPrefix", "Exact", "RegularExpression"], [60, 25, 15])
    value = draft.random.choice([*PATHS[:6], "/static/x.png", "/x/y/z"])
    near = {value, value + "x", value.rstrip("/") + "/sub"}
    draft.paths |= near if draft.chance(0.6) else {value}
    if kind == "RegularExpression":
        value = draft.one(value + ".*", value, "/.*", value + "$", "(?i)" + value)
    path = {"type": kind, "value": value}
    if kind == "PathPrefix" and draft.chance(0.1):
        path.pop("type")
    return path


def header_matches(draft: Draft) -> list[Json]:
    """Return conditions on one or two headers."""
    name = draft.one("x-user", "X-User", "x-env")
    headers = [{"name": name, "value": draft.one("alice", "bob")}]
    if draft.chance(0.3):
        value = draft.one("al.*", "alice|bob", ".*")
        headers[0] |= {"type": "RegularExpression", "value": value}
    if draft.chance(0.15):
        headers.append({"name": "x-env", "value": "alice"})
        if headers[0]["name"] == "x-env":
            headers.pop()
    return headers


def backend(draft: Draft, namespace: str) -> Json:
    """Return a reference to a Service, sometimes a wrong one."""
    name, where, ports = draft.random.choice(draft.services)
    port = draft.random.choice(ports) if draft.chance(0.92) else draft.one(80, 9999)
    reference = {"name": name, "port": port}
    if where != namespace or draft.chance(0.15):
        reference["namespace"] = where
    if draft.chance(0.1):
        reference.pop("namespace", None)
    if draft.chance(0.04):
        reference["name"] = "nosuch"
    return reference


def _add_tls_route(draft: Draft) -> None:
    namespace = draft.weighted(NAMESPACES, [20, 45, 30, 5])
    spec: Json = {"parentRefs": [parent(draft, namespace)]}
    spec["hostnames"] = hostnames(draft) or ["a.example.com"]
    spec["rules"] = [{"backendRefs": [backend(draft, namespace)]}]
    add_route(draft, "TLSRoute", namespace, spec)
