"""A client as people use one: it asks once, and says what it was answered."""

import socket
import ssl
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

from istiodoctor.testing.certificates import Issued
from tests.lab.resources import Address
from tests.support.clusters import HOST

PATIENCE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """An answer."""

    status: int
    location: str = ""


def get(place: Address, host: str = HOST, *, http_version: str = "1.1") -> Got:
    """Ask in plain HTTP; raises ConnectionError when there is no answer."""
    with socket.create_connection(place, PATIENCE) as connection:
        return _asked(connection, host, http_version)


def get_over_tls(
    place: Address,
    host: str = HOST,
    *,
    sni: str | None = None,
    own: Issued | None = None,
    folder: Path | None = None,
) -> Got:
    """Ask over TLS, whatever the certificate; raises OSError when there is no answer.

    `sni` is the host unless given; empty sends none. `own` is the client's certificate, which is
    put into a folder.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if own and folder:
        pair = folder / "client.pem"
        pair.write_text(own.chain_pem + own.key_pem)
        context.load_cert_chain(pair)
    name = host if sni is None else sni
    with (
        socket.create_connection(place, PATIENCE) as connection,
        context.wrap_socket(connection, server_hostname=name or None) as secured,
    ):
        return _asked(secured, host, "1.1")


def _asked(connection: socket.socket, host: str, http_version: str) -> Got:
    lines = (f"GET / HTTP/{http_version}", f"Host: {host}", "Connection: close", "", "")
    connection.sendall("\r\n".join(lines).encode())
    response = HTTPResponse(connection, method="GET")
    response.begin()
    found = Got(status=response.status, location=response.headers.get("location") or "")
    response.close()
    return found
