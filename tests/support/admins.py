"""Admin ports of Envoys that have nothing to tell, or whatever a test wants them to."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.apiserver import ApiServer

ADMIN_PORT = 15000
NOTHING = {"/certs": b"{}", "/listeners?format=json": b"{}", "/server_info": b"{}"}
"""What an Envoy without Secrets and listeners answers; all else it does not know."""


class AdminPort:
    """An HTTP server on loopback with fixed answers, as a context manager."""

    def __init__(self, answers: Mapping[str, bytes] | None = None) -> None:
        self.answers = dict(NOTHING if answers is None else answers)
        self.asked: list[tuple[str, str]] = []
        """Method and path of every request."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        host, port = self._server.server_address[:2]
        self.address = (str(host), port)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        port = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                port.asked.append((self.command, self.path))
                body = port.answers.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        return Handler

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def with_envoys(server: ApiServer, objects: Iterable[Mapping[str, Any]]) -> Iterator[AdminPort]:
    """Let every pod among these objects have an Envoy that has nothing to tell."""
    with AdminPort() as port:
        for each in objects:
            if each["kind"] == "Pod":
                path = f"{each['metadata']['namespace']}/{each['metadata']['name']}"
                server.port_forward(path, ADMIN_PORT, to=port.address)
        yield port
