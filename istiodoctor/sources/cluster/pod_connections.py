"""Connections to ports of pods, for probes."""

from dataclasses import dataclass

from istiodoctor.deadline import Deadline
from istiodoctor.sources.cluster.connection import Connection
from istiodoctor.sources.cluster.port_forward_socket import PortForwardSocket
from istiodoctor.sources.cluster.request_error import RequestError


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
    """A port-forward with the methods and the errors of a socket."""

    def __init__(self, forwarded: PortForwardSocket) -> None:
        """Take an open port-forward."""
        self._forwarded = forwarded

    def sendall(self, data: bytes, /) -> None:
        """Send everything."""
        try:
            self._forwarded.socket.sendall(data)
        except OSError:
            self._raise_if_refused()
            raise

    def recv(self, size: int, /) -> bytes:
        """Return what has come; nothing at the end. Nobody listening shows only here."""
        try:
            data = self._forwarded.socket.recv(size)
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
        self._forwarded.socket.settimeout(seconds)

    def close(self) -> None:
        """End the connection."""
        self._forwarded.close()

    def _raise_if_refused(self) -> None:
        if refusal := self._forwarded.refusal:
            if "refused" in refusal:
                raise ConnectionRefusedError(refusal)
            raise OSError(refusal)


def _as_of_a_socket(failed: RequestError) -> OSError:
    if failed.forbidden:
        return PermissionError(failed.message)
    return TimeoutError(failed.message) if failed.silent else OSError(failed.message)
