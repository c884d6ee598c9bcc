"""Requests byte by byte, as no well-behaved client sends them, and what comes back."""

import socket
import ssl
from collections.abc import Sequence
from http.client import HTTPException, HTTPResponse
from typing import NamedTuple

from istiodoctor.mesh.configuration.request_line import RequestMessage
from tests.lab.client import PATIENCE
from tests.lab.resources import Address


class Answered(NamedTuple):
    """An answer; status 0 where the connection ended without one."""

    status: int
    headers: dict[str, str]


CLOSED = Answered(0, {})


def ask(
    place: Address,
    message: RequestMessage,
    *,
    sni: str | None = None,
    protocols: Sequence[str] = (),
) -> Answered:
    """Send a request; over TLS where an SNI is given, empty for none."""
    try:
        with socket.create_connection(place, PATIENCE) as connection:
            if sni is None:
                return _asked(connection, message)
            with _context(protocols).wrap_socket(
                connection, server_hostname=sni or None
            ) as secured:
                return _asked(secured, message)
    except (OSError, HTTPException):
        return CLOSED


def _context(protocols: Sequence[str]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def _asked(connection: socket.socket, message: RequestMessage) -> Answered:
    connection.sendall(written(message))
    response = HTTPResponse(connection, method=message.method)
    response.begin()
    found = {name.lower(): value for name, value in response.getheaders()}
    response.close()
    return Answered(response.status, found)


def written(message: RequestMessage) -> bytes:
    """Return the bytes of a request in HTTP/1."""
    host = [] if message.host is None else [("Host", message.host)]
    lines = [f"{message.method} {message.target} HTTP/{message.version}"]
    lines += [f"{name}: {value}" for name, value in (*host, *message.headers)]
    return "\r\n".join((*lines, "Content-Length: 0", "", "")).encode()
