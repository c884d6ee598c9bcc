"""Rules of VirtualServices: what they match, and what they do with it."""

from collections.abc import Callable, Sequence

from tests.conformance.scenarios.draft import PATHS, Draft, narrowed
from tests.conformance.truth import Json

HEADERS = (
    "x-user",
    "X-User",
    "x-env",
    ":authority",
    "host",
    ":path",
    ":scheme",
    ":method",
    "cookie",
    "user-agent",
)
REGEX_SIGNS = "*+?|^$"


def gateway_reference(draft: Draft, namespace: str) -> str:
    """Return one of the forms in which a VirtualService names a Gateway."""
    gateways = draft.gateways
    name, where = draft.random.choice(gateways) if gateways else ("main", "istio-system")
    if draft.chance(0.04):
        return draft.one("nothing", "istio-system/nothing", "mesh")
    forms = [f"{where}/{name}"] * 6
    if where == namespace:
        forms += [name] * 4 + [f"./{name}"]
    if draft.chance(0.2):
        forms.append(name)
    if draft.chance(0.15):
        forms.append(f"{name}.{where}.svc.cluster.local")
    return draft.random.choice(forms)


def text_match(draft: Draft, values: Sequence[str]) -> dict[str, str]:
    """Return a StringMatch."""
    kind = draft.random.choice(("exact", "prefix", "regex"))
    value = draft.random.choice(values)
    return {kind: _regex(draft, value) if kind == "regex" else value}


def _regex(draft: Draft, value: str) -> str:
    return draft.one(
        value + ".*",
        value,
        ".*",
        "^" + value + "$",
        "*" if draft.chance(0.1) else value + "?",
        value.replace("/", "/+") if "/" in value else value + "|zzz",
        "(?i)" + value,
        value.lower() + "$|x",
    )


def _path(draft: Draft, match: Json) -> None:
    match["uri"] = text_match(draft, PATHS)
    value = next(iter(match["uri"].values()))
    if not any(sign in value for sign in REGEX_SIGNS):
        near = {value, value + "x", value.rstrip("/") + "/sub", value.upper()}
        draft.paths |= near if draft.chance(0.5) else {value}
    if draft.chance(0.15):
        match["ignoreUriCase"] = True


def _headers(draft: Draft, match: Json) -> None:
    name = draft.one(*HEADERS) if draft.chance(0.5) else draft.one("x-user", "x-env")
    values = ("alice", "bob", "a.example.com", "/api", "GET", "https", "canary=1")
    match["headers"] = {name: text_match(draft, values) if draft.chance(0.85) else {}}


def _without_headers(draft: Draft, match: Json) -> None:
    name = draft.one("x-user", "x-env", ":authority")
    values = ("alice", "bob")
    match["withoutHeaders"] = {name: text_match(draft, values) if draft.chance(0.6) else {}}


def _authority(draft: Draft, match: Json) -> None:
    hosts = ("a.example.com", "b.example.com", "A.example.com", "a.example")
    match["authority"] = text_match(draft, hosts)


def _query(draft: Draft, match: Json) -> None:
    name = draft.one("q", "v")
    found = text_match(draft, ("1", "2", "1")) if draft.chance(0.85) else {}
    match["queryParams"] = {name: found}


def http_match(draft: Draft, namespace: str) -> Json:
    """Return one match of an http rule: each condition that often."""
    match: Json = {}

    def gateways(draft: Draft, match: Json) -> None:
        named = [gateway_reference(draft, namespace)] if draft.chance(0.7) else ["mesh"]
        match["gateways"] = named

    conditions: list[tuple[float, Callable[[Draft, Json], None]]] = [
        (0.75, _path),
        (0.16, _headers),
        (0.08, _without_headers),
        (0.12, _set("method", lambda d: text_match(d, ("GET", "POST", "get", "G")))),
        (0.06, _set("port", lambda d: d.one(80, 443, 8080, 8443, 31400))),
        (0.08, _authority),
        (0.06, _set("scheme", lambda d: text_match(d, ("http", "https", "HTTPS")))),
        (0.09, _query),
        (0.04, _set("sourceNamespace", lambda d: d.one("istio-system", "app1"))),
        (0.04, _set("sourceLabels", lambda d: {"istio": d.one("ingressgateway", "edge")})),
        (0.07, gateways),
        (0.1, _set("name", lambda d: d.one("m1", "m2"))),
        (0.04, _set("statPrefix", lambda _: "s")),
    ]
    for probability, condition in conditions:
        if draft.chance(probability):
            condition(draft, match)
    return match


def _set(field: str, value: Callable[[Draft], object]) -> Callable[[Draft, Json], None]:
    def condition(draft: Draft, match: Json) -> None:
        match[field] = value(draft)

    return condition


def _destination(draft: Draft) -> Json:
    name, namespace, ports = draft.random.choice(draft.services)
    form = draft.random.random()
    host = f"{name}.{namespace}.svc.cluster.local"
    if form < 0.25:
        host = name
    elif form < 0.29:
        host = f"{name}.{namespace}"
    elif form < 0.31:
        host = f"{name}.{namespace}.svc"
    elif form < 0.36:
        host = "nosuch"
    elif form < 0.41:
        host = draft.one("ext.partner.org", "foo.partner.org", "www.elsewhere.net")
    destination: Json = {"host": host}
    form = draft.random.random()
    if form < 0.7:
        destination["port"] = {"number": draft.random.choice(ports)}
    elif form < 0.78:
        destination["port"] = {"number": draft.one(80, 443, 9999, 8080)}
    if draft.chance(0.12):
        destination["subset"] = draft.one("v1", "v2", "v3", "v9")
    return destination


