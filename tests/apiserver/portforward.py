"""Port-forwarding over WebSocket (v4.channel.k8s.io) to ports of this machine's loopback."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiohttp import WSMsgType, web

from tests.apiserver.answers import bad_request

Address = tuple[str, int]

_PROTOCOL = "v4.channel.k8s.io"
_CHUNK = 64 * 1024


class PortForwards:
    """Which port of which pod is which port of this machine."""

    def __init__(self) -> None:
        """No pod listens yet."""
        self._addresses: dict[tuple[str, str, int], Address] = {}

    def connect(self, namespace: str, pod: str, port: int, address: Address) -> None:
        """Let a pod's port lead to a listener."""
        self._addresses[namespace, pod, port] = address

    async def serve(self, request: web.Request, pod: Mapping[str, Any]) -> web.StreamResponse:
        """Tunnel until one side closes."""
        ports = _ports(request)
        socket = web.WebSocketResponse(protocols=(_PROTOCOL,))
        if not socket.can_prepare(request).ok:
            raise bad_request("Upgrade request required")
        await socket.prepare(request)
        metadata = pod["metadata"]
        tunnels = [
            _Tunnel(
                socket,
                2 * index,
                port,
                self._addresses.get((metadata["namespace"], metadata["name"], port)),
                metadata,
            )
            for index, port in enumerate(ports)
        ]
        await _run(socket, tunnels)
        return socket


class _Tunnel:
    """One port: a data channel, the error channel after it, and a connection."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        channel: int,
        port: int,
        address: Address | None,
        pod: Mapping[str, Any],
    ) -> None:
        self._socket = socket
        self._channel = channel
        self._port = port
        self._address = address
        self._pod = pod
        self._inbound: asyncio.Queue[bytes] = asyncio.Queue()

    def receive(self, data: bytes) -> None:
        """Take what the client sent, before there is a connection too."""
        self._inbound.put_nowait(data)

    async def run(self) -> None:
        """Name the port on both channels, as the protocol begins, then carry bytes."""
        for channel in (self._channel, self._channel + 1):
            await self._send(channel, self._port.to_bytes(2, "little"))
        try:
            if self._address is None:
                raise ConnectionRefusedError
            reader, writer = await asyncio.open_connection(*self._address)
        except OSError:
            await self._send(self._channel + 1, self._refusal().encode())
            return
        sending = asyncio.create_task(self._outward(writer))
        try:
            while data := await reader.read(_CHUNK):
                await self._send(self._channel, data)
                await asyncio.sleep(0)  # else the end of a client that went away goes unnoticed
        except OSError:
            pass  # a reset by the listener ends the tunnel like its close does
        finally:
            sending.cancel()
            writer.close()

    async def _outward(self, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):  # the listener has closed: the reading side ends the tunnel
            while True:
                writer.write(await self._inbound.get())
                await writer.drain()

    async def _send(self, channel: int, data: bytes) -> None:
        await self._socket.send_bytes(bytes((channel,)) + data)

    def _refusal(self) -> str:
        return (
            f"error forwarding port {self._port} to pod {self._pod.get('uid', '')}, uid : failed"
            f" to connect to localhost:{self._port} inside namespace"
            f' "{self._pod["namespace"]}": dial tcp4 127.0.0.1:{self._port}: connect:'
            " connection refused"
        )


async def _run(socket: web.WebSocketResponse, tunnels: Sequence[_Tunnel]) -> None:
    """Carry bytes both ways; when every tunnel has ended, the connection ends."""
    outward = asyncio.gather(*(tunnel.run() for tunnel in tunnels), return_exceptions=True)
    closing = asyncio.create_task(_close_after(socket, outward))
    try:
        async for message in socket:
            if message.type == WSMsgType.BINARY and message.data:
                index, is_error = divmod(message.data[0], 2)
                if not is_error and index < len(tunnels):
                    tunnels[index].receive(message.data[1:])
    finally:
        outward.cancel()
        closing.cancel()


async def _close_after(socket: web.WebSocketResponse, tunnels: asyncio.Future[Any]) -> None:
    await tunnels
    await socket.close()


def _ports(request: web.Request) -> list[int]:
    texts = [part for text in request.query.getall("ports", []) for part in text.split(",")]
    if not texts:
        raise bad_request('query parameter "ports" is required')
    if not all(text.isdigit() and 0 < int(text) < 65536 for text in texts):
        raise bad_request(f'unable to parse "{",".join(texts)}" as a port')
    return [int(text) for text in texts]
