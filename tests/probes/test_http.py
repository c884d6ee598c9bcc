"""Requests against real servers: redirects followed by hand, and answers that never end."""

import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from istiodoctor.model.observation import HttpObservation, HttpTarget, Outcome, UrlAccessPoint
from istiodoctor.probes.connector import AddressConnector
from istiodoctor.probes.http import MOST_REDIRECTS, request
from tests.probes import servers
from tests.probes.servers import HOST, ROOT, access_point, certificate, serving

HTTP, HTTPS = f"http://{HOST}/", f"https://{HOST}/"


def asked(
    plain: int, secured: int = 9, *, url: str = HTTP, timeout: float = 5.0, **fields: Any
) -> HttpObservation:
    access_points = (
        UrlAccessPoint(scheme="http", port=80, access_point=access_point(plain)),
        UrlAccessPoint(scheme="https", port=443, access_point=access_point(secured)),
    )
    return request(
        HttpTarget(url=url, access_points=access_points, host=HOST, **fields),
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


@pytest.mark.promise("no redirect to hosts of others")
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
        "//elsewhere.example.net/",
        "file:///etc/passwd",
        "http://[fd00:ec2::254]/",
        f"http://user:password@elsewhere.example.net/#{HOST}",
        f"http://{HOST}.elsewhere.example.net/",
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
        (servers.endless_headers, Outcome.NOT_HTTP),
        (servers.endless_continue, Outcome.NOT_HTTP),
    ],
)
def test_whatever_answers_is_an_observation(answer: servers.Answer, outcome: Outcome):
    with serving(answer) as plain:
        found = asked(plain, timeout=1.0)

    assert found.outcome is outcome, found
    assert len(found.last.body) <= 200
    assert len(found.last.error) <= 300


TORN = b"HTTP/1.1 301 Moved\r\nLocation: https://shop.exam"
HALF_A_PAGE = b"HTTP/1.1 503 No\r\nContent-Length: 4000\r\n\r\nupstream connect error"


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (servers.reset_after(), Outcome.RESET),
        (servers.closing_after(), Outcome.RESET),
        (servers.stalling_after(), Outcome.TIMED_OUT),
        (servers.reset_after(TORN), Outcome.RESET),
        (servers.closing_after(TORN), Outcome.RESET),
        (servers.stalling_after(TORN), Outcome.TIMED_OUT),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_answer_that_breaks_off_before_its_end_is_none_with_tls_and_without(
    tmp_path: Path, scheme: str, fault: servers.Answer, outcome: Outcome
):
    if scheme == "https":
        fault = servers.tls(tmp_path, certificate(), then=fault)
    with serving(fault) as port:
        found = asked(port, port, url=f"{scheme}://{HOST}/", timeout=1.0)

    assert found.outcome is outcome, found
    assert told(found) == [(f"{scheme}://{HOST}/", 0, "")]


@pytest.mark.parametrize(
    ("fault", "body"),
    [
        (servers.reset_after(HALF_A_PAGE), "upstream connect error"),
        (servers.closing_after(HALF_A_PAGE), "upstream connect error"),
        (servers.stalling_after(HALF_A_PAGE), "upstream connect error"),
        (servers.stalling_after(HALF_A_PAGE.partition(b"upstream")[0]), ""),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_page_that_breaks_off_takes_nothing_from_its_status(
    tmp_path: Path, scheme: str, fault: servers.Answer, body: str
):
    if scheme == "https":
        fault = servers.tls(tmp_path, certificate(), then=fault)
    with serving(fault) as port:
        found = asked(port, port, url=f"{scheme}://{HOST}/", timeout=1.0)

    assert (found.outcome, found.last.status, found.last.body) == (Outcome.ANSWERED, 503, body)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (servers.reset, Outcome.RESET),
        (servers.reset_after_request, Outcome.RESET),
        (lambda connection: None, Outcome.RESET),
        (servers.until_closed, Outcome.TIMED_OUT),
        (servers.half_a_record, Outcome.TIMED_OUT),
        (servers.garbage, Outcome.NOT_TLS),
        (servers.false_records, Outcome.FAILED),
        (servers.saying("HTTP/1.1 400 Bad Request"), Outcome.NOT_TLS),
    ],
)
def test_a_handshake_before_a_request_fails_as_one_without(fault, outcome: Outcome):
    with serving(fault) as port:
        found = asked(port, port, url=HTTPS, timeout=1.0)

    assert found.outcome is outcome, found
    assert found.last.error
    assert told(found) == [(HTTPS, 0, "")]


@pytest.mark.parametrize(
    ("newest", "alert"),
    [
        (ssl.TLSVersion.TLSv1_3, "certificate required"),
        (ssl.TLSVersion.TLSv1_2, "handshake failure"),
    ],
)
def test_a_server_that_wants_a_client_certificate_refuses_requests_in_its_own_words(
    tmp_path: Path, newest: ssl.TLSVersion, alert: str
):
    mutual = servers.tls(tmp_path, certificate(), client_authority=ROOT, newest=newest)
    with serving(mutual) as port:
        found = asked(port, port, url=HTTPS)

    assert (found.outcome, found.last.error) == (Outcome.ALERT, alert)


@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
    ],
)
def test_an_interim_answer_is_not_the_answer(interim: bytes):
    final = b"HTTP/1.1 404 Not Found\r\nServer: app\r\nContent-Length: 4\r\n\r\nnone"
    for pieces in ((interim + final,), (interim, final)):
        with serving(servers.closing_after(*pieces)) as plain:
            found = asked(plain)

        assert (found.outcome, found.last.status) == (Outcome.ANSWERED, 404)
        assert (found.last.server, found.last.body) == ("app", "none")


def endless_hints(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" * 100)


def headers_drop_by_drop(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X")
        time.sleep(0.02)


def many_small_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5000 + b"\r\n")


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (endless_hints, Outcome.NOT_HTTP),
        (headers_drop_by_drop, Outcome.TIMED_OUT),
        (many_small_headers, Outcome.NOT_HTTP),
    ],
)
def test_what_never_comes_to_an_end_is_given_up(fault, outcome: Outcome):
    with serving(fault) as plain:
        found = asked(plain, timeout=1.0)

    assert (found.outcome, found.last.status) == (outcome, 0), found


def test_a_location_too_long_to_keep_is_said_and_not_followed():
    with serving(redirecting(f"http://{HOST}/" + "a" * 4000)) as plain:
        found = asked(plain)

    (step,) = found.steps
    assert (found.outcome, step.status, len(step.location)) == (Outcome.ANSWERED, 301, 2000)
    assert step.error == "the Location is longer than the 2000 characters that are looked at"


def test_a_location_longer_than_any_header_is_no_answer():
    with serving(redirecting(f"http://{HOST}/" + "a" * 300_000)) as plain:
        found = asked(plain)

    assert found.outcome is Outcome.NOT_HTTP
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


@pytest.mark.parametrize(
    ("status", "body", "is_expected"),
    [
        ("200 OK", "token.thumbprint", True),
        ("200 OK", "token", False),
        ("404 Not Found", "token.thumbprint", False),
    ],
)
def test_a_right_answer_is_told_from_others_and_not_kept(
    status: str, body: str, is_expected: bool
):
    answer = servers.saying(f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "", body)

    with serving(answer) as port:
        expecting, whatever = asked(port, answer_begins="token."), asked(port)

    assert (expecting.last.is_expected, whatever.last.is_expected) == (is_expected, None)
    assert expecting.last.body == (body if status.startswith("404") else "")