def destinations(draft: Draft) -> list[Json]:
    """Return the `route` of a rule: mostly one destination, else weighted ones."""
    count = draft.weighted([1, 2, 3], [80, 16, 4])
    routes: list[Json] = [{"destination": _destination(draft)} for _ in range(count)]
    if count > 1:
        # Both are drawn, whichever is used: seeds stay the scenarios they were.
        weights = {
            2: draft.one([50, 50], [100, 0], [0, 100], [1, 99], None),
            3: draft.one([0, 50, 50], [100, 0, 0], [1, 1, 98]),
        }[count]
        for route, weight in zip(routes, weights or [], strict=False):
            route["weight"] = weight
    elif draft.chance(0.2):
        routes[0]["weight"] = draft.one(100, 50, 1)
    return routes


def http_rule(draft: Draft, namespace: str, is_root: bool = True) -> Json:
    """Return an http rule; only a root VirtualService delegates."""
    rule: Json = {}
    if draft.chance(0.15):
        rule["name"] = "r"
    if draft.chance(0.6):
        count = draft.weighted([1, 2, 3], [70, 22, 8])
        rule["match"] = [http_match(draft, namespace) for _ in range(count)]
    form = draft.random.random()
    if form < 0.12:
        rule["redirect"] = _redirect(draft)
    elif form < 0.19:
        rule["directResponse"] = {"status": draft.one(200, 404, 503, 418)}
        if draft.chance(0.5):
            rule["directResponse"]["body"] = {"string": "hello"}
    elif form < 0.28 and is_root:
        rule["delegate"] = {"name": draft.one("dele", "dele-2")}
        if draft.chance(0.7):
            rule["delegate"]["namespace"] = draft.one("app1", "app2")
    else:
        _route(draft, rule)
    return rule


def _redirect(draft: Draft) -> Json:
    redirect: Json = {}
    if draft.chance(0.5):
        odd = "%PREFIX()%/n" if draft.chance(0.2) else "/v2"
        redirect["uri"] = draft.one("/new", "/", "/api?z=1", odd)
    if draft.chance(0.5):
        redirect["authority"] = draft.one("b.example.com", "other.test", "other.test:8443")
    if draft.chance(0.35):
        odd = "HTTPS" if draft.chance(0.1) else "https"
        redirect["scheme"] = draft.one("https", "http", odd)
    if draft.chance(0.2):
        redirect["port"] = draft.one(443, 80, 8443)
    elif draft.chance(0.12):
        redirect["derivePort"] = draft.one("FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT")
    if draft.chance(0.4):
        redirect["redirectCode"] = draft.one(301, 302, 303, 307, 308)
    return redirect or {"uri": "/new"}


def _route(draft: Draft, rule: Json) -> None:
    rule["route"] = destinations(draft)
    if draft.chance(0.15):
        is_path = draft.chance(0.7)
        rule["rewrite"] = {"uri": draft.one("/", "/rw")} if is_path else {"authority": "rw.test"}
    if draft.chance(0.08):
        rule["timeout"] = "3s"
    if draft.chance(0.04):
        rule["headers"] = {"request": {"add": {"x-a": "b"}}}


def tls_rule(draft: Draft, namespace: str, hosts: list[str]) -> Json:
    """Return a tls rule: SNIs under the VirtualService's hosts, now and then another."""
    rule: Json = {"match": []}
    rule["route"] = destinations(draft)
    for _ in range(draft.one(1, 1, 2)):
        rule["match"].append(_tls_match(draft, namespace, hosts))
    return rule


def _tls_match(draft: Draft, namespace: str, hosts: list[str]) -> Json:
    names = [_server_name(draft, hosts) for _ in range(draft.one(1, 1, 2))]
    match: Json = {"sniHosts": list(dict.fromkeys(names))}
    draft.hosts |= set(names)
    if draft.chance(0.2):
        match["port"] = draft.one(443, 15443, 8443)
    if draft.chance(0.1):
        match["gateways"] = [gateway_reference(draft, namespace)]
    if draft.chance(0.04):
        match["sourceLabels"] = {"istio": draft.one("ingressgateway", "edge")}
    if draft.chance(0.05):
        match["destinationSubnets"] = [draft.one("10.0.0.0/8", "192.0.2.0/24")]
    return match


def _server_name(draft: Draft, hosts: list[str]) -> str:
    if draft.chance(0.04):
        return draft.host(0.3)
    return narrowed(draft, draft.random.choice(hosts))


def tcp_rule(draft: Draft, namespace: str) -> Json:
    """Return a tcp rule."""
    rule: Json = {"route": destinations(draft)}
    if draft.chance(0.6):
        if draft.chance(0.7):
            match: Json = {"port": draft.one(31400, 80, 443)}
        else:
            match = {"gateways": [gateway_reference(draft, namespace)]}
        if draft.chance(0.1):
            match["destinationSubnets"] = ["10.0.0.0/8"]
        rule["match"] = [match]
    return rule
