"""A connection under one deadline and one limit of bytes, and TLS on it.

TLS runs in memory: what comes in is seen before it is decrypted, whatever the connection is.
"""

import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from istiodoctor.deadline import Deadline
from istiodoctor.probes.connector import Connector, Stream

CHUNK = 16 * 1024
MOST_BYTES = 512 * 1024
"""What may come in on one connection: a handshake, headers and the beginning of a body."""

T = TypeVar("T")


class TooMuchError(OSError):
    """More came in than is looked at."""


class Channel:
    """A connection whose every wait ends at a deadline."""

    def __init__(self, connector: Connector, deadline: Deadline) -> None:
        """Connect; raises OSError."""
        self.deadline = deadline
        self._stream: Stream = connector.connect(deadline.left())
        self._left = MOST_BYTES

    def send(self, data: bytes) -> None:
        """Send everything."""
        self._stream.settimeout(self.deadline.left())
        self._stream.sendall(data)

    def receive(self) -> bytes:
        """Return what has come; nothing at the end."""
        self._stream.settimeout(self.deadline.left())
        data = self._stream.recv(CHUNK)
        self._left -= len(data)
        if self._left < 0:
            raise TooMuchError("more came than is looked at")
        return data

    def close(self) -> None:
        """End the connection; no failure of that matters."""
        with suppress(OSError):
            self._stream.close()


class TlsChannel:
    """TLS over a channel, with the same two methods."""

    def __init__(self, channel: Channel, context: ssl.SSLContext, sni: str) -> None:
        """Prepare; nothing is sent before the handshake."""
        self._channel = channel
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=False, server_hostname=sni or None
        )
        self.first = b""
        """The beginning of what came, as it came: what does not speak TLS is shown by it."""

    @property
    def deadline(self) -> Deadline:
        """When the waiting ends."""
        return self._channel.deadline

    @deadline.setter
    def deadline(self, deadline: Deadline) -> None:
        self._channel.deadline = deadline

    def handshake(self) -> None:
        """Agree on TLS; raises OSError, of which ssl.SSLError is one."""
        self._driven(self.tls.do_handshake)

    def send(self, data: bytes) -> None:
        """Send everything."""
        self._driven(lambda: self.tls.write(data))

    def receive(self) -> bytes:
        """Return what has come; nothing at the end."""
        try:
            return self._driven(lambda: self.tls.read(CHUNK))
        except ssl.SSLZeroReturnError:
            return b""

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def _driven(self, step: Callable[[], T]) -> T:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
                continue
            except ssl.SSLError:
                self._flush_if_possible()
                raise
            self._flush()
            return result

    def _feed(self) -> None:
        data = self._channel.receive()
        if len(self.first) < CHUNK:
            self.first += data
        if data:
            self._incoming.write(data)
        elif self._incoming.eof:
            raise ConnectionResetError("the connection was closed")
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._channel.send(self._outgoing.read())

    def _flush_if_possible(self) -> None:
        with suppress(OSError):  # our own alert: the failure that it tells of is what counts
            self._flush()


def served_chain(tls: Any) -> tuple[bytes, ...]:
    """Return the certificates as served, in DER; none before the server has sent them."""
    public = getattr(tls, "get_unverified_chain", None)  # since Python 3.13
    if public is not None:
        return tuple(public())
    inner = getattr(tls, "_sslobj", None)
    found = inner.get_unverified_chain() if inner is not None else None
    return tuple(each.public_bytes(_DER) for each in found or ())


_DER = 2
"""`_ssl.ENCODING_DER`."""
