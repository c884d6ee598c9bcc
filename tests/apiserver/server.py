"""The server: who asks, what goes wrong, what is allowed, and only then the answer."""

import ssl
import time
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from tests.apiserver import discovery, resources
from tests.apiserver.answers import RefusedError, UnroutedError, compressed, document, plain
from tests.apiserver.attributes import attributes_of
from tests.apiserver.authentication import ANONYMOUS, User
from tests.apiserver.cluster import Cluster

_HEALTH = ("/healthz", "/livez", "/readyz")
_BUILD = {
    "gitCommit": "0" * 40,
    "gitTreeState": "clean",
    "buildDate": "2025-01-01T00:00:00Z",
    "goVersion": "go1.24.0",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_RECORD = "record"


class Server:
    """HTTPS around a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._started = time.monotonic()

    async def start(self, folder: Path) -> tuple[web.AppRunner, int]:
        """Listen on some port of the loopback, with the certificates of a folder."""
        application = web.Application()
        application.on_response_prepare.append(_note_status)
        application.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(
            application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await runner.setup()
        context = ssl.create_default_context(
            ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.crt")
        )
        context.load_cert_chain(folder / "server.crt", folder / "server.key")
        context.verify_mode = ssl.CERT_OPTIONAL
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        return runner, runner.addresses[0][1]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        record = self._record(request)
        try:
            user = self._cluster.authentication.user(request)
        except RefusedError as refusal:
            record["user"] = ""
            return refusal.response()
        record["user"] = user.name

        async def proper() -> web.StreamResponse:
            return await self._answer(request, user)

        fault = self._cluster.faults.strike(request)
        response = await (fault.answer(request, proper) if fault else proper())
        self._cluster.changes_after(request)
        if isinstance(response, web.Response):
            return compressed(request, response)
        return response

    def _record(self, request: web.Request) -> dict[str, object]:
        """Note the request as it comes in: one that is never answered counts as well."""
        record: dict[str, object] = {
            "method": request.method,
            "path": request.path,
            "query": dict(request.query),
            "accept": request.headers.get("Accept", ""),
            "user": ANONYMOUS.name,
            "status": None,
            "at": time.monotonic() - self._started,
        }
        self._cluster.recorded.append(record)
        request[_RECORD] = record
        return record

    async def _answer(self, request: web.Request, user: User) -> web.StreamResponse:
        attributes = attributes_of(request)
        try:
            self._cluster.authorization.require(user, attributes)
            if attributes.subresource == "portforward" and attributes.verb == "get":
                # since Kubernetes 1.35 a WebSocket needs the right to create, too
                self._cluster.authorization.require(user, replace(attributes, verb="create"))
            if attributes.path:
                return self._unresourceful(attributes.path)
            return await resources.answer(self._cluster, request, user, attributes)
        except RefusedError as refusal:
            return refusal.response()
        except UnroutedError:
            return plain("404 page not found\n", status=404)

    def _unresourceful(self, path: str) -> web.Response:
        """Paths that are no resources."""
        if path in _HEALTH:
            return plain("ok")
        if path == "/version":
            version = self._cluster.kubernetes_version
            major, minor = version.removeprefix("v").split(".")[:2]
            return document({**_BUILD, "major": major, "minor": minor, "gitVersion": version})
        return document(discovery.answer(self._cluster.catalog, path))


async def _note_status(request: web.Request, response: web.StreamResponse) -> None:
    """Note how a request ends as soon as its client can know."""
    request[_RECORD]["status"] = response.status
