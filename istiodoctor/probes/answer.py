"""The answer to a request, read by the standard library from whatever carries it."""

import io
from dataclasses import dataclass
from http.client import HTTPResponse

from istiodoctor.probes.channel import Channel, TlsChannel

INTERIM = frozenset(range(100, 200)) - {101}
"""Statuses of answers that another one follows; after 101 HTTP is over."""


def final_answer(wire: Channel | TlsChannel, method: str) -> HTTPResponse:
    """Return the answer after any interim ones (RFC 9110 §15.2), its body still to be read.

    Raises OSError and HTTPException.
    """
    incoming = _Incoming(wire)
    opened = _Opened(_Kept(incoming))
    while True:
        response = HTTPResponse(opened, method=method)  # type: ignore[arg-type]  # makefile
        response.begin()
        if incoming.has_ended:  # headers that break off are taken for all of them
            raise ConnectionResetError("the connection was closed amid the headers")
        if response.status not in INTERIM:
            return response


class _Incoming(io.RawIOBase):
    """What comes in on a wire, as a file."""

    def __init__(self, wire: Channel | TlsChannel) -> None:
        super().__init__()
        self._wire = wire
        self._rest = b""
        self.has_ended = False
        """Whether the end was met: within a status and headers it is never asked for."""

    def readable(self) -> bool:
        """Say yes: reading is all there is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # is what it gets
        """Wait for bytes; 0 at the end."""
        data = self._rest or self._wire.receive()
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        self._rest = data[size:]
        self.has_ended = not size
        return size


class _Kept(io.BufferedReader):
    """A file that outlives an interim answer read from it."""

    def close(self) -> None:
        """Leave it open: the connection is closed by who opened it."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """The part of a socket that `http.client` asks for."""

    file: io.BufferedReader

    def makefile(self, _: str) -> io.BufferedReader:
        """Return the file, always the same: an answer may have read on into the next."""
        return self.file
