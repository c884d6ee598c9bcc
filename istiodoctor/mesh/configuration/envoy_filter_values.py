"""Whether what an EnvoyFilter puts in can change an answer.

Only what certainly changes none is taken for harmless: headers that are added or removed, logs,
timeouts, limits of buffers. Source of the fields: Envoy's protos of listeners, routes, clusters
and of the HTTP connection manager.
"""

import re
from collections.abc import Mapping
from typing import Any

from istiodoctor.model.envoy_filter import ConfigPatch
from istiodoctor.model.envoy_parts import snake_case

HEADERS = frozenset(
    {
        "request_headers_to_add",
        "request_headers_to_remove",
        "response_headers_to_add",
        "response_headers_to_remove",
    }
)
INTERNAL = frozenset({"internal_only_headers", "validate_clusters"})
QUIET_FIELDS: Mapping[str, frozenset[str]] = {
    "LISTENER": frozenset(
        {
            "access_log",
            "access_log_options",
            "connection_balance_config",
            "enable_reuse_port",
            "listener_filters_timeout",
            "max_connections_to_accept_per_socket_event",
            "metadata",
            "per_connection_buffer_limit_bytes",
            "socket_options",
            "stat_prefix",
            "tcp_backlog_size",
            "tcp_fast_open_queue_length",
        }
    ),
    "FILTER_CHAIN": frozenset({"metadata", "transport_socket_connect_timeout"}),
    "ROUTE_CONFIGURATION": HEADERS
    | INTERNAL
    | {
        "max_direct_response_body_size_bytes",
        "most_specific_header_mutations_wins",
        "request_mirror_policies",
    },
    "VIRTUAL_HOST": HEADERS
    | {
        "hedge_policy",
        "include_attempt_count_in_response",
        "include_request_attempt_count",
        "metadata",
        "per_request_buffer_limit_bytes",
        "request_mirror_policies",
        "retry_policy",
    },
    "HTTP_ROUTE": HEADERS
    | {
        "decorator",
        "metadata",
        "name",
        "per_request_buffer_limit_bytes",
        "stat_prefix",
        "tracing",
    },
    "CLUSTER": frozenset(
        {
            "alt_stat_name",
            "circuit_breakers",
            "common_http_protocol_options",
            "common_lb_config",
            "connect_timeout",
            "dns_refresh_rate",
            "http2_protocol_options",
            "http_protocol_options",
            "lb_policy",
            "least_request_lb_config",
            "max_requests_per_connection",
            "metadata",
            "per_connection_buffer_limit_bytes",
            "respect_dns_ttl",
            "ring_hash_lb_config",
            "track_cluster_stats",
            "typed_extension_protocol_options",
            "upstream_connection_options",
        }
    ),
}
"""Fields of each kind of object that decide no answer."""
QUIET_ROUTE_ACTION = frozenset(
    {
        "append_x_forwarded_host",
        "hash_policy",
        "hedge_policy",
        "idle_timeout",
        "max_grpc_timeout",
        "max_stream_duration",
        "priority",
        "request_mirror_policies",
        "retry_policy",
        "timeout",
    }
)
QUIET_CONNECTION_MANAGER = frozenset(
    {
        "@type",
        "access_log",
        "access_log_options",
        "add_user_agent",
        "always_set_request_id_in_response",
        "delayed_close_timeout",
        "drain_timeout",
        "forward_client_cert_details",
        "generate_request_id",
        "http2_protocol_options",
        "max_request_headers_kb",
        "preserve_external_request_id",
        "request_id_extension",
        "request_timeout",
        "server_header_transformation",
        "server_name",
        "set_current_client_cert_details",
        "stat_prefix",
        "stream_idle_timeout",
        "tracing",
        "via",
    }
)
QUIET_LISTENER_FILTERS = ("tls_inspector.", "proxy_protocol.", "original_src.")
"""Types by the packages of their messages. PROXY protocol is for the load balancer to send."""
QUIET_HTTP_FILTERS = (
    "filters.http.bandwidth_limit.",
    "filters.http.compressor.",
    "filters.http.decompressor.",
    "filters.http.grpc_stats.",
    "filters.http.gzip.",
    "filters.http.tap.",
    "istio.envoy.config.filter.http.alpn.",
    "stats.PluginConfig",
)
QUIET_HTTP_FILTER_NAMES = frozenset(
    {
        "envoy.filters.http.grpc_stats",
        "istio.alpn",
        "istio.metadata_exchange",
        "istio.stackdriver",
        "istio.stats",
    }
)
"""HTTP filters that istiod puts in and that change no answer when they are not there."""
ONLY_ANSWERS = re.compile(r"\bfunction\s+envoy_on_response\b")
REQUESTS = re.compile(r"envoy_on_request|\brespond\b")
ANSWER = re.compile(r":status|\blocation\b", re.IGNORECASE)
"""The headers of an answer that are the answer."""


