"""Requests as clients send them: hosts, server names and paths in every form that arrives."""

import json
from urllib.parse import urlsplit

from tests.conformance.scenarios.draft import Draft
from tests.conformance.scenarios.requests import MOST, Candidate, requests
from tests.conformance.truth import Json

ODD_PATHS = [
    "//",
    "//api",
    "/api//v1",
    "/api/../login",
    "/api/./v1",
    "/x/..//api",
    "/../../api",
    "/api/..",
    "/%61pi",
    "/api%2Fv1",
    "/api%2fv1",
    "/api%5Cv1",
    "/x/%2e%2e/api",
    "/api\\v1",
    "/api;v=1",
    "/api?x=/../login",
    "/api?",
    "/?q=1&q=2",
    "/caf%C3%A9",
    "/%7Ex",
    "/api%00",
    "/a+b",
    "/api/%",
    "/API/V1",
]
METHODS = ["DELETE", "OPTIONS", "PATCH", "PUT", "POST", "HEAD", "get", "PURGE"]
UPGRADE = {"connection": "Upgrade", "upgrade": "websocket"}


def client_requests(draft: Draft, candidates: list[Candidate]) -> list[Json]:
    """Return requests of the usual kind, most of them changed in one way or two."""
    plain = requests(draft, lambda _: candidates)
    found: dict[str, Json] = {}
    for request in plain:
        changed = request
        for _ in range(draft.weighted([0, 1, 2], [15, 60, 25])):
            changed = _changed(draft, changed)
        found.setdefault(json.dumps(changed), changed)
    return list(found.values())[:MOST]


def _changed(draft: Draft, request: Json) -> Json:
    change = draft.weighted(
        [_spelled, _authority, _server_name, _odd_path, _method, _upgrade, _headers],
        [20, 20, 20, 20, 8, 6, 6],
    )
    return change(draft, request)


def _spelled(draft: Draft, request: Json) -> Json:
    """Write the URL's host in another way that means the same to most."""
    parts = urlsplit(request["url"])
    host = parts.hostname or ""
    spelled = draft.one(host.upper(), host.title(), host + ".", host.upper() + ".")
    return {**request, "url": _with_host(request["url"], spelled)}


def _with_host(url: str, host: str) -> str:
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return url.replace(parts.netloc, host + port, 1)


def _authority(draft: Draft, request: Json) -> Json:
    """Send a Host that is not the URL's."""
    host = urlsplit(request["url"]).hostname or ""
    other = draft.concrete(draft.host())
    value = draft.one(
        other,
        other,
        other.upper(),
        f"{host}:443",
        f"{host}:80",
        f"{host}:8080",
        f"{other}:8443",
        f"{host}:",
        f"{host}.",
        "203.0.113.1",
    )
    return {**request, "headers": request["headers"] | {"host": value}}


def _server_name(draft: Draft, request: Json) -> Json:
    """Ask for a certificate of another host than the request's, or of none."""
    if not request["url"].startswith("https"):
        return request
    name = draft.one(draft.concrete(draft.host()), draft.concrete(draft.host()), "other.test", "")
    return {**request, "serverName": name}


def _odd_path(draft: Draft, request: Json) -> Json:
    parts = urlsplit(request["url"])
    return {**request, "url": f"{parts.scheme}://{parts.netloc}{draft.one(*ODD_PATHS)}"}


def _method(draft: Draft, request: Json) -> Json:
    return {**request, "method": draft.one(*METHODS)}


def _upgrade(draft: Draft, request: Json) -> Json:
    upgrade = draft.one("websocket", "WebSocket", "h2c")
    headers = UPGRADE | {"upgrade": upgrade}
    return {**request, "headers": request["headers"] | headers, "method": "GET"}


def _headers(draft: Draft, request: Json) -> Json:
    header = draft.one(
        {"x-forwarded-proto": "https"},
        {"x-forwarded-proto": "http"},
        {"X-User": "alice"},
        {"x-user": " alice"},
        {"x-user": "ALICE"},
        {"x-env": "alice,bob"},
        {"x-forwarded-host": "b.example.com"},
        {"user-agent": "curl/8.5.0"},
    )
    return {**request, "headers": request["headers"] | header}
