"""Servers on loopback: good ones, and those that break off, stall, babble or never end."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from istiodoctor.model.kind import APPS
from istiodoctor.model.observation import AccessPoint, Via
from istiodoctor.model.ref import Ref
from istiodoctor.testing.certificates import Authority, Issued

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


def access_point(port: int, via: Via = Via.SERVICE_ADDRESS) -> AccessPoint:
    """Return a port of loopback as a way to the gateway."""
    return AccessPoint(via=via, port=port, gateway=GATEWAY, address="127.0.0.1")


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
    takes_obsolete: bool = False,
    then: Answer | None = None,
) -> Answer:
    """Return a server that speaks TLS and then does something with what is inside it."""
    pair = folder / "pair.pem"
    pair.write_text((issued.chain_pem if chain is None else chain) + issued.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    context.maximum_version = newest
    if takes_obsolete:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
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


def one_answer(status: str, *headers: str) -> Answer:
    """Return a server that gives one answer without a body and says that it closes then."""
    return saying(status, *headers, "Content-Length: 0", "Connection: close")


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


def reset_after(*pieces: bytes) -> Answer:
    """Return a server that says something, once it was asked, and then breaks off with a RST."""

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        for piece in pieces:
            connection.sendall(piece)
        time.sleep(0.3)  # a RST takes back what the other side has not read yet
        reset(connection)

    return answer


def closing_after(*pieces: bytes) -> Answer:
    """Return a server that says something, once it was asked, and then closes."""

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        for piece in pieces:
            connection.sendall(piece)

    return answer


def stalling_after(*pieces: bytes) -> Answer:
    """Return a server that says something, once it was asked, and then nothing more."""

    def answer(connection: socket.socket) -> None:
        closing_after(*pieces)(connection)
        until_closed(connection)

    return answer


def handshaking(
    folder: Path, issued: Issued, then: Answer, *, share: float = 1.0, newest: ssl.TLSVersion
) -> Answer:
    """Return a server that sends this share of its first flight of TLS, and then does something.

    In TLS 1.2 the flight ends with ServerHelloDone, in TLS 1.3 with Finished.
    """
    pair = folder / "pair.pem"
    pair.write_text(issued.chain_pem + issued.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    context.maximum_version = newest

    def answer(connection: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        secured = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(connection.recv(65536))
        with suppress(ssl.SSLWantReadError):
            secured.do_handshake()
        flight = outgoing.read()
        connection.sendall(flight[: int(len(flight) * share)])
        then(connection)

    return answer


def half_a_hello_and_reset(connection: socket.socket) -> None:
    """Begin to answer in TLS, and break off with a RST."""
    connection.recv(65536)
    connection.sendall(b"\x16\x03\x03\x00\x7a\x02\x00")
    reset(connection)


def endless_records(connection: socket.socket) -> None:
    """Send handshake records that announce a certificate without end."""
    connection.recv(65536)
    while True:
        connection.sendall(b"\x16\x03\x03\x40\x00" + b"\x0b\xff\xff\xff" + b"\x00" * 16380)


def endless_alerts(connection: socket.socket) -> None:
    """Send warnings that end nothing."""
    connection.recv(65536)
    while True:
        connection.sendall(b"\x15\x03\x03\x00\x02\x01\x5a" * 1000)


def endless_headers(connection: socket.socket) -> None:
    """Begin an answer and never end its headers."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X: " + b"y" * 65000 + b"\r\n")


def endless_continue(connection: socket.socket) -> None:
    """Say again and again that the answer is to come."""
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
