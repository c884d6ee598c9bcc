"""A request as its bytes say it, and what Envoy's codec and connection manager refuse of it.

Source: Envoy's source/common/http/http1/codec_impl.cc and balsa_parser.cc (methods, targets),
header_utility.cc (`authorityIsValid`), conn_manager_impl.cc (`ActiveStream::decodeHeaders`); the
sets of characters and the order of answers are measured with Envoy 1.40.
"""

import re
from dataclasses import dataclass

from istiodoctor.mesh.configuration.listener import HttpOptions
from istiodoctor.model.value import Value

METHODS = frozenset(
    {
        "ACL", "BIND", "CHECKOUT", "CONNECT", "COPY", "DELETE", "GET", "HEAD", "LINK", "LOCK",
        "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL", "MOVE", "MSEARCH", "NOTIFY", "OPTIONS",
        "PATCH", "POST", "PROPFIND", "PROPPATCH", "PURGE", "PUT", "REBIND", "REPORT", "SEARCH",
        "SOURCE", "SUBSCRIBE", "TRACE", "UNBIND", "UNLINK", "UNLOCK", "UNSUBSCRIBE",
    }
)  # fmt: skip
"""Those that HTTP/1 is parsed with; any other is no request."""
MOST_HEADERS = 100
MOST_HEADER_BYTES = 60 * 1024
_TARGET = re.compile(r"[\x21-\x7e]+")
_AUTHORITY = re.compile(r"[A-Za-z0-9!$%&'()*+,\-.:;=@\[\]_~]*")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ABSOLUTE = re.compile(
    r"""(https?)://(?:[\w.!~*'"()%;:&=+$,-]*@)?"""
    r"((?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?)([/?].*)?",
    re.IGNORECASE | re.ASCII,
)
MOST_PORT = 65_535
_HOST_AND_PORT = re.compile(r"[^/?#@]*:\d+")
CONNECT = "CONNECT"
OLD_VERSION, HTTP2 = "1.0", "2"


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyAnswer:
    """An answer that Envoy gives before it looks for a route."""

    status: int
    reason: str
    """One clause: what Envoy finds wrong."""
    location: str = ""


class RequestMessage(Value, frozen=True, kw_only=True):
    """A request as its bytes say it."""

    method: str = "GET"
    target: str = "/"
    """What stands between method and version."""
    host: str | None = None
    """The Host header, or `:authority`; None without it."""
    headers: tuple[tuple[str, str], ...] = ()
    """The others, in order."""
    version: str = "1.1"
    """`1.0`, `1.1` or `2`."""


def absolute_form(message: RequestMessage) -> tuple[str, str, str] | None:
    """Return scheme, host and target of a URL in the request line; None for any other target.

    Its host replaces the Host header; a user and password in it are dropped.
    """
    found = _ABSOLUTE.fullmatch(message.target)
    if found is None or message.method == CONNECT or message.version == HTTP2:
        return None
    if int(found[3] or 0) > MOST_PORT:
        return None
    return found[1].lower(), found[2], found[4] or "/"


def malformed_message(
    message: RequestMessage, options: HttpOptions, *, is_absolute: bool
) -> EarlyAnswer | None:
    """Return the parser's answer to what is no request; None where it is one."""
    reason = _malformed(message, is_absolute=is_absolute)
    if options.rejects_underscores and any("_" in name for name, _ in message.headers):
        reason = reason or "the name of a header has an underscore"
    return EarlyAnswer(status=400, reason=reason) if reason else None


def refused_message(message: RequestMessage, options: HttpOptions) -> EarlyAnswer | None:
    """Return the connection manager's answer to what no route is looked for; None otherwise."""
    status, reason = _refused(message, options)
    return EarlyAnswer(status=status, reason=reason) if status else None


def _refused(message: RequestMessage, options: HttpOptions) -> tuple[int, str]:
    size = len(message.target) + sum(len(name) + len(value) for name, value in message.headers)
    if len(message.headers) >= MOST_HEADERS or size > MOST_HEADER_BYTES:
        return 431, "it has more headers than Envoy takes"
    if message.version == OLD_VERSION and not options.accepts_http10:
        return 426, "HTTP/1.0 is not accepted"
    if message.host is None:
        return 400, "it has no Host header"
    if not _AUTHORITY.fullmatch(message.host):
        return 400, "its Host has a character that no host has"
    if message.method == CONNECT:
        return 404, "no route takes CONNECT"
    if not message.target.startswith("/"):
        return 404, "its path does not begin with a slash"
    return 0, ""


def _malformed(message: RequestMessage, *, is_absolute: bool) -> str:
    is_known = message.version == HTTP2 or message.method in METHODS
    if not is_known or not _NAME.fullmatch(message.method):
        return f"{message.method} is no method that Envoy knows"
    if not _TARGET.fullmatch(message.target) or not (is_absolute or _is_target(message)):
        return "its request line names no path"
    if not all(_NAME.fullmatch(name) for name, _ in message.headers):
        return "the name of a header has a character that none has"
    if any(_BAD_VALUE.search(value) for _, value in message.headers):
        return "a header has a control character"
    return ""


def _is_target(message: RequestMessage) -> bool:
    """Whether a target is of a form that HTTP has for its method."""
    if message.method == CONNECT:
        return bool(_HOST_AND_PORT.fullmatch(message.target))
    return message.target.startswith("/") or (
        message.target == "*" and message.method == "OPTIONS"
    )
