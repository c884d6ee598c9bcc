from typing import Any

import pytest

from istiodoctor.mesh.configuration.listener import HttpOptions
from istiodoctor.mesh.configuration.received_request import (
    ReceivedRequest,
    received,
    received_message,
)
from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.configuration.request_line import EarlyAnswer, RequestMessage

MERGING = HttpOptions(merges_slashes=True, unescapes_slashes=True)


def seen(
    target: str = "/",
    options: HttpOptions | None = None,
    *,
    is_tls: bool = False,
    host: str | None = "a.com",
    **message: Any,
) -> ReceivedRequest | EarlyAnswer:
    asked = RequestMessage(target=target, host=host, **message)
    return received_message(asked, options or HttpOptions(), is_tls=is_tls)


def path_of(target: str, options: HttpOptions | None = None) -> str | int:
    found = seen(target, options)
    return found.status if isinstance(found, EarlyAnswer) else found.path


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/%61%7E%2d", "/a~-"),
        ("/x/%2e%2e/api", "/api"),
        ("/../../x", "/x"),
        ("/a/..", "/"),
        ("/a/.", "/a/"),
        ("/a//../b", "/a/b"),
        ("/a/..;x=1/b", "/b"),
        (r"/x\..\api", "/api"),
        ("/a%2Fb%5cc", "/a%2Fb%5cc"),
        ("/a//b", "/a//b"),
        ('/"<>^`{|}', "/%22%3C%3E%5E%60%7B%7C%7D"),
        ("/%zz%", "/%zz%"),
        ("/%4%61", "/%254a"),
        ("/%00", 400),
        ("/a#b?c", "/a"),
        ("/a?b#c", "/a?b"),
        ("/a?x=%61/../", "/a?x=%61/../"),
        ("http://b.com", "/"),
        ("http://b.com?x", 404),
        ("*", 400),
        ("a", 400),
        ("", 400),
        ("/a b", 400),
        ("/é", 400),
        ("/\x7f", 400),
    ],
)
def test_a_path_is_normalised_before_routes_see_it(target: str, expected: str | int):
    assert path_of(target) == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [("/a%2F%2fb%5Cc", "/a/b/c"), ("//a///b//", "/a/b/"), ("///", "//"), ("/a?b//c", "/a?b//c")],
)
def test_slashes_are_decoded_and_merged_where_it_is_asked_for(target: str, expected: str):
    assert path_of(target, MERGING) == expected


def test_a_path_is_left_alone_without_normalisation():
    assert path_of(r"/%61/..\%00", HttpOptions(normalizes_path=False)) == r"/%61/..\%00"


def test_escaped_slashes_are_refused_or_redirected_where_it_is_asked_for():
    refusing = HttpOptions(rejects_escaped_slashes=True)
    redirecting = HttpOptions(redirects_escaped_slashes=True)

    answer = seen("/a%2fb?c=%2f", redirecting)

    assert path_of("/a%2Fb", refusing) == 400
    assert isinstance(answer, EarlyAnswer)
    assert (answer.status, answer.location) == (307, "/a/b?c=%2f")


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ({"method": "get"}, 400),
        ({"method": "²"}, 400),
        ({"method": "CONNECT", "target": "a.com:443"}, 404),
        ({"method": "OPTIONS", "target": "*"}, 404),
        ({"host": None}, 400),
        ({"host": "a/b"}, 400),
        ({"host": "é"}, 400),
        ({"version": "1.0"}, 426),
        ({"headers": (("x y", "1"),)}, 400),
        ({"headers": (("x", "a\nb"),)}, 400),
        ({"headers": (("", "1"),)}, 400),
        ({"headers": (("x", "1"),) * 100}, 431),
        ({"headers": (("x", "1" * 70_000),)}, 431),
        ({"target": "https://a.com/"}, 403),
    ],
)
def test_what_is_no_request_is_answered_early(message: dict[str, Any], status: int):
    answer = seen(**message)

    assert isinstance(answer, EarlyAnswer)
    assert answer.status == status


def test_http_1_0_is_taken_where_it_is_accepted():
    accepting = HttpOptions(accepts_http10=True)

    assert isinstance(seen("/", accepting, version="1.0"), ReceivedRequest)
    assert isinstance(seen("/", accepting, version="1.0", host=None), EarlyAnswer)


@pytest.mark.parametrize(
    ("hops", "sent", "is_tls", "scheme", "proto"),
    [
        (0, None, True, "https", "https"),
        (0, "https", False, "http", "http"),
        (0, "http", True, "https", "https"),
        (1, None, False, "http", "http"),
        (1, "https", False, "https", "https"),
        (1, "HTTPS", False, "https", "HTTPS"),
        (1, "wss", False, "http", "wss"),
        (1, "", True, "https", ""),
        (None, "https", False, None, None),
        (None, "https", True, "https", "https"),
        (None, None, False, "http", "http"),
    ],
)
def test_x_forwarded_proto_counts_behind_trusted_hops_only(
    hops: int | None, sent: str | None, is_tls: bool, scheme: str | None, proto: str | None
):
    headers = () if sent is None else (("X-Forwarded-Proto", sent),)

    found = seen("/", HttpOptions(trusted_hops=hops), is_tls=is_tls, headers=headers)

    assert isinstance(found, ReceivedRequest)
    assert (found.scheme, found.forwarded_proto) == (scheme, proto)


def test_a_url_in_the_request_line_replaces_the_host():
    found = seen("HTTP://u:p@B.com:81/x?y", host="a.com", is_tls=True)

    assert isinstance(found, ReceivedRequest)
    assert (found.authority, found.path, found.scheme) == ("B.com:81", "/x?y", "http")


@pytest.mark.parametrize(
    ("upgrade", "connection", "refused"),
    [
        ("websocket", "Upgrade", ""),
        ("WebSocket", "keep-alive, upgrade", ""),
        ("h2c", "Upgrade", ""),
        ("foo", "Upgrade", "foo"),
        ("foo", "close", ""),
    ],
)
def test_upgrades_that_are_not_allowed_are_refused(upgrade: str, connection: str, refused: str):
    headers = (("Upgrade", upgrade), ("Connection", connection))

    found = seen(headers=headers)

    assert isinstance(found, ReceivedRequest)
    assert found.refused_upgrade == refused


def test_headers_are_those_that_envoy_leaves():
    headers = (
        ("X-A", " 1 "), ("x-a", "2"), ("Accept", "b"), ("accept", "c"), ("Keep-Alive", "1"),
        ("x-envoy-retry-on", "5xx"), ("te", "gzip"), ("x-envoy-original-path", "/"),
    )  # fmt: skip

    found = seen(headers=headers)

    assert isinstance(found, ReceivedRequest)
    assert found.headers == (("x-a", "1"), ("x-a", "2"), ("accept", "b,c"))
    assert (found.values("HOST"), found.values(":path")) == (("a.com",), ("/",))


def test_what_only_envoy_knows_is_not_known():
    found = seen(headers=(("X-Forwarded-For", "1.2.3.4"), ("x-request-id", "1")))

    assert isinstance(found, ReceivedRequest)
    assert (found.values("x-forwarded-for"), found.is_present("x-forwarded-for")) == (None, True)
    assert found.is_present("x-forwarded-client-cert") is None


def test_a_request_of_a_trace_is_received():
    request = Request.of_url("https://A.com:8443/x/../y?z=1", headers=[("X-A", "1")])

    found = received(request, HttpOptions(), is_tls=True)

    assert isinstance(found, ReceivedRequest)
    assert (found.authority, found.path, found.values("x-a")) == ("A.com:8443", "/y?z=1", ("1",))
