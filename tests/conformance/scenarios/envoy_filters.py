"""EnvoyFilters that only add headers: no answer may change."""

from tests.conformance.scenarios.draft import Draft
from tests.conformance.truth import Json

HEADER = {"key": "x-added", "value": "yes"}
LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
HTTP = "envoy.filters.network.http_connection_manager"
CODE = "function envoy_on_response(handle)\n  handle:headers():add('x-added', 'yes')\nend\n"


def _filter(value: Json) -> Json:
    router = {"name": "envoy.filters.http.router"}
    chain = {"filter": {"name": HTTP, "subFilter": router}}
    return {
        "applyTo": "HTTP_FILTER",
        "match": {"context": "GATEWAY", "listener": {"filterChain": chain}},
        "patch": {"operation": "INSERT_BEFORE", "value": value},
    }


def _merge(kind: str, field: str) -> Json:
    return {
        "applyTo": kind,
        "match": {"context": "GATEWAY"},
        "patch": {"operation": "MERGE", "value": {field: [{"header": HEADER}]}},
    }


PATCHES = (
    _filter(
        {
            "name": "envoy.filters.http.lua",
            "typed_config": {
                "@type": LUA,
                "default_source_code": {"inline_string": CODE},
            },
        }
    ),
    _merge("ROUTE_CONFIGURATION", "response_headers_to_add"),
    _merge("VIRTUAL_HOST", "response_headers_to_add"),
    _merge("HTTP_ROUTE", "request_headers_to_add"),
)


def add_envoy_filters(draft: Draft) -> None:
    """Add one or two, in the root namespace or in that of some gateway."""
    for number in range(draft.one(1, 1, 2)):
        spec: Json = {"configPatches": [draft.one(*PATCHES)]}
        if draft.chance(0.6):
            labels = draft.one({"istio": "ingressgateway"}, {"istio": "edge"})
            spec["workloadSelector"] = {"labels": labels}
        namespace = draft.weighted(["istio-system", "edge", "app1"], [75, 15, 10])
        draft.add(
            {
                "apiVersion": "networking.istio.io/v1alpha3",
                "kind": "EnvoyFilter",
                "metadata": draft.metadata(f"headers-{number}", namespace),
                "spec": spec,
            }
        )
