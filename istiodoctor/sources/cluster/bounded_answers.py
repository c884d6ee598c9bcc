"""HTTP connections on which an answer ends in time, however slowly it comes.

urllib3 bounds each single wait for bytes: a server that sends one byte of a header a second is
waited for without end.
"""

import io
from collections.abc import Callable, Mapping
from http.client import HTTPResponse
from socket import SocketIO
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from istiodoctor.deadline import Deadline

SHARE_OF_ANSWER = 1 / 3
"""How much of the whole time one answer may take to come in, from its status to its last byte, so
that one that hangs leaves time for the others."""
SHORTEST_WAIT = 0.001
"""Seconds; none at all would mean not to wait."""


class IncompleteAnswer(TimeoutError):
    """An answer was still coming in when its time was over."""


def bounded_pools(deadline: Deadline) -> Mapping[str, type[HTTPConnectionPool]]:
    """Return pools for urllib3's `PoolManager.pool_classes_by_scheme`."""

    def response(connection: HTTPConnection) -> Callable[..., HTTPResponse]:
        """Return what `http.client` makes its answers with, of a proxy's CONNECT too."""

        def made(socket: Any, *arguments: Any, **options: Any) -> HTTPResponse:
            until = deadline.at_most(deadline.seconds * SHARE_OF_ANSWER)
            patience = connection.timeout
            longest = patience if isinstance(patience, int | float) else until.remaining
            return HTTPResponse(_Socket(socket, until, longest), *arguments, **options)  # type: ignore[arg-type]  # uses `makefile` alone

        return made

    class Plain(HTTPConnection):
        response_class = property(response)

    class Encrypted(HTTPSConnection):
        response_class = property(response)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}


class _Socket:
    """The part of a socket that an answer is read from."""

    def __init__(self, connected: Any, until: Deadline, longest: float) -> None:
        self._socket = connected
        self._until = until
        self._longest = longest

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return what comes in as a file."""
        raw = self._socket.makefile(mode, buffering=0)
        return io.BufferedReader(_Incoming(self._socket, raw, self._until, self._longest))


class _Incoming(io.RawIOBase):
    """The reading side of a socket, whose waits all end at one deadline."""

    def __init__(self, connected: Any, raw: SocketIO, until: Deadline, longest: float) -> None:
        super().__init__()
        self._socket = connected
        self._raw = raw
        self._until = until
        self._longest = longest
        self._has_begun = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        wait = max(SHORTEST_WAIT, min(self._longest, self._until.remaining))
        self._socket.settimeout(wait)
        try:
            if self._until.passed:
                raise TimeoutError
            size = self._raw.readinto(buffer)
        except TimeoutError:
            if self._has_begun and self._until.passed:
                raise IncompleteAnswer from None
            raise
        self._has_begun = True
        return size

    def close(self) -> None:
        """Let go of the socket: it is closed when nobody reads from it any more."""
        if not self.closed:
            self._raw.close()
        super().close()
