"""What a line of a log says, as a fact with typed fields."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from istiodoctor.mesh.log_meanings import Meaning, Row
from istiodoctor.mesh.logs.table_gateway import (
    ACCESS_EXPRESSIONS,
    ACCESS_ROWS,
    GATEWAY_ROWS,
)
from istiodoctor.mesh.logs.table_istiod import ISTIOD_ROWS
from istiodoctor.model.access_log import AccessEntry, is_ordinary, read_access
from istiodoctor.model.log import LogLine

__all__ = ["PATTERNS", "LogFact", "Meaning", "read_fact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFact:
    """One line's meaning, with what it names; fields that do not apply are empty."""

    meaning: Meaning
    line: LogLine
    resource: str = ""
    """The SDS resource as logged: `kubernetes://shop-cert`, `file-cert:…`, `default`."""
    credentials: tuple[str, ...] = ()
    """Names of Secrets, without namespace; a client CA keeps its `-cacert`.

    A line may name only the first of several: `count` says how many they are.
    """
    namespace: str = ""
    """Of the credential or of the ServiceAccount, where the line says it."""
    service_account: str = ""
    proxy: str = ""
    """`pod.namespace`."""
    reason: str = ""
    """The error in its writer's words; of access logs, Envoy's details or the failure."""
    hosts: tuple[str, ...] = ()
    gateway: str = ""
    """`namespace/name`, or the name alone where the version logs no more."""
    server: str = ""
    virtual_service: str = ""
    """`namespace/name`, or as logged."""
    delegate: str = ""
    route: str = ""
    listener: str = ""
    """Envoy's name: `0.0.0.0_8443`."""
    port: int | None = None
    host: str = ""
    """The authority that a client asked for."""
    sni: str = ""
    cluster: str = ""
    address: str = ""
    """What could not be reached: istiod, or the URL of a token issuer's keys."""
    issuer: str = ""
    """Of tokens."""
    provider: str = ""
    """The external authorizer, by its name in the mesh configuration."""
    method: str = ""
    """Of the request, in an access log."""
    xds: str = ""
    """What was rejected, timed out or closed: `SDS`, `Listener`, `StreamSecrets`, …"""
    code: int | None = None
    """HTTP status of an access log, or gRPC status of a closed stream."""
    count: int | None = None
    """How many resources were pushed, or credentials refused."""
    removed: int = 0
    """How many resources a push took away."""


NODE_PARTS = 4
"""Type, address, name and domain of a node's name."""

Fields = dict[str, Any]

_ROWS = ISTIOD_ROWS + GATEWAY_ROWS

_RESOURCE = re.compile(r"\A[\w-]+://(?:(?P<namespace>[^/\s]+)/)?(?P<name>[^/\s]+)\Z")
_NOT_FOUND = re.compile(r"\Asecret (?P<namespace>[^/\s]+)/\S+ not found")
_OTHERS = re.compile(r",? and (?P<others>\d{1,9}) others\Z")
_CONNECTION_NUMBER = re.compile(r"-\d+\Z")
_SPIFFE = re.compile(r"/ns/(?P<namespace>[^/\s]{1,253})/sa/(?P<account>[^/\s\]}]{1,253})")
_LISTENER_PORT = re.compile(r"_(?P<port>\d{1,5})\Z")


def _read_resource(text: str) -> Fields:
    found = _RESOURCE.match(text)
    if not found or text.startswith(("file-", "invalid:", "builtin:")):
        return {"resource": text}
    named = {"resource": text, "credentials": (found["name"],)}
    return {**named, "namespace": found["namespace"]} if found["namespace"] else named


def _read_names(text: str) -> Fields:
    """Read `a, b` or `a, b, and 3 others`."""
    others = _OTHERS.search(text)
    named = text[: others.start()] if others else text
    names = tuple(name for name in named.split(", ") if name)
    more = int(others["others"]) if others else 0
    return {"credentials": names, "count": len(names) + more}


def _read_secret(text: str) -> Fields:
    namespace, _, name = text.rpartition("/")
    return (
        {"credentials": (name,), "namespace": namespace} if namespace else {"credentials": (name,)}
    )


def _read_reason(text: str) -> Fields:
    """Keep the error; its namespace too, where it is that of the Secret looked for."""
    found = _NOT_FOUND.match(text)
    reason = {"reason": text.strip()}
    return {**reason, "namespace": found["namespace"]} if found else reason


def _read_connection(text: str) -> Fields:
    """Read `pod.namespace-12`: the number is the connection's.

    Istio ≤ 1.8 writes the node's name there: `router~10.0.0.4~pod.namespace~domain-12`.
    """
    parts = text.split("~")
    return {"proxy": _CONNECTION_NUMBER.sub("", parts[2] if len(parts) == NODE_PARTS else text)}


def _read_listener(text: str) -> Fields:
    found = _LISTENER_PORT.search(text)
    return {"listener": text, "port": int(found["port"])} if found else {"listener": text}


