"""Rules of VirtualServices for requests: what they match, and what they do with it."""

from collections.abc import Callable, Sequence

from tests.conformance.scenarios.destinations import destinations, gateway_reference
from tests.conformance.scenarios.draft import PATHS, Draft
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
