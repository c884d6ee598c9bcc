"""GET requests to one API server, with patience and bounds."""

import random
import time
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any
from urllib.parse import quote, urlsplit

from istiodoctor.deadline import Deadline
from istiodoctor.sources.cluster import request_error
from istiodoctor.sources.cluster.bounded_answers import SHARE_OF_ANSWER
from istiodoctor.sources.cluster.port_forward_socket import PortForwardSocket
from istiodoctor.sources.cluster.request_error import RequestError

JSON = "application/json"
Query = Sequence[tuple[str, str]]

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 4.0
SHARE_OF_SILENCE = 1 / 6
"""How much of the whole time one request may wait for the next sign of life."""

ATTEMPTS_TO_FORWARD = 2
LARGEST_ANSWER = 64 * 1024 * 1024
LARGEST_REFUSAL = 64 * 1024
CHUNK = 64 * 1024


class Connection:
    """A Kubernetes API server, asked with GET and nothing else. For use by several threads."""

    def __init__(self, client: Any, deadline: Deadline) -> None:
        """`client` is a `kubernetes.client.ApiClient`; to name its type would import it."""
        self._client = client
        self.deadline = deadline
        self.rejected = False
        """Whether the server has said that it does not know who is asking."""

    @property
    def server(self) -> str:
        """The server's URL, without a user or password in it."""
        parts = urlsplit(str(self._client.configuration.host))
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    def get(
        self, *path: str, query: Query = (), accept: str = JSON, head: int | None = None
    ) -> bytes:
        """Return the body of a 200, or its first `head` bytes.

        Everything else raises RequestError. The segments of the path may hold anything.
        """
        for attempt in count(1):
            try:
                return self._attempt(path, query, accept, head)
            except RequestError as failed:
                self._wait_or_give_up(failed, attempt)
        raise AssertionError("counting has no end")

    def forward(self, namespace: str, pod: str, port: int, until: Deadline) -> PortForwardSocket:
        """Return an open connection to a port of a pod; raises RequestError."""
        from istiodoctor.sources.cluster.port_forward import open_port_forward

        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(pod, safe='')}"
        _, url, headers, *_ = self._client.param_serialize(
            "GET",
            f"{path}/portforward",
            query_params=[("ports", str(port))],
            header_params={},
            auth_settings=["BearerToken"],
        )
        for attempt in range(1, ATTEMPTS_TO_FORWARD + 1):
            patience = until.remaining
            if patience <= 0:
                break
            try:
                return open_port_forward(self._client.configuration, url, headers, port, patience)
            except RequestError as failed:
                self.rejected = self.rejected or failed.status == 401
                if attempt == ATTEMPTS_TO_FORWARD:
                    raise
                self._wait_or_give_up(failed, attempt)
        raise request_error.silence("no connection to the pod in time")

    def _wait_or_give_up(self, failed: RequestError, attempt: int) -> None:
        if attempt >= failed.attempts:
            raise failed
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1)) * random.uniform(0.5, 1)
        pause = max(failed.pause, pause)
        if pause >= self.deadline.remaining:
            raise failed
        time.sleep(pause)

    def _attempt(
        self, path: tuple[str, ...], query: Query, accept: str, head: int | None
    ) -> bytes:
        response = self._send(path, query, accept)
        until = self.deadline.at_most(self.deadline.seconds * SHARE_OF_ANSWER)
        whole = False
        try:
            if response.status == 200:
                body, whole = _body(response, until, head or LARGEST_ANSWER)
            else:
                body, whole = _body(response, until, LARGEST_REFUSAL)
        except RequestError:
            raise
        except Exception as error:
            raise request_error.of_exception(error) from None
        finally:
            if not whole:
                response.close()  # a connection with the rest of an answer in it is of no use
        if response.status != 200:
            self.rejected = self.rejected or response.status == 401
            headers = {name.lower(): value for name, value in response.headers.items()}
            raise request_error.of_status(response.status, response.reason or "", headers, body)
        if not whole and head is None:
            limit = LARGEST_ANSWER // 1024 // 1024
            raise RequestError(f"the answer is larger than {limit} MiB", too_large=True)
        return body

    def _send(self, path: tuple[str, ...], query: Query, accept: str) -> Any:
        """Return the open response."""
        from kubernetes.client import ApiException

        patience = min(self.deadline.remaining, self.deadline.seconds * SHARE_OF_SILENCE)
        if patience <= 0:
            raise request_error.late(self.deadline.seconds)
        try:
            request = self._client.param_serialize(
                "GET",
                "/" + "/".join(quote(segment, safe="") for segment in path),
                query_params=list(query),
                header_params={"Accept": accept, "Accept-Encoding": "gzip"},
                auth_settings=["BearerToken"],
            )
            return self._client.call_api(*request, _request_timeout=(patience, patience)).response
        except ApiException as error:  # the client's name for a TLS error
            raise request_error.of_tls((error.reason or "").partition("\n")[2]) from None
        except Exception as error:
            raise request_error.of_exception(error) from None


def _body(response: Any, until: Deadline, limit: int) -> tuple[bytes, bool]:
    """Read up to `limit` bytes; says whether that is all of it."""
    pieces = []
    size = 0
    for piece in _pieces(response):
        if until.passed:
            raise request_error.incomplete()
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            return b"".join(pieces)[:limit], False
    return b"".join(pieces), True


def _pieces(response: Any) -> Iterator[bytes]:
    """Whatever has come in, as it comes: nothing waits for a piece to be full."""
    while piece := response.read1(CHUNK):
        yield piece
