"""What a request is made of: the method and the headers that were asked for, and no others."""

import errno
import socket
from collections.abc import Mapping
from typing import Any

import pytest

from istiodoctor.model.observation import (
    AccessPoint,
    HttpObservation,
    HttpTarget,
    Outcome,
    ProbeTargets,
    TlsTarget,
    UrlAccessPoint,
    Via,
)
from istiodoctor.probes import Probing, look
from istiodoctor.probes.connector import AddressConnector
from istiodoctor.probes.http import request
from istiodoctor.probes.tls import connection_failure
from tests.probes.servers import GATEWAY, HOST, Answer, access_point, serving

URL = f"http://{HOST}/a?b=c"


def keeping(asked: list[bytes], *lines: str) -> Answer:
    def answer(connection: socket.socket) -> None:
        asked.append(connection.recv(65536))
        connection.sendall("\r\n".join((*(lines or ("HTTP/1.1 200 OK",)), "", "")).encode())

    return answer


def sent(*lines: str, **fields: Any) -> tuple[HttpObservation, list[bytes]]:
    """Return what was seen, and what a server was asked."""
    asked: list[bytes] = []
    with serving(keeping(asked, *lines)) as port:
        access_points = (UrlAccessPoint(scheme="http", port=80, access_point=access_point(port)),)
        seen = request(
            HttpTarget(url=URL, access_points=access_points, host=HOST, **fields),
            lambda each: AddressConnector(address=each.address, port=each.port),
            lambda host: host == HOST,
            timeout=5.0,
        )
    return seen, asked


def headers(asked: bytes) -> Mapping[str, str]:
    lines = asked.decode().split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines if line)


def test_a_plain_request_has_a_clients_own_headers_only():
    _, (asked,) = sent()

    assert asked.startswith(b"GET /a?b=c HTTP/1.1\r\n")
    assert headers(asked) == {
        "Host": HOST, "User-Agent": "istiodoctor", "Accept": "*/*", "Connection": "close",
    }  # fmt: skip


def test_headers_come_beside_them_and_in_their_place():
    given = (("x-canary", "a=b"), ("user-agent", "me"), ("host", "b.example.com"))

    _, (asked,) = sent(headers=given, forwarded_proto="https")

    assert headers(asked) == {
        "Host": "b.example.com", "User-Agent": "me", "Accept": "*/*",
        "X-Forwarded-Proto": "https", "X-Canary": "a=b", "Connection": "close",
    }  # fmt: skip


def test_an_answer_to_head_has_no_body_to_wait_for():
    seen, (asked,) = sent("HTTP/1.1 503 No", "Content-Length: 900", method="HEAD")

    assert asked.startswith(b"HEAD /a?b=c HTTP/1.1\r\n")
    assert (seen.outcome, seen.last.status, seen.last.body) == (Outcome.ANSWERED, 503, "")


@pytest.mark.parametrize(
    "fields",
    [
        {"method": "POST"},
        {"method": "GET / HTTP/1.1\r\nX: y\r\n\r\nDELETE"},
        {"headers": (("x-a", "b\r\nx-evil: 1"),)},
        {"headers": (("x-a: b\r\nx-evil", "1"),)},
        {"headers": (("x-a", "ä"),)},
        {"headers": (("", "1"),)},
    ],
    ids=["method", "method with lines", "value with lines", "name with lines", "umlaut", "empty"],
)
def test_nothing_else_is_ever_sent(fields: dict[str, Any]):
    seen, asked = sent(**fields)

    assert (seen.last.status, b"".join(asked)) == (0, b"")


def test_a_redirect_is_not_followed_where_that_is_not_wanted():
    seen, asked = sent("HTTP/1.1 302 Found", f"Location: {URL}x", follows_redirects=False)

    assert (len(asked), seen.outcome) == (1, Outcome.ANSWERED)
    assert (seen.last.status, seen.last.location) == (302, f"{URL}x")


def test_where_a_name_resolves_is_kept_for_requests_as_for_handshakes():
    with serving(keeping([])) as port:
        by_name = AccessPoint(via=Via.DNS, port=port, gateway=GATEWAY, address="localhost")
        access_points = (UrlAccessPoint(scheme="http", port=port, access_point=by_name),)
        target = HttpTarget(
            url=f"http://localhost:{port}/", access_points=access_points, host="localhost"
        )
        targets = ProbeTargets(
            tls=(TlsTarget(access_point=by_name, sni="localhost"),),
            http=(target,),
            hosts=("localhost",),
        )
        reading = look(targets, None, Probing(seconds=10.0))

    (replied,), (shaken,) = reading.http_observations, reading.tls_observations
    assert replied.last.status == 200
    assert "127.0.0.1" in replied.addresses
    assert replied.addresses == shaken.addresses


@pytest.mark.parametrize(
    ("number", "outcome"),
    [(socket.EAI_AGAIN, Outcome.FAILED), (socket.EAI_NONAME, Outcome.UNREACHABLE)],
    ids=["no answer of the name server", "no such name"],
)
def test_a_name_server_that_does_not_answer_says_nothing_of_the_name(
    number: int, outcome: Outcome
):
    assert connection_failure(socket.gaierror(number, "words"))["outcome"] is outcome
    assert connection_failure(OSError(errno.ENETUNREACH, "words"))["outcome"] is (
        Outcome.UNREACHABLE
    )
