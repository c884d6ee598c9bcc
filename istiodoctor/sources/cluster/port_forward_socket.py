"""A connection to a port of a pod, whatever opened it."""

from socket import socket
from typing import Any, Self

OVERHEAD = 1024 * 1024
"""What may come in beside what was allowed: headers, and the frames around everything."""


class PortForwardSocket:
    """One connection to a port of a pod; as a context manager it is closed in the end."""

    def __init__(self, websocket: Any, forward: Any, port: int) -> None:
        """Take a WebSocket that counts what comes, and the client's `PortForward` on it."""
        self._websocket = websocket
        self._forward = forward
        self._port = port
        self.socket: socket = forward.socket(port)._socket
        """Like a connection to the port; TLS goes through it too."""

    def allow(self, size: int) -> None:
        """Let so many more bytes come in; what is beyond that ends the connection."""
        self._websocket.left = size + OVERHEAD

    @property
    def is_overrun(self) -> bool:
        """Whether it ended because too much came."""
        return bool(self._websocket.left < 0)

    @property
    def refusal(self) -> str:
        """Why there is no connection to the port, in the server's words; empty if there is."""
        return str(self._forward.error(self._port) or "")

    def close(self) -> None:
        """End the connection."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
