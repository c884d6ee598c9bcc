"""Requests against real servers: redirects followed by hand, and answers that never end."""

import socket
from pathlib import Path

import pytest

from istiodoctor.model.observation import HttpObservation, HttpTarget, Outcome, PortDoor
from istiodoctor.probes.connector import AddressConnector
from istiodoctor.probes.http import MOST_REDIRECTS, request
from tests.probes import servers
from tests.probes.servers import HOST, certificate, door, serving

HTTP, HTTPS = f"http://{HOST}/", f"https://{HOST}/"


def asked(
    plain: int, secured: int = 9, *, url: str = HTTP, timeout: float = 5.0, **fields: str
) -> HttpObservation:
    doors = (
        PortDoor(scheme="http", port=80, door=door(plain)),
        PortDoor(scheme="https", port=443, door=door(secured)),
    )
    return request(
        HttpTarget(url=url, doors=doors, host=HOST, **fields),
        lambda each: AddressConnector(address=each.address, port=each.port),
        lambda host: host == HOST,
        timeout=timeout,
    )


def told(found: HttpObservation) -> list[tuple[str, int, str]]:
    return [(step.url, step.status, step.location) for step in found.steps]


def redirecting(location: str) -> servers.Answer:
    return servers.saying("HTTP/1.1 301 Moved", f"Location: {location}", "Content-Length: 0")


OK = servers.saying(
    "HTTP/1.1 200 OK",
    "Server: istio-envoy",
    "X-Envoy-Upstream-Service-Time: 3",
    "Strict-Transport-Security: max-age=31536000",
    "Date: Sun, 01 Mar 2026 12:00:00 GMT",
    "Content-Length: 0",
)


def test_a_redirect_is_followed_through_tls_and_every_step_is_kept(tmp_path: Path):
    inside = servers.tls(tmp_path, certificate(), then=OK)
    with serving(redirecting(HTTPS)) as plain, serving(inside) as secured:
        found = asked(plain, secured)

    assert found.outcome is Outcome.ANSWERED
    assert told(found) == [(HTTP, 301, HTTPS), (HTTPS, 200, "")]
    last = found.last
    assert (last.server, last.from_upstream) == ("istio-envoy", True)
    assert last.strict_transport_security == "max-age=31536000"
    assert last.date is not None
    assert last.date.isoformat() == "2026-03-01T12:00:00+00:00"


def test_what_a_proxy_would_send_is_sent():
    heard: list[bytes] = []

    def listening(connection: socket.socket) -> None:
        heard.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with serving(listening) as plain:
        asked(plain, forwarded_proto="https", http_version="1.0")

    assert heard[0].startswith(b"GET / HTTP/1.0\r\nHost: shop.example.com\r\n")
    assert b"\r\nX-Forwarded-Proto: https\r\n" in heard[0]


def test_a_redirect_to_itself_is_a_loop():
    with serving(redirecting(HTTP)) as plain:
        found = asked(plain)

    assert found.outcome is Outcome.LOOP
    assert told(found) == [(HTTP, 301, HTTP)]


def test_redirects_that_lead_on_and_on_are_followed_ten_times():
    count = iter(range(1000))

    def onward(connection: socket.socket) -> None:
        redirecting(f"/{next(count)}")(connection)

    with serving(onward) as plain:
        found = asked(plain)

    assert found.outcome is Outcome.LOOP
    assert len(found.steps) == MOST_REDIRECTS + 1


@pytest.mark.parametrize(
    "location",
    [
        "https://elsewhere.example.net/",
        f"http://{HOST}:8080/",
        f"ftp://{HOST}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1",
        f"http://{HOST}:port/",
        "javascript:alert(1)",
    ],
)
def test_a_redirect_to_where_the_gateway_is_not_is_noted_and_not_followed(location: str):
    with serving(redirecting(location)) as plain:
        found = asked(plain)

    assert found.outcome is Outcome.LEFT
    assert told(found) == [(HTTP, 301, location)]


def endless_body(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")


def endless_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X: " + b"y" * 65000 + b"\r\n")


def endless_continue(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (servers.reset, Outcome.RESET),
        (servers.reset_after_request, Outcome.RESET),
        (servers.until_closed, Outcome.TIMED_OUT),
        (servers.garbage, Outcome.NOT_HTTP),
        (servers.half_a_record, Outcome.TIMED_OUT),
        (servers.saying("220 mail.example.com ESMTP"), Outcome.NOT_HTTP),
        (servers.saying("HTTP/1.1 200"), Outcome.ANSWERED),
        (endless_body, Outcome.ANSWERED),
        (endless_headers, Outcome.NOT_HTTP),
        (endless_continue, Outcome.NOT_HTTP),
    ],
)
def test_whatever_answers_is_an_observation(answer: servers.Answer, outcome: Outcome):
    with serving(answer) as plain:
        found = asked(plain, timeout=1.0)

    assert found.outcome is outcome, found
    assert len(found.last.body) <= 200
    assert len(found.last.error) <= 300


def test_a_connection_that_ends_before_the_answer_is_a_reset():
    with serving(lambda connection: None) as plain:
        assert asked(plain).outcome is Outcome.RESET


def test_an_error_page_is_cut_and_keeps_no_secret():
    page = servers.saying(
        "HTTP/1.1 403 Forbidden", "", "RBAC: access denied; Authorization: Bearer abcdef0123456789"
    )
    with serving(page) as plain:
        found = asked(plain)

    assert found.last.body.startswith("RBAC: access denied")
    assert "abcdef" not in found.last.body


@pytest.mark.parametrize("date", ["yesterday", "Sun, 99 Mar 2026", "", "\x1b[31m"])
def test_a_date_that_is_none_is_passed_over(date: str):
    with serving(servers.saying("HTTP/1.1 200 OK", f"Date: {date}")) as plain:
        found = asked(plain)

    assert (found.outcome, found.last.date) == (Outcome.ANSWERED, None)


@pytest.mark.parametrize("path", ["/\r\nX-Injected: 1", "/ü", "/a b"])
def test_a_path_that_cannot_be_sent_is_not_sent(path: str):
    with serving(OK) as plain:
        found = asked(plain, url=f"http://{HOST}{path}")

    assert found.last.status in (0, 200)
    assert found.outcome in (Outcome.NOT_HTTP, Outcome.ANSWERED)