def _read_identity(text: str) -> Fields:
    found = _SPIFFE.search(text)
    if not found:
        return {}
    return {"namespace": found["namespace"], "service_account": found["account"]}


def _number(name: str) -> Callable[[str], Fields]:
    return lambda text: {name: int(text)} if len(text) <= 9 else {}


_READERS: Mapping[str, Callable[[str], Fields]] = {
    "resource": _read_resource,
    "names": _read_names,
    "secret": _read_secret,
    "reason": _read_reason,
    "connection": _read_connection,
    "listener": _read_listener,
    "identity": _read_identity,
    "account": lambda text: {"service_account": text},
    "hosts": lambda text: {"hosts": tuple(text.split())},
    **{name: _number(name) for name in ("port", "code", "count", "removed")},
}
"""How the text of a group becomes fields; a group with another name is the field of that name."""


def _unnamed(expression: str) -> str:
    return re.sub(r"\(\?P<\w+>", "(?:", expression)


def _patterns() -> dict[Meaning, str]:
    expressions: dict[Meaning, list[str]] = {}
    for row in _ROWS:
        expressions.setdefault(row.meaning, []).append(_unnamed(row.expression))
    for meaning, expression in ACCESS_EXPRESSIONS:
        expressions.setdefault(meaning, []).append(expression)
    return {meaning: "|".join(of_one) for meaning, of_one in expressions.items()}


PATTERNS: Mapping[Meaning, str] = _patterns()
"""Per meaning, a regular expression that is found in every raw line of it, text or JSON."""

_Compiled = tuple[tuple[str, Meaning, re.Pattern[str]], ...]


def _compiled(rows: tuple[Row, ...]) -> _Compiled:
    flags = re.DOTALL | re.ASCII
    return tuple((row.needle, row.meaning, re.compile(row.expression, flags)) for row in rows)


_OF_ACCESS = _compiled(ACCESS_ROWS)
_OF_ANY = _compiled(_ROWS) + _OF_ACCESS


def read_fact(line: LogLine) -> LogFact | None:
    """Return what the line says, or None when it says nothing that we know.

    A line of an access log is judged by its fields alone: what a client sent never passes for a
    line of istiod.
    """
    message = line.message
    if not message.startswith('"'):
        return _first_fact(line, message, _OF_ANY)
    if is_ordinary(message):
        return None
    entry = read_access(message)
    return _access_fact(line, entry) if entry else _first_fact(line, message, _OF_ACCESS)


def _first_fact(line: LogLine, message: str, rows: _Compiled) -> LogFact | None:
    for needle, meaning, expression in rows:
        if needle in message and (found := expression.search(message)):
            return LogFact(meaning=meaning, line=line, **_fields(found))
    return None


def _fields(found: re.Match[str]) -> Fields:
    fields: Fields = {}
    for name, text in found.groupdict().items():
        if text is not None:
            fields |= _READERS[name](text) if name in _READERS else {name: text}
    return fields


def _access_fact(line: LogLine, entry: AccessEntry) -> LogFact | None:
    meaning = _access_meaning(entry)
    if meaning is None:
        return None
    tls = meaning is Meaning.UPSTREAM_TLS_FAILURE
    return LogFact(
        meaning=meaning,
        line=line,
        reason=(entry.failure if tls else "") or entry.details or entry.failure,
        host=entry.authority,
        sni=entry.server_name,
        cluster=entry.cluster,
        route=entry.route,
        code=entry.code,
        method=entry.method,
    )


def _access_meaning(entry: AccessEntry) -> Meaning | None:
    """Judge by Envoy's details and, where the version logs none (Istio ≤ 1.8), by its flags."""
    details, flags = entry.details, entry.flags
    if details == "low_version" or (entry.code == 426 and entry.protocol == "HTTP/1.0"):
        return Meaning.HTTP10_REJECTED
    for beginning, meaning in _OF_FILTERS:
        if details.startswith(beginning):
            return meaning
    if "NR" in flags:
        connection = details == "filter_chain_not_found" or not entry.protocol
        return Meaning.FILTER_CHAIN_NOT_FOUND if connection else Meaning.ROUTE_NOT_FOUND
    if "NC" in flags or details == "cluster_not_found":
        return Meaning.CLUSTER_NOT_FOUND
    if _is_tls_error(entry.failure) or _is_tls_error(details):
        return Meaning.UPSTREAM_TLS_FAILURE
    if "UH" in flags:
        return Meaning.NO_HEALTHY_UPSTREAM
    if "UF" in flags or "UC" in flags:
        return Meaning.UPSTREAM_RESET
    return Meaning.PROTOCOL_ERROR if "DPE" in flags else None


_OF_FILTERS = (
    ("rbac_access_denied", Meaning.RBAC_DENIED),
    ("ext_authz_error", Meaning.EXTERNAL_AUTHORIZER_FAILED),
    ("jwt_authn_access_denied", Meaning.TOKEN_REFUSED),
)
"""How the details of what Envoy's filters refuse begin."""


def _is_tls_error(text: str) -> bool:
    return "TLS_error:" in text or "TLS error:" in text
