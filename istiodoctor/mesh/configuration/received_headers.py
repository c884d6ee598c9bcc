"""Which headers of a request are left when Envoy chooses a route.

Source: Envoy's source/common/http/conn_manager_utility.cc (`mutateRequestHeaders`,
`cleanInternalHeaders`) and http1/codec_impl.cc; measured with Envoy 1.40 as Istio configures it
for a gateway, where no client is internal.
"""

from collections.abc import Iterable

from istiodoctor.mesh.configuration.listener import HttpOptions
from istiodoctor.mesh.configuration.texts import ascii_lower

FORWARDED_PROTO = "x-forwarded-proto"
SET_BY_ENVOY: dict[str, bool | None] = {
    "x-forwarded-for": True,
    "x-request-id": True,
    "x-envoy-external-address": None,
    "x-forwarded-client-cert": None,
}
"""Headers that hold what Envoy knows and a reader of its configuration does not; whether each is
there: by addresses and the client's certificate for the last two."""
MERGED = frozenset(
    {
        "accept", "authorization", "content-type", "origin", "user-agent", "via",
        "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto",
    }
)  # fmt: skip
"""Headers whose values Envoy joins by commas as it reads them (its inline headers)."""
_OF_THE_CONNECTION = frozenset(
    {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}
)
_INTERNAL = frozenset(
    f"x-envoy-{each}"
    for each in (
        "decorator-operation", "downstream-service-cluster", "downstream-service-node",
        "expected-rq-timeout-ms", "force-trace", "hedge-on-per-try-timeout", "internal",
        "ip-tags", "max-retries", "original-host", "original-path", "original-url",
        "retriable-header-names", "retriable-status-codes", "retry-grpc-on", "retry-on",
        "upstream-alt-stat-name", "upstream-rq-per-try-timeout-ms",
        "upstream-rq-timeout-alt-response", "upstream-rq-timeout-ms",
        "upstream-stream-duration-ms",
    )
)  # fmt: skip
"""Headers that only Envoy itself may set."""
_TRAILERS = "trailers"
CLEAR_HTTP2 = "h2c"
"""An upgrade that Envoy's codec passes over."""


def kept_headers(
    headers: Iterable[tuple[str, str]], options: HttpOptions
) -> tuple[tuple[tuple[str, str], ...], str]:
    """Return the headers that routes see, and the upgrade that is asked for and not allowed."""
    sent = [(ascii_lower(name), value.strip(" \t")) for name, value in headers]
    upgrade = _upgrade(sent)
    is_allowed = ascii_lower(upgrade) in map(ascii_lower, options.upgrades)
    left_out = (_OF_THE_CONNECTION - {"connection", "upgrade"}) if upgrade else _OF_THE_CONNECTION
    kept: dict[str, list[str]] = {}
    for name, value in sent:
        if name in left_out or name in _INTERNAL:
            continue
        if name == "te" and value and _TRAILERS not in value:  # nothing else is passed on of it
            continue
        if "_" in name and options.drops_underscores:
            continue
        kept.setdefault(name, []).append(value)
    found = ((name, each) for name, values in kept.items() for each in _as_read(name, values))
    return tuple(found), "" if is_allowed else upgrade


def _as_read(name: str, values: list[str]) -> list[str]:
    return [",".join(values)] if name in MERGED else values


def _upgrade(headers: Iterable[tuple[str, str]]) -> str:
    """Return the protocol that a client asks to change to; empty for none (`isUpgrade`)."""
    values: dict[str, list[str]] = {"connection": [], "upgrade": []}
    for name, value in headers:
        if name in values:
            values[name].append(value)
    asked = ",".join(values["upgrade"])
    tokens = {ascii_lower(each.strip()) for each in ",".join(values["connection"]).split(",")}
    return asked if "upgrade" in tokens and ascii_lower(asked) != CLEAR_HTTP2 else ""
