"""Connections to ports of pods, lent to who looks at the wire."""

from dataclasses import dataclass

from istiodoctor.sources.cluster.connection import Connection
from istiodoctor.sources.cluster.deadline import Deadline
from istiodoctor.sources.cluster.failure import RequestError
from istiodoctor.sources.cluster.tunnel import Tunnel


@dataclass(frozen=True, slots=True, kw_only=True)
class PodConnector:
    """Connects to one port of one pod, through the API server."""

    connection: Connection
    namespace: str
    pod: str
    port: int

    def connect(self, timeout: float) -> "PodStream":
        """Return a new connection; raises OSError, as a socket would."""
        until = Deadline.after(timeout)
        try:
            return PodStream(self.connection.forward(self.namespace, self.pod, self.port, until))
        except RequestError as failed:
            raise _as_of_a_socket(failed) from None


class PodStream:
    """A tunnel with the verbs and the errors of a socket."""

    def __init__(self, tunnel: Tunnel) -> None:
        """Take an open tunnel."""
        self._tunnel = tunnel

    def sendall(self, data: bytes, /) -> None:
        """Send everything."""
        try:
            self._tunnel.socket.sendall(data)
        except OSError:
            self._raise_if_refused()
            raise

    def recv(self, size: int, /) -> bytes:
        """Return what has come; nothing at the end. Nobody listening shows only here."""
        try:
            data = self._tunnel.socket.recv(size)
        except TimeoutError:
            raise
        except OSError:
            self._raise_if_refused()
            raise
        if not data:
            self._raise_if_refused()
        return data

    def settimeout(self, seconds: float | None, /) -> None:
        """Bound each wait from now on."""
        self._tunnel.socket.settimeout(seconds)

    def close(self) -> None:
        """End the connection."""
        self._tunnel.close()

    def _raise_if_refused(self) -> None:
        if refusal := self._tunnel.refusal:
            if "refused" in refusal:
                raise ConnectionRefusedError(refusal)
            raise OSError(refusal)


def _as_of_a_socket(failed: RequestError) -> OSError:
    if failed.forbidden:
        return PermissionError(failed.message)
    return TimeoutError(failed.message) if failed.silent else OSError(failed.message)
