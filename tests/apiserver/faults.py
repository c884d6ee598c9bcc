"""What goes wrong on the way: refusals, silence, torn and senseless answers."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.apiserver.answers import RefusedError, plain
from tests.apiserver.listing import expired

Answer = Callable[[], Awaitable[web.StreamResponse]]

_HUGE_PIECE = b'{"metadata":{"name":"%b"}},' % (b"x" * 65_000)


@dataclass(slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong, where and how often."""

    action: str
    path: str
    times: int | None = None
    skip: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    def strikes(self, request: web.Request) -> bool:
        """Whether this request is hit; counts it."""
        if self.times == 0 or not re.search(self.path, request.path_qs):
            return False
        if self.action == "expire" and not request.query.get("continue"):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True

    async def answer(self, request: web.Request, proper: Answer) -> web.StreamResponse:
        """Answer in place of the server, or spoil its proper answer."""
        return await _ACTIONS[self.action](request, proper, self.options)


class Faults:
    """Everything that is to go wrong; the first that applies wins."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Let something go wrong from now on."""
        if fault.action not in _ACTIONS:
            raise ValueError(f"there is no fault {fault.action}")
        self._faults.append(fault)

    def clear(self) -> None:
        """Let everything work again."""
        self._faults.clear()

    def strike(self, request: web.Request) -> Fault | None:
        """What hits this request."""
        return next((fault for fault in self._faults if fault.strikes(request)), None)


async def _status(
    request: web.Request, proper: Answer, options: Mapping[str, Any]
) -> web.Response:
    code = options["code"]
    headers = {"Retry-After": str(after)} if (after := options.get("retry_after")) else None
    if code == 429:  # the real server says this one in plain text
        text = "Too many requests, please try again later.\n"
        return plain(text, status=code, headers=headers)
    message = options.get("message") or "Internal error occurred: etcdserver: request timed out"
    response = RefusedError(code, options.get("reason") or "InternalError", message).response()
    response.headers.update(headers or {})
    return response


async def _expire(
    request: web.Request, proper: Answer, options: Mapping[str, Any]
) -> web.Response:
    return expired(request.query["continue"]).response()


async def _hang(request: web.Request, proper: Answer, options: Mapping[str, Any]) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError("nothing sets this event")


async def _drip(request: web.Request, proper: Answer, options: Mapping[str, Any]) -> web.Response:
    transport = request.transport
    assert transport
    transport.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while True:  # until the client goes away, which cancels this
        transport.write(b"x")
        await asyncio.sleep(options.get("delay", 1.0))


async def _answer(
    request: web.Request, proper: Answer, options: Mapping[str, Any]
) -> web.Response:
    body = str(options["text"]).encode("latin-1")
    return web.Response(body=body, content_type="application/json")


async def _unserved(
    request: web.Request, proper: Answer, options: Mapping[str, Any]
) -> web.Response:
    return plain("404 page not found\n", status=404)


async def _cut(
    request: web.Request, proper: Answer, options: Mapping[str, Any]
) -> web.StreamResponse:
    body, response = await _opened(request, proper)
    await response.write(body[: len(body) // 2])
    if request.transport:
        request.transport.close()
    return response


async def _slow(
    request: web.Request, proper: Answer, options: Mapping[str, Any]
) -> web.StreamResponse:
    body, response = await _opened(request, proper)
    pieces = max(1, int(options["pieces"]))
    size = -(-len(body) // pieces)
    with suppress(ConnectionError):  # a client that has seen enough goes away
        for start in range(0, len(body), size):
            await response.write(body[start : start + size])
            await asyncio.sleep(options["delay"])
        await response.write_eof()
    return response


async def _garbage(
    request: web.Request, proper: Answer, options: Mapping[str, Any]
) -> web.Response:
    text = "<html><body>Sign in to continue</body></html>\n" * 3
    return web.Response(text=text, content_type=options.get("content_type", "text/html"))


async def _huge(
    request: web.Request, proper: Answer, options: Mapping[str, Any]
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    with suppress(ConnectionError):
        await response.write(b'{"kind":"List","apiVersion":"v1","metadata":{},"items":[')
        for _ in range(int(options["size"]) // len(_HUGE_PIECE)):
            await response.write(_HUGE_PIECE)
        await response.write(b'{"metadata":{"name":"last"}}]}')
        await response.write_eof()
    return response


async def _redirect(
    request: web.Request, proper: Answer, options: Mapping[str, Any]
) -> web.Response:
    return web.Response(status=302, headers={"Location": options["location"]})


async def _opened(request: web.Request, proper: Answer) -> tuple[bytes, web.StreamResponse]:
    """The proper body, and an answer that has announced it in full."""
    answer = await proper()
    body = answer.body if isinstance(answer, web.Response) else b""
    if not isinstance(body, bytes):
        raise TypeError("only an answer that is all there can be spoilt")
    headers = {"Content-Type": answer.content_type, "Content-Length": str(len(body))}
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    return body, response


_Action = Callable[[web.Request, Answer, Mapping[str, Any]], Awaitable[web.StreamResponse]]
_ACTIONS: Mapping[str, _Action] = {
    "status": _status,
    "expire": _expire,
    "hang": _hang,
    "drip": _drip,
    "answer": _answer,
    "unserved": _unserved,
    "cut": _cut,
    "slow": _slow,
    "garbage": _garbage,
    "huge": _huge,
    "redirect": _redirect,
}
