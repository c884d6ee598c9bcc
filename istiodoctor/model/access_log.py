"""Istio's access log: from its JSON encoding to its text encoding, and on to typed entries."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MARKS = frozenset(("response_code", "response_flags", "start_time"))
"""Keys that only an access log entry has; two of them make one."""

_FIELDS = (
    ("response_code", False),
    ("response_flags", False),
    ("response_code_details", False),
    ("connection_termination_details", False),
    ("upstream_transport_failure_reason", True),
    ("bytes_received", False),
    ("bytes_sent", False),
    ("duration", False),
    ("upstream_service_time", False),
    ("x_forwarded_for", True),
    ("user_agent", True),
    ("request_id", True),
    ("authority", True),
    ("upstream_host", True),
    ("upstream_cluster", False),
    ("upstream_local_address", False),
    ("downstream_local_address", False),
    ("downstream_remote_address", False),
    ("requested_server_name", False),
    ("route_name", False),
)
"""What follows the request in Istio's default format, in order, and whether it is quoted."""

_REQUEST = re.compile(
    r'"(?P<method>[\w-]{1,40}) (?P<path>\S{1,8192}) (?P<protocol>HTTP/[0-9.]{1,5}|-)"'
    r" (?P<code>[0-9]{1,3}) (?P<flags>\S+)(?= |\Z)",
    re.ASCII,
)
_ORDINARY = re.compile(
    r'"[\w-]{1,40} \S{1,8192} (?:HTTP/[0-9.]{1,5}|-)" (?!426)[0-9]{1,3} - '
    r"(?!low_version|rbac_|jwt_)",
    re.ASCII,
)
_WORD = re.compile(r'"[^"]*"|\S+')
_TAIL = 8
"""How many words follow the request's id: authority, upstream host, …, server name, route."""

_LEAST = 17
"""With fewer words after the flags (Istio ≤ 1.8 writes 17) the tail means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessEntry:
    """One request or connection as Envoy logged it; empty where it logged `-`."""

    method: str = ""
    protocol: str = ""
    """`HTTP/1.0`, …; empty for connections that were no HTTP."""
    code: int = 0
    flags: tuple[str, ...] = ()
    """Envoy's response flags: `NR`, `UF`, `URX`, …"""
    details: str = ""
    """Envoy's response code details (Istio ≥ 1.9): `route_not_found`, …"""
    failure: str = ""
    """Why the connection to the upstream failed."""
    authority: str = ""
    cluster: str = ""
    server_name: str = ""
    """The SNI of the client's hello."""
    route: str = ""


def access_message(entry: Mapping[str, Any]) -> str | None:
    """Return a JSON entry in the text encoding, without its time; None when it is none."""
    if len(_MARKS & entry.keys()) < 2:
        return None
    method, path, protocol = (_bare(entry.get(key)) for key in ("method", "path", "protocol"))
    rest = (
        f'"{_plain(entry.get(key))}"' if quoted else _bare(entry.get(key))
        for key, quoted in _FIELDS
    )
    return f'"{method} {path} {protocol}" {" ".join(rest)}'


def is_ordinary(message: str) -> bool:
    """Whether Envoy marked nothing about this request: most lines, told without reading them."""
    return _ORDINARY.match(message) is not None


def read_access(message: str) -> AccessEntry | None:
    """Return the entry that a message in the text encoding is, or None.

    The last fields are counted from the end: a client's own words (its agent, its address) come
    before them and may hold quotation marks.
    """
    request = _REQUEST.match(message)
    if request is None:
        return None
    words = _WORD.findall(message, request.end())
    details = "" if not words or words[0].startswith('"') else _given(words[0])
    failure = next((word for word in words[:3][::-1] if word.startswith('"')), "")
    tail = words[-_TAIL:] if len(words) >= _LEAST else [""] * _TAIL
    return AccessEntry(
        method=_given(request["method"]),
        protocol=_given(request["protocol"]),
        code=int(request["code"]),
        flags=tuple(flag for flag in request["flags"].split(",") if flag != "-"),
        details=details,
        failure=_given(failure),
        authority=_given(tail[0]),
        cluster=_given(tail[2]),
        server_name=_given(tail[6]),
        route=_given(tail[7]),
    )


def _given(word: str) -> str:
    word = word.strip('"')
    return "" if word == "-" else word


def _plain(value: object) -> str:
    """Return a value as it stands between quotation marks; JSON's null is `-`."""
    return "-" if value is None or value == "" else str(value).replace('"', "'")


def _bare(value: object) -> str:
    return "_".join(_plain(value).split()) or "-"
