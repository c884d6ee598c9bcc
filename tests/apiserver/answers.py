"""Answers in the words of the real API server."""

import gzip
import json
from collections.abc import Mapping

from aiohttp import web

# The real server compresses from this size on, at the fastest level.
_COMPRESS_FROM = 128 * 1024


class RefusedError(Exception):
    """A request that ends in a Status; raised where the reason is found."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Mapping[str, object] | None = None,
        continue_token: str = "",
    ) -> None:
        """Keep the parts of the Status."""
        super().__init__(message)
        self.code = code
        self.body = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": continue_token} if continue_token else {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            **({"details": dict(details)} if details else {}),
            "code": code,
        }

    def response(self) -> web.Response:
        """The Status as the server sends it."""
        return encoded(json.dumps(self.body).encode() + b"\n", status=self.code)


class UnroutedError(Exception):
    """A path nobody serves: not even a Status, as where a custom resource is not installed."""


def bad_request(message: str) -> RefusedError:
    """The Status of a request that cannot be understood."""
    return RefusedError(400, "BadRequest", message)


def unknown_resource() -> RefusedError:
    """The Status of a path inside a built-in group that leads nowhere."""
    return RefusedError(404, "NotFound", "the server could not find the requested resource")


def details(resource: str, group: str, name: str) -> dict[str, object]:
    """The object a Status is about; the server leaves empty parts out."""
    parts = {"name": name, "group": group, "kind": resource}
    return {key: value for key, value in parts.items() if value}


def encoded(body: bytes, *, status: int = 200) -> web.Response:
    """A JSON answer whose body is already bytes."""
    return web.Response(body=body, status=status, content_type="application/json")


def plain(
    text: str, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A text answer, as the server gives for logs, health and unrouted paths."""
    return web.Response(text=text, status=status, headers=headers, content_type="text/plain")


def document(value: object, *, status: int = 200) -> web.Response:
    """A JSON answer of a value."""
    return encoded(json.dumps(value).encode(), status=status)


def compressed(request: web.Request, response: web.Response) -> web.Response:
    """The answer in gzip, for a client that asked and a body that is worth it."""
    body = response.body
    if (
        "gzip" in request.headers.get("Accept-Encoding", "")
        and isinstance(body, bytes)
        and len(body) >= _COMPRESS_FROM
    ):
        response.body = gzip.compress(body, compresslevel=1)
        response.headers["Content-Encoding"] = "gzip"
    return response
