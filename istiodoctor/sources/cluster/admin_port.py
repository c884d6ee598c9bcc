"""GET requests to a port of a pod, each within its time and size."""

import io
from http.client import HTTPConnection, HTTPException, RemoteDisconnected
from socket import socket
from typing import Self

from istiodoctor.deadline import Deadline
from istiodoctor.sources.cluster import request_error
from istiodoctor.sources.cluster.connection import CHUNK, Connection
from istiodoctor.sources.cluster.port_forward_socket import PortForwardSocket
from istiodoctor.sources.cluster.request_error import RequestError

MEBIBYTE = 1024 * 1024
SHORTEST_WAIT = 0.001
"""Seconds; none at all would mean not to wait."""


class AnswerError(RequestError):
    """The port is there and does not give this answer; another one it may."""


class AdminPort:
    """A port of a pod that answers HTTP; one connection serves as many requests as it can."""

    def __init__(
        self,
        connection: Connection,
        *,
        namespace: str,
        pod: str,
        port: int,
        until: Deadline,
        seconds: float,
        limit: int,
    ) -> None:
        """Each request may take `seconds`, its answer `limit` bytes; `until` ends them all."""
        self._connection = connection
        self._pod = (namespace, pod)
        self._port = port
        self._until = until
        self._seconds = seconds
        self._limit = limit
        self._forwarded: PortForwardSocket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def get(self, path: str) -> bytes:
        """Return the body of a 200; anything else raises RequestError."""
        body = self._asked(path)
        if body is None:
            raise AnswerError(self._words("answers 404 Not Found", path))
        return body

    def find(self, path: str) -> bytes:
        """Do the same, but return nothing for a 404."""
        return self._asked(path) or b""

    def _asked(self, path: str) -> bytes | None:
        """Return the body, None for a 404; ask again where an old connection was closed."""
        if self._until.passed:
            raise request_error.silence(f"the time to ask port {self._port} of the pods was over")
        is_used = self._forwarded is not None
        try:
            return self._get(path)
        except RemoteDisconnected:
            self._close()
            if not is_used:
                raise AnswerError(self._words("closes the connection", path)) from None
        try:  # the port closed a connection that had been left open for this request
            return self._get(path)
        except RemoteDisconnected:
            raise AnswerError(self._words("closes the connection", path)) from None

    def _get(self, path: str) -> bytes | None:
        until = self._until.at_most(self._seconds)
        if self._forwarded is None:
            self._forwarded = self._connection.forward(*self._pod, self._port, until)
        forwarded = self._forwarded
        try:
            return self._answer(forwarded, path, until)
        except (HTTPException, OSError, ValueError, RequestError) as error:
            failed = self._failure(forwarded, path, error)
            self._close()
            raise failed from None

    def _answer(self, forwarded: PortForwardSocket, path: str, until: Deadline) -> bytes | None:
        forwarded.allow(self._limit)
        http = HTTPConnection("localhost")
        http.auto_open = 0  # never to a port of this machine
        http.sock = stream = _Stream(forwarded.socket, until)
        http.request("GET", path, headers={"Accept": "application/json"})
        response = http.getresponse()
        if stream.has_ended:  # `http.client` takes headers that break off for all of them
            raise RemoteDisconnected("amid the headers")
        body = bytearray()
        while piece := response.read(CHUNK):
            body += piece
            if len(body) > self._limit:
                raise self._too_much(path)
        if response.length:  # it was to be longer, and nothing says so but this
            raise HTTPException
        if response.will_close:
            self._close()
        if response.status not in (200, 404):
            status = f"{response.status} {response.reason}".strip()
            raise AnswerError(self._words(f"answers {status}", path))
        return bytes(body) if response.status == 200 else None

    def _failure(self, forwarded: PortForwardSocket, path: str, error: Exception) -> Exception:
        """Return what to raise for a request that ended in this."""
        if forwarded.refusal:
            return RequestError(forwarded.refusal)
        if forwarded.is_overrun:
            return self._too_much(path)
        match error:
            case RequestError():
                return error
            case ConnectionError():  # whether it was closed or reset, a port-forward does not tell
                return RemoteDisconnected("before the end of the answer")
            case TimeoutError():
                return request_error.silence(self._words("does not answer in time", path))
            case HTTPException() | ValueError():
                return AnswerError(self._words("does not answer as HTTP does", path))
            case _:
                return AnswerError(self._words("breaks the connection", path))

    def _too_much(self, path: str) -> AnswerError:
        size = self._limit // MEBIBYTE
        return AnswerError(self._words(f"answers with more than {size} MiB", path))

    def _words(self, what: str, path: str) -> str:
        return f"port {self._port} {what}: GET {path}"

    def _close(self) -> None:
        if self._forwarded is not None:
            self._forwarded.close()
            self._forwarded = None


class _Stream:
    """A socket as `http.client` uses it, whose waits all end at one deadline."""

    def __init__(self, connected: socket, until: Deadline) -> None:
        self._socket = connected
        self._until = until
        self.has_ended = False
        """Whether the end was met: within a status and headers it is never asked for."""

    def sendall(self, data: bytes) -> None:
        """Send a request."""
        self._ready().sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return what comes in as a file."""
        return io.BufferedReader(_Incoming(self))

    def receive_into(self, buffer: memoryview) -> int:
        """Wait for bytes; 0 when there will be none."""
        size = self._ready().recv_into(buffer)
        self.has_ended = size == 0
        return size

    def close(self) -> None:
        """Leave the connection open for the next request."""

    def _ready(self) -> socket:
        if self._until.passed:
            raise TimeoutError
        self._socket.settimeout(max(SHORTEST_WAIT, self._until.remaining))
        return self._socket


class _Incoming(io.RawIOBase):
    """The reading side of a stream."""

    def __init__(self, stream: _Stream) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # is what it gets
        return self._stream.receive_into(buffer)
