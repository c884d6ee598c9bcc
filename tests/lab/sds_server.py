"""A small SDS server over gRPC: only there Envoy refuses a Secret in the words of Istio's logs.

The messages are those of `envoy/service/discovery/v3/discovery.proto` and
`envoy/extensions/transport_sockets/tls/v3/secret.proto`; every field used has a length.
"""

import queue
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Self

import grpc

from tests.lab.resources import Resource, cluster
from tests.lab.sds import grpc_config

CLUSTER = "sds-grpc"
SERVICE = "envoy.service.secret.v3.SecretDiscoveryService"
NAMES, NONCE, ERROR = 3, 5, 6
"""Fields of a DiscoveryRequest."""
FIELDS = {
    "name": 1,
    "tls_certificate": 2,
    "validation_context": 4,
    "certificate_chain": 1,
    "private_key": 2,
    "trusted_ca": 1,
    "inline_string": 3,
}
"""Fields of a Secret and of what is in it."""
Inbox = queue.SimpleQueue[tuple[str, ...] | None]


class GrpcSecrets:
    """A running SDS server, as a context manager: the `secrets` of an Envoy."""

    def __init__(self) -> None:
        """Have no Secret yet."""
        self._secrets: dict[str, Sequence[Resource]] = {}
        self._open: list[Inbox] = []
        self._lock = threading.Lock()
        self._versions = count(1)
        self._server = grpc.server(ThreadPoolExecutor(16, "sds"))
        port = self._server.add_insecure_port("127.0.0.1:0")
        self.clusters: Sequence[Resource] = (cluster(CLUSTER, port, http2=True),)
        handler = grpc.stream_stream_rpc_method_handler(self._stream)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, {"StreamSecrets": handler}),)
        )

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(grace=None).wait()

    def send(self, name: str, *secrets: Resource) -> None:
        """Send what there is under a name, to all who ask for it: now and later."""
        with self._lock:
            self._secrets[name] = secrets
            for inbox in self._open:
                inbox.put((name,))

    def config(self, name: str) -> Resource:
        """Return how a listener asks for a Secret."""
        return grpc_config(name, CLUSTER)

    def _stream(self, requests: Iterator[bytes], _: object) -> Iterator[bytes]:
        inbox: Inbox = queue.SimpleQueue()
        wanted: set[str] = set()
        with self._lock:
            self._open.append(inbox)
        threading.Thread(target=_listen, args=(requests, inbox, wanted), daemon=True).start()
        try:
            while (names := inbox.get()) is not None:
                yield from (self._answer(each) for each in names if self._has(each, wanted))
        finally:
            with self._lock:
                self._open.remove(inbox)

    def _has(self, name: str, wanted: set[str]) -> bool:
        return name in wanted and bool(self._secrets.get(name))

    def _answer(self, name: str) -> bytes:
        version = str(next(self._versions))
        resources = [
            _field(1, secret["@type"]) + _field(2, _encoded(secret))
            for secret in self._secrets[name]
        ]
        kind = self._secrets[name][0]["@type"]
        return b"".join(
            (_field(1, version), *(_field(2, each) for each in resources), _field(4, kind))
        ) + _field(5, version)


def _listen(requests: Iterator[bytes], inbox: Inbox, wanted: set[str]) -> None:
    """Hand on what a client asks for; that it takes or refuses an answer asks for nothing."""
    try:
        for request in requests:
            fields = _fields(request)
            names = tuple(each.decode() for each in fields[NAMES])
            wanted.update(names)
            if not fields[NONCE]:
                inbox.put(names)
    except grpc.RpcError:
        pass  # the client has gone
    finally:
        inbox.put(None)


def _encoded(message: Resource) -> bytes:
    """Return a Secret, or a part of one, in the wire format."""
    return b"".join(
        _field(FIELDS[name], value if isinstance(value, str) else _encoded(value))
        for name, value in message.items()
        if name in FIELDS
    )


def _field(number: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _number(number << 3 | 2) + _number(len(data)) + data


def _number(value: int) -> bytes:
    """Return a number seven bits at a time, the lowest first."""
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*groups, value))


def _fields(message: bytes) -> dict[int, list[bytes]]:
    """Return the fields of a message, all of which have a length."""
    found: dict[int, list[bytes]] = defaultdict(list)
    rest = memoryview(message)
    while rest:
        tag, rest = _taken(rest)
        size, rest = _taken(rest)
        found[tag >> 3].append(bytes(rest[:size]))
        rest = rest[size:]
    return found


def _taken(rest: memoryview) -> tuple[int, memoryview]:
    value = 0
    for place, byte in enumerate(rest):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, rest[place + 1 :]
    raise ValueError("a number without an end")
