"""What EnvoyFilters set of a HTTP connection manager, as far as it is understood.

Source: Envoy's extensions/filters/network/http_connection_manager/v3 and config/core/v3/protocol
protos.
"""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from istiodoctor.mesh.configuration.envoy_filter_tables import QUIET_CONNECTION_MANAGER
from istiodoctor.mesh.configuration.envoy_filter_values import fields_of
from istiodoctor.mesh.configuration.listener import (
    ALLOW,
    DROP_HEADER,
    KEEP_UNCHANGED,
    REJECT_REQUEST,
    UNESCAPE_AND_FORWARD,
    UNESCAPE_AND_REDIRECT,
    HttpOptions,
)

TRUST = frozenset({"use_remote_address", "xff_num_trusted_hops"})
"""Fields that decide whether Envoy believes what proxies before it say."""
COMMON_PROTOCOL, UNDERSCORES = "common_http_protocol_options", "headers_with_underscores_action"
ESCAPED_SLASHES = "path_with_escaped_slashes_action"
NORMALIZE, MERGE = "normalize_path", "merge_slashes"
SLASH_ACTIONS = (KEEP_UNCHANGED, REJECT_REQUEST, UNESCAPE_AND_FORWARD, UNESCAPE_AND_REDIRECT)
UNDERSCORE_ACTIONS = (ALLOW, REJECT_REQUEST, DROP_HEADER)
QUIET_COMMON_PROTOCOL = frozenset(
    {
        "idle_timeout",
        "max_connection_duration",
        "max_requests_per_connection",
        "max_stream_duration",
    }
)


def unread_fields(fields: Mapping[str, Any]) -> frozenset[str]:
    """Return the fields that may change an answer, in a way that is not known."""
    read = {name for name, value in fields.items() if _is_read(name, value)}
    return frozenset(fields.keys() - TRUST - QUIET_CONNECTION_MANAGER - read)


def _is_read(name: str, value: Any) -> bool:
    match name:
        case "normalize_path" | "merge_slashes":
            return isinstance(value, bool)
        case "path_with_escaped_slashes_action":
            return value in SLASH_ACTIONS
        case "common_http_protocol_options":
            common = fields_of(value)
            is_quiet = common.keys() <= {*QUIET_COMMON_PROTOCOL, UNDERSCORES}
            return is_quiet and common.get(UNDERSCORES, ALLOW) in UNDERSCORE_ACTIONS
        case _:
            return False


def with_fields(options: HttpOptions, fields: Mapping[str, Any]) -> HttpOptions:
    """Return options as the fields of a patch leave them; those that are not read change none."""
    read = {name: value for name, value in fields.items() if _is_read(name, value)}
    options = replace(
        options,
        normalizes_path=read.get(NORMALIZE, options.normalizes_path),
        merges_slashes=read.get(MERGE, options.merges_slashes),
    )
    if ESCAPED_SLASHES in read:
        options = options.with_escaped_slashes(read[ESCAPED_SLASHES])
    common = fields_of(read.get(COMMON_PROTOCOL))
    if UNDERSCORES in common:
        options = options.with_underscores(common[UNDERSCORES])
    return _with_trust(options, fields)


def _with_trust(options: HttpOptions, fields: Mapping[str, Any]) -> HttpOptions:
    hops = fields.get("xff_num_trusted_hops")
    if fields.get("use_remote_address") is False:
        return replace(options, trusted_hops=None)
    if isinstance(hops, int) and hops >= 0:
        return replace(options, trusted_hops=hops)
    return options if hops is None else replace(options, trusted_hops=None)
