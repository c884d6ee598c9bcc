"""Backends for connections that Envoy must read from before it lets them through.

Envoy answers most connections itself, before the client has sent a byte. Where a network filter
looks at the first bytes (RBAC), that would be an answer too early: such connections are proxied to
a socket of ours, which waits for the first bytes and then says what Envoy would have done.
"""

import contextlib
import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.conformance.truth import Json

MOST_READ = 65536


@contextlib.contextmanager
def responding(said: dict[Path, Json]) -> Iterator[None]:
    """Lend a listening Unix socket for each path, which answers with what is said there."""
    with contextlib.ExitStack() as stack:
        for path, answer in said.items():
            server = socketserver.ThreadingUnixStreamServer(str(path), _handler(answer))
            server.daemon_threads = True
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            threading.Thread(target=server.serve_forever, daemon=True).start()
        yield


def _handler(said: Json) -> type[socketserver.BaseRequestHandler]:
    text = f"ORACLE {json.dumps(said)}\n".encode()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if self.request.recv(MOST_READ):
                self.request.sendall(text)
                self.request.shutdown(socket.SHUT_WR)
                # What is left unread when a socket closes takes the answer with it.
                while self.request.recv(MOST_READ):
                    pass

    return Handler