def changes_an_answer(patch: ConfigPatch) -> bool:
    """Whether what a patch does could change an answer where it is applied."""
    if patch.patch is None:
        return False
    operation, value = patch.patch.operation, patch.patch.value
    if ANSWER.search(str(value)):
        return True
    if patch.apply_to == "HTTP_FILTER":
        return _http_filter_changes(patch, value)
    if patch.apply_to == "LISTENER_FILTER":
        kind = type_of(value)
        return operation in ("REMOVE", "REPLACE") or not _is_one_of(kind, QUIET_LISTENER_FILTERS)
    if not operation.startswith("MERGE"):
        return True
    fields = fields_of(value)
    if patch.apply_to == "NETWORK_FILTER":
        return not fields.keys() <= {"name", "typed_config"} or not (
            manager_fields(patch).keys() <= QUIET_CONNECTION_MANAGER
        )
    if patch.apply_to == "HTTP_ROUTE" and fields_of(fields.get("route")).keys() <= (
        QUIET_ROUTE_ACTION
    ):
        fields = {name: each for name, each in fields.items() if name != "route"}
    return not fields.keys() <= QUIET_FIELDS.get(patch.apply_to, frozenset())


def manager_fields(patch: ConfigPatch) -> Mapping[str, Any]:
    """Return the fields that a patch of a network filter sets, by name."""
    value = patch.patch.value if patch.patch else None
    return fields_of(fields_of(value).get("typed_config"))


def type_of(value: Any) -> str:
    """Return the type of what a filter is told, also where it is wrapped in a TypedStruct."""
    config = fields_of(fields_of(value).get("typed_config"))
    kind = config.get("@type")
    if isinstance(kind, str) and kind.endswith(".TypedStruct"):
        kind = config.get("type_url")
    return kind if isinstance(kind, str) else ""


def _http_filter_changes(patch: ConfigPatch, value: Any) -> bool:
    kind = type_of(value)
    if patch.patch and patch.patch.operation == "REMOVE":
        return _named(patch) not in QUIET_HTTP_FILTER_NAMES
    if ".lua." in kind:
        return not _only_answers(value)
    if ".header_mutation." in kind:
        mutations = fields_of(_told(value).get("mutations"))
        return not (mutations and mutations.keys() <= {"response_mutations"})
    if kind:
        return not _is_one_of(kind, QUIET_HTTP_FILTERS)
    return _named(patch) not in QUIET_HTTP_FILTER_NAMES


def _named(patch: ConfigPatch) -> str:
    """Return the HTTP filter that a patch asks for."""
    chain = patch.match.listener.filter_chain if patch.match.listener else None
    sub = chain.filter.sub_filter if chain and chain.filter else None
    return sub.name if sub else ""


def _only_answers(value: Any) -> bool:
    """Whether a Lua filter looks at answers alone, by its whole text."""
    told = _told(value)
    source = fields_of(told.get("default_source_code"))
    codes = [told.get("inline_code"), source.get("inline_string")]
    texts = [each for each in codes if isinstance(each, str)]
    others = told.keys() - {"@type", "inline_code", "default_source_code", "stat_prefix"}
    return (
        bool(texts)
        and not others
        and source.keys() <= {"inline_string"}
        and all(ONLY_ANSWERS.search(each) and not REQUESTS.search(each) for each in texts)
    )


def _told(value: Any) -> Mapping[str, Any]:
    config = fields_of(fields_of(value).get("typed_config"))
    kind = config.get("@type")
    if isinstance(kind, str) and kind.endswith(".TypedStruct"):
        return fields_of(config.get("value"))
    return config


def _is_one_of(kind: str, quiet: tuple[str, ...]) -> bool:
    return bool(kind) and any(each in kind for each in quiet)


def fields_of(value: Any) -> Mapping[str, Any]:
    """Return a message's fields by their names in snake case; nothing for another value."""
    if not isinstance(value, dict):
        return {}
    return {snake_case(name): each for name, each in value.items() if isinstance(name, str)}
