"""What an EnvoyFilter can set without changing an answer: fields and filters by where they are.

Source: Envoy's protos of listeners, routes, clusters and of the HTTP connection manager.
"""

from collections.abc import Mapping

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
