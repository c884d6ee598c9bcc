"""Send one request to an address and say what came back.

The kinds are those of the wire: refused, reset, timeout, garbage; http, redirect, not-found for
what Envoy answers by itself; cluster, tcp, direct, redirect for what `listeners` made of a route.
"""

import contextlib
import functools
import ipaddress
import json
import socket
import ssl
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from tests.conformance import certificates
from tests.conformance.truth import Json

DEFAULT_PORTS = {"http": 80, "https": 443}
BODIES = {"RBAC: access denied": "denied", "fault filter abort": "fault"}
SECONDS = 4.0
MOST_READ = 65536


def request(address: str, port: int, asked: Json) -> Json:
    """Return kind, status, location, clusters and certificate, as far as they are known."""
    scheme = urlsplit(asked["url"]).scheme
    try:
        connection = socket.create_connection((address, port), timeout=SECONDS)
    except ConnectionRefusedError:
        return {"kind": "refused"}
    try:
        if scheme == "http":
            return _plain(connection, _written(asked))
        return _tls(connection, _written(asked), server_name(asked))
    except ConnectionError:
        return {"kind": "reset"}
    except TimeoutError:
        return {"kind": "timeout"}
    finally:
        connection.close()


def port_of(url: str) -> int:
    """Return the port that a URL leads to."""
    parts = urlsplit(url)
    return parts.port or DEFAULT_PORTS[parts.scheme]


def server_name(asked: Json) -> str | None:
    """Return the SNI: as asked for, else the URL's host; none for an address."""
    if "serverName" in asked:
        return str(asked["serverName"]) or None
    host = (urlsplit(asked["url"]).hostname or "").rstrip(".")
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return None
    return host


def _authority(url: str) -> str:
    """Return the host as it is written in the URL, and its port where it is not the default."""
    parts = urlsplit(url)
    written = parts.netloc.rpartition("@")[2]
    return written.removesuffix(f":{DEFAULT_PORTS[parts.scheme]}")


def _written(asked: Json) -> bytes:
    url, method = asked["url"], asked["method"]
    headers = {name.lower(): value for name, value in asked["headers"].items()}
    host = headers.pop("host", _authority(url))
    if method in ("POST", "PUT"):
        headers["content-length"] = "0"
    headers.setdefault("connection", "close")
    lines = [f"{method} {_path(url)} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin1")


def _path(url: str) -> str:
    """Return path and query as they are written: no dot segment is taken out."""
    _, _, rest = url.partition("://")
    rest = rest.partition("#")[0]
    found = min((index for sign in "/?" if (index := rest.find(sign)) >= 0), default=len(rest))
    path = rest[found:]
    return path if path.startswith("/") else "/" + path


@functools.cache
def _context() -> ssl.SSLContext:
    """Return a client that shows a certificate of its own and accepts any."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    certificate, key = certificates.leaf("client")
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(certificate + key)
        context.load_cert_chain(file.name)
    return context


def _send(connection: socket.socket, data: bytes) -> None:
    with contextlib.suppress(ConnectionError):  # what was said before the end is still to be read
        connection.sendall(data)


def _plain(connection: socket.socket, raw: bytes) -> Json:
    _send(connection, raw)
    data = b""
    while not _is_complete(data):
        try:
            more = connection.recv(MOST_READ)
        except ConnectionError:
            break
        if not more:
            break
        data += more
    if not data or data[:1] in (b"\x15", b"\x16"):  # a TLS alert or handshake record
        return {"kind": "reset"}
    return _parsed(data)


class _PlainAnswer(Exception):
    """The server does not speak TLS: what it said instead."""


class _Session:
    """A TLS session over a socket, with what the server says before any handshake seen."""

    def __init__(self, connection: socket.socket, name: str | None) -> None:
        self._connection = connection
        self._received, self._waiting = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._is_first = True
        self.tls = _context().wrap_bio(self._received, self._waiting, server_hostname=name)

    def flush(self) -> None:
        if data := self._waiting.read():
            _send(self._connection, data)

    def receive(self) -> bool:
        """Read more from the socket; false at its end."""
        data = self._connection.recv(MOST_READ)
        if self._is_first and data.startswith((b"ORACLE ", b"HTTP/")):
            raise _PlainAnswer(data)
        self._is_first = False
        if not data:
            self._received.write_eof()
            return False
        self._received.write(data)
        return True

    def shake_hands(self) -> bool:
        """Whether the handshake ended well."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.flush()
                if not self.receive():
                    return False
            except ssl.SSLError:
                return False
            else:
                self.flush()
                return True

    def ask(self, raw: bytes) -> bytes:
        """Send, and return what came back before the connection ended."""
        data = b""
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            self.tls.write(raw)
            self.flush()
            while not _is_complete(data):
                try:
                    more = self.tls.read(MOST_READ)
                except ssl.SSLWantReadError:
                    if not self.receive():
                        break
                else:
                    if not more:
                        break
                    data += more
        return data


def _tls(connection: socket.socket, raw: bytes, name: str | None) -> Json:
    session = _Session(connection, name)
    try:
        is_secured = session.shake_hands()
    except _PlainAnswer as answer:
        said = answer.args[0]
        return _parsed(said) if said.startswith(b"ORACLE ") else {"kind": "reset"}
    if not is_secured:
        return {"kind": "reset"}
    shown = session.tls.getpeercert(binary_form=True) or b""
    subject = x509.load_der_x509_certificate(shown).subject.rfc4514_string()
    data = session.ask(raw)
    found = _parsed(data) if data else {"kind": "reset"}
    return {**found, "certificate": subject.removeprefix("CN=")}


def _is_complete(data: bytes) -> bool:
    """Whether the answer can be told: a marked one from its head, others from their body too."""
    if data.startswith(b"ORACLE"):
        return data.endswith(b"\n")
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return False
    status = head.split(b" ", 2)[1:2]
    has_said = any(text.encode() in body for text in BODIES)
    return b"\nx-oracle:" in head or status not in ([b"403"], [b"503"]) or has_said


def _parsed(data: bytes) -> Json:
    if data.startswith(b"ORACLE "):
        said: Json = json.loads(data[7:].split(b"\n")[0])
        return said
    head, _, body = data.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin1").split("\r\n")
    if not first.startswith("HTTP/"):
        return {"kind": "garbage"}
    status = int(first.split()[1])
    pairs = (line.partition(":") for line in rest)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    found = {"kind": _kind(status, body), "status": status}
    if "x-oracle" in headers:
        found |= json.loads(headers["x-oracle"])
    if found["kind"] == "redirect":
        found["location"] = headers.get("location", "")
    return found


def _kind(status: int, body: bytes) -> str:
    if 300 <= status < 400:
        return "redirect"
    if status == 404:
        return "not-found"
    return next((kind for text, kind in BODIES.items() if text.encode() in body), "http")
