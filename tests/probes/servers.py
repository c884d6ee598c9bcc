"""Servers on loopback: good ones, and those that break off, stall, babble or never end."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from istiodoctor.model.kind import APPS
from istiodoctor.model.observation import Door, Via
from istiodoctor.model.ref import Ref
from tests.support.certificates import Authority, Issued

Answer = Callable[[socket.socket], None]

GATEWAY = Ref(APPS, "Deployment", "istio-system", "ingress")
ROOT = Authority("Probe Root")
ISSUER = Authority("Probe Intermediate", parent=ROOT)
HOST = "shop.example.com"


def certificate(*names: str, days: int = 30, signer: Authority = ISSUER) -> Issued:
    """Return a certificate that ends so many days from now; a negative number has passed."""
    now = datetime.now(UTC)
    return signer.issue(
        *(names or (HOST,)),
        not_before=now - timedelta(days=60),
        not_after=now + timedelta(days=days),
    )


def door(port: int, via: Via = Via.SERVICE_ADDRESS) -> Door:
    """Return a port of loopback as a way to the gateway."""
    return Door(via=via, port=port, gateway=GATEWAY, address="127.0.0.1")


@contextmanager
def serving(answer: Answer) -> Iterator[int]:
    """Answer every connection, each in its thread, and yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError, ValueError):
            answer(connection)

    def every() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=every, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts, and so frees the port
        listener.close()


def tls(
    folder: Path,
    issued: Issued,
    *,
    chain: str | None = None,
    client_authority: Authority | None = None,
    newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
    then: Answer | None = None,
) -> Answer:
    """Return a server that speaks TLS and then does something with what is inside it."""
    pair = folder / "pair.pem"
    pair.write_text((issued.chain_pem if chain is None else chain) + issued.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    context.maximum_version = newest
    context.set_alpn_protocols(["http/1.1"])
    if client_authority:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_authority.root_pem)

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            (then or until_closed)(secured)

    return answer


def saying(*lines: str, after: bool = True) -> Answer:
    """Return a server that sends these lines, after it was asked something."""

    def answer(connection: socket.socket) -> None:
        if after:
            connection.recv(65536)
        connection.sendall("\r\n".join((*lines, "", "")).encode())

    return answer


def until_closed(connection: socket.socket) -> None:
    """Read on and say nothing."""
    while connection.recv(65536):
        pass


def reset(connection: socket.socket) -> None:
    """Break off with a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def reset_after_request(connection: socket.socket) -> None:
    """Break off with a RST, once something was asked."""
    connection.recv(1)
    reset(connection)


def garbage(connection: socket.socket) -> None:
    """Send what no protocol begins with, for as long as anyone listens."""
    while True:
        connection.sendall(b"\xff\x00garbage\x1b[31m" * 4096)


def false_records(connection: socket.socket) -> None:
    """Send what begins like TLS and is none."""
    connection.recv(65536)
    connection.sendall(b"\x16\x03\x03\x40\x00" + b"\x02" * 65536)
    until_closed(connection)


def half_a_record(connection: socket.socket) -> None:
    """Begin to answer in TLS, and say no more."""
    connection.recv(65536)
    connection.sendall(b"\x16\x03\x03\x00\x7a\x02\x00")
    until_closed(connection)
