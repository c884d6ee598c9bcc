"""What the API server adds to objects of the Gateway API."""

from collections.abc import Iterable

from tests.conformance.scenarios.gateways import API
from tests.conformance.truth import Json


def add_defaults(objects: Iterable[Json]) -> None:
    """Fill in what the API server would, in place."""
    for each in objects:
        spec = each.get("spec", {})
        if each["kind"] in ("Gateway", "ListenerSet") and "listeners" in spec:
            for listener in spec["listeners"]:
                _add_to_listener(listener)
        elif each["kind"].endswith("Route") and "parentRefs" in spec:
            _add_to_route(each["kind"], spec)


def _add_to_listener(listener: Json) -> None:
    allowed = listener.setdefault("allowedRoutes", {})
    allowed.setdefault("namespaces", {}).setdefault("from", "Same")
    for kind in allowed.get("kinds", []):
        kind.setdefault("group", API)
    if "tls" in listener:
        listener["tls"].setdefault("mode", "Terminate")
        for reference in listener["tls"].get("certificateRefs", []):
            _fill(reference, group="", kind="Secret")


def _add_to_route(kind: str, spec: Json) -> None:
    for reference in spec["parentRefs"]:
        _fill(reference, group=API, kind="Gateway")
    for rule in spec["rules"]:
        for reference in rule.get("backendRefs", []):
            _fill(reference, group="", kind="Service", weight=1)
        if kind == "HTTPRoute":
            _add_to_http_rule(rule)
        for match in rule.get("matches", []) if kind == "GRPCRoute" else []:
            for condition in (match.get("method"), *match.get("headers", [])):
                _fill(condition or {}, type="Exact")


def _add_to_http_rule(rule: Json) -> None:
    for match in rule.setdefault("matches", [{}]):
        _fill(match.setdefault("path", {}), type="PathPrefix", value="/")
        for condition in match.get("headers", []) + match.get("queryParams", []):
            _fill(condition, type="Exact")
    for each in rule.get("filters", []):
        if "requestRedirect" in each:
            _fill(each["requestRedirect"], statusCode=302)


def _fill(reference: Json, /, **defaults: object) -> None:
    for key, default in defaults.items():
        reference.setdefault(key, default)
