"""Parsing of log lines in every format of Istio and Envoy.

Text with tabs or, as pasted, with spaces; JSON of Istio, Envoy and Stackdriver; Envoy's own
format; access logs of both encodings, which come out in the text encoding. What stands before
the line (`kubectl logs --prefix --timestamps`, a shipper's words) is passed over, but never past
a quotation mark: what a client sent cannot pose as a line.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from istiodoctor.model.access_log import access_message
from istiodoctor.model.log import Level, LogLine
from istiodoctor.model.redaction import redact
from istiodoctor.model.ref import Ref

__all__ = ["KEPT", "parse_log_line", "redact"]

KEPT = 8192
"""How many characters of a line are kept."""

_READ = 8 * KEPT
"""How long a JSON line may be to be decoded: its message is cut only after that."""

_PREFIX_LIMIT = 400
"""How far into a line its own beginning is looked for."""

_SCOPE_LIMIT = 100
_ORDINARY_SCOPE = 24
"""No scope of Istio or Envoy is longer: what is may hold what messages may not."""

_LEVELS: Mapping[str, Level] = {
    "trace": Level.DEBUG,
    "debug": Level.DEBUG,
    "info": Level.INFO,
    "notice": Level.INFO,
    "warn": Level.WARNING,
    "warning": Level.WARNING,
    "error": Level.ERROR,
    "fatal": Level.CRITICAL,
    "critical": Level.CRITICAL,
    "alert": Level.CRITICAL,
    "emergency": Level.CRITICAL,
}

_SCOPES = frozenset(
    """
    ads adsc analysis authn authorization ca cache citadelclient controllers credentials
    delta dns file gateway grpcgen healthcheck ingress installer klog krt kube leader mcp
    model monitor nodeagent pkica processing proxyconfig retry rootcertrotator sds
    sdsServiceLog secretcontroller secretfetcher secretFetcherLog security securityhandler
    serverca serviceentry source spiffe status stsclient stsserver telemetry token
    trustBundle validation validationController validationServer wasm wle xds xdsproxy
    """.split()  # noqa: SIM905 - the same as sixty lines of literals says no more
)
"""Scopes of Istio: where tabs became spaces, only these words tell a scope from a message."""

_LEVEL = r"trace|debug|info|warning|warn|error|critical|fatal"
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_SECOND = r"[0-9]{2}:[0-9]{2}:[0-9]{2}"
_HEAD = re.compile(
    rf"(?P<istio>{_DAY}T{_SECOND}(?:\.[0-9]{{6}}Z(?=[\t ])|(?:\.[0-9]{{1,9}})?Z(?=\t|[ ]{{2}})))"
    rf"[\t ]+(?P<level>{_LEVEL})[\t ]+"
    rf"|\[(?P<access>{_DAY}T{_SECOND}(?:\.[0-9]{{1,9}})?Z)\][\t ]+(?=\")"
    rf"|\[(?P<envoy>{_DAY} {_SECOND}(?:\.[0-9]{{1,9}})?)\]\[[0-9]+\]\[(?P<severity>{_LEVEL})\]"
    r"\[(?P<component>\w+)\][\t ]*"
)
_POD_PREFIX = re.compile(r"\[pod/[^\]\s\"]{1,300}\][\t ]")
_STAMP = re.compile(
    rf"(?P<stamp>{_DAY}T{_SECOND}(?:\.[0-9]{{1,9}})?(?:Z|[+-][0-9]{{2}}:[0-9]{{2}}))[\t ]"
)
_BARE_LEVEL = re.compile(rf"[\t ]*(?P<level>{_LEVEL})(?:\t|[ ]{{2,}})[\t ]*")
_SOURCE = r"(?:\[?[\w./+-]{1,200}\.(?:cc|h|hpp|cpp|rs):[0-9]+\]?[\t ]+)?"
_ENVOY = re.compile(rf"envoy (?P<component>[\w.-]{{1,60}})[\t ]+{_SOURCE}")
_ENVOY_SOURCE = re.compile(_SOURCE)
_THREAD = re.compile(r"[\t ]+thread=[0-9]+\s*\Z")
_SCOPE = re.compile(r"(?P<scope>[A-Za-z][\w-]{0,60})(?P<gap>\t|[ ]++)[\t ]*+(?![\w.]+=)")
_CALLER = re.compile(r"[\w./@-]{1,200}\.go:[0-9]+[\t ]+")
_SURROGATE = re.compile("[\ud800-\udfff]")

_OWN_KEYS = frozenset(
    {
        "level",
        "severity",
        "time",
        "timestamp",
        "scope",
        "logger",
        "msg",
        "message",
        "caller",
        "stack",
        "thread",
        "labels",
    }
)


def parse_log_line(
    text: str, *, pod: Ref, container: str, file: str | None = None, line: int | None = None
) -> LogLine:
    """Return the line's time, level, scope and redacted message; never raises.

    The message keeps terminal escapes (renderers escape them) and has spaces for tabs. Envoy's
    source position and thread, and Istio's caller, are left out. The line's own time goes before
    the one that kubectl put in front.
    """
    at, level, scope, message = _parts(_encodable(text[:_READ]).rstrip("\r\n"))
    message = redact(message[:KEPT].replace("\t", " "))[:KEPT]
    scope = redact(scope[:_SCOPE_LIMIT])[:_SCOPE_LIMIT] if len(scope) > _ORDINARY_SCOPE else scope
    return LogLine(
        pod=pod,
        container=container,
        at=at,
        level=level,
        scope=scope,
        message=message,
        file=file,
        line=line,
    )


_Parts = tuple[datetime | None, Level, str, str]


def _encodable(text: str) -> str:
    """Replace what no encoding could write: surrogates without their other half."""
    return text if text.isascii() else _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def _parts(text: str) -> _Parts:
    prefix = found.end() if (found := _POD_PREFIX.match(text)) else 0
    stamp = _STAMP.match(text, prefix)
    start = stamp.end() if stamp else prefix
    if text.startswith("{", start) and (decoded := _json_parts(text[start:])):
        return decoded[0] or _stamped(stamp), *decoded[1:]
    text = text[: KEPT + _PREFIX_LIMIT]
    quote = text.find('"', 0, _PREFIX_LIMIT)
    head = _HEAD.search(text, 0, quote + 1 if quote >= 0 else _PREFIX_LIMIT)
    if head is None:
        level, scope, message = _unheaded(text[start:])
        return _stamped(stamp), level, scope, message
    rest = text[head.end() :]
    if head["istio"]:
        return _time(head["istio"]), _LEVELS[head["level"]], *_scoped(rest)
    if head["access"]:
        return _time(head["access"]), Level.UNKNOWN, "", rest
    source = _ENVOY_SOURCE.match(rest)
    message = rest[source.end() :] if source else rest
    return _time(head["envoy"]), _LEVELS[head["severity"]], f"envoy {head['component']}", message


def _stamped(stamp: re.Match[str] | None) -> datetime | None:
    """Return the time that kubectl put in front, for a line that has none of its own."""
    return _time(stamp["stamp"]) if stamp else None


def _unheaded(text: str) -> tuple[Level, str, str]:
    """Read a line without a time of its own: an excerpt, or what no logger wrote."""
    level = _BARE_LEVEL.match(text)
    if level is None:
        return Level.UNKNOWN, "", text
    return _LEVELS[level["level"]], *_scoped(text[level.end() :])


def _scoped(text: str) -> tuple[str, str]:
    """Return scope and message of what follows the level."""
    if envoy := _ENVOY.match(text):
        return f"envoy {envoy['component']}", _THREAD.sub("", text[envoy.end() :])
    scope = ""
    if (found := _SCOPE.match(text)) and (
        found["gap"] != " " or found["scope"] in _SCOPES  # columns, or pasted with single spaces
    ):
        scope, text = found["scope"], text[found.end() :]
    if caller := _CALLER.match(text):
        text = text[caller.end() :]
    return scope, text


def _json_parts(text: str) -> _Parts | None:
    try:
        entry = msgspec.json.decode(text)
    except (ValueError, RecursionError):  # msgspec's errors and Unicode's are ValueErrors
        return None
    if not isinstance(entry, dict):
        return None
    message = entry.get("msg", entry.get("message"))
    if not isinstance(message, str):
        access = access_message(entry)
        at = _time(entry.get("start_time"))
        return None if access is None else (at, Level.UNKNOWN, "", access)
    level = entry.get("level", entry.get("severity"))
    level = _LEVELS.get(level.lower(), Level.UNKNOWN) if isinstance(level, str) else Level.UNKNOWN
    scope = entry.get("scope", entry.get("logger"))
    return (
        _time(entry.get("time", entry.get("timestamp"))),
        level,
        scope if isinstance(scope, str) and scope != "default" else "",
        message + _labels(entry),
    )


def _labels(entry: Mapping[str, Any]) -> str:
    """Return the labels of a JSON line as the text encoding writes them after the message."""
    if entry.keys() <= _OWN_KEYS:
        return ""
    labels = (
        f"{key}={str(value).lower() if isinstance(value, bool) else value}"
        for key, value in entry.items()
        if key not in _OWN_KEYS and isinstance(value, str | int | float)
    )
    return "".join(f" {label}" for label in labels)


def _time(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is UTC:
            return time
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
