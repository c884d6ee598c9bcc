"""Routes that say what Envoy would have done in place of doing it."""

import json

from tests.conformance.truth import Json

KEPT_HTTP = frozenset(f"envoy.filters.http.{name}" for name in ("fault", "cors", "router", "rbac"))
"""The HTTP filters that are kept: those that answer requests."""
NOT_FOR_ROUTES = frozenset(
    {
        "metadata",
        "decorator",
        "tracing",
        "typedPerFilterConfig",
        "requestHeadersToAdd",
        "requestHeadersToRemove",
        "responseHeadersToRemove",
        "route",
    }
)


def marked(said: Json) -> list[Json]:
    """Return the header by which Envoy says what it would have done."""
    value = json.dumps(said).replace("%", "%%")
    return [{"header": {"key": "x-oracle", "value": value}}]


def clusters_of(action: Json) -> list[tuple[str, int]]:
    """Return name and weight of the clusters of a route or TCP proxy."""
    if "cluster" in action:
        return [(action["cluster"], 1)]
    if "weightedClusters" in action:
        found = action["weightedClusters"]["clusters"]
        return [(each["name"], each.get("weight", 0)) for each in found]
    return [("?" + json.dumps(action)[:80], 1)]


def runnable_routes(table: Json) -> Json:
    """Return a route configuration without backends; its routes are marked."""
    made = {key: value for key, value in table.items() if key != "typedPerFilterConfig"}
    made["virtualHosts"] = [_virtual_host(each) for each in table.get("virtualHosts", [])]
    return made


def _virtual_host(host: Json) -> Json:
    dropped = ("typedPerFilterConfig", "retryPolicy", "hedgePolicy")
    made = {key: value for key, value in host.items() if key not in dropped}
    made["routes"] = [_route(each) for each in host.get("routes", [])]
    return made


def _route(route: Json) -> Json:
    made = {key: value for key, value in route.items() if key not in NOT_FOR_ROUTES}
    filters = route.get("typedPerFilterConfig", {})
    kept = {name: value for name, value in filters.items() if name in KEPT_HTTP}
    if kept:
        made["typedPerFilterConfig"] = kept
    if "route" in route:
        made["directResponse"] = {"status": 200}
        said: Json = {"kind": "cluster", "clusters": clusters_of(route["route"])}
    elif "directResponse" in route:
        said = {"kind": "direct"}
    else:
        said = {"kind": "redirect" if "redirect" in route else "odd"}
    made["responseHeadersToAdd"] = marked(said)
    return made
