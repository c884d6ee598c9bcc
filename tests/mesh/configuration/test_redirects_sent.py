from typing import Any

import pytest

from istiodoctor.mesh.configuration.received_request import ReceivedRequest
from istiodoctor.mesh.configuration.redirects_sent import (
    SentRedirect,
    https_redirect,
    requires_redirect,
    sent_redirect,
)
from istiodoctor.mesh.configuration.route import (
    PathComparison,
    Redirect,
    RegexRewrite,
    RouteMatch,
)

OLD = RouteMatch(path="/old")


def request(authority: str = "a.com", path: str = "/old/x?y=1", **fields: Any) -> ReceivedRequest:
    values = {"method": "GET", "scheme": "http", "forwarded_proto": "http"}
    return ReceivedRequest(authority=authority, path=path, **values | fields)


def location(redirect: Redirect, asked: ReceivedRequest | None = None, match: RouteMatch = OLD):
    sent = sent_redirect(redirect, match, asked or request())
    return sent and sent.location


@pytest.mark.parametrize(
    ("redirect", "expected"),
    [
        (Redirect(), "http://a.com/old/x?y=1"),
        (Redirect(scheme="https"), "https://a.com/old/x?y=1"),
        (Redirect(host="b.com", port=8443), "http://b.com:8443/old/x?y=1"),
        (Redirect(path="/new"), "http://a.com/new?y=1"),
        (Redirect(path="new"), "http://a.com/new?y=1"),
        (Redirect(path="/new?z=2"), "http://a.com/new?z=2"),
        (Redirect(path="/new?z=2", strips_query=True), "http://a.com/new?z=2"),
        (Redirect(strips_query=True), "http://a.com/old/x"),
        (Redirect(prefix_rewrite="/new"), "http://a.com/new/x?y=1"),
        (Redirect(prefix_rewrite="/new/"), "http://a.com/new//x?y=1"),
        (
            Redirect(regex_rewrite=RegexRewrite(pattern="/(o)ld", substitution=r"/n\1")),
            "http://a.com/no/x?y=1",
        ),
        (
            Redirect(regex_rewrite=RegexRewrite(pattern=".*", substitution="")),
            "http://a.com/old/x?y=1",
        ),
        (Redirect(regex_rewrite=RegexRewrite(pattern="(", substitution="")), None),
    ],
)
def test_where_a_redirect_leads(redirect: Redirect, expected: str | None):
    assert location(redirect) == expected


@pytest.mark.parametrize("comparison", [PathComparison.EXACT, PathComparison.REGEX])
def test_what_compares_the_whole_path_is_rewritten_whole(comparison: PathComparison):
    match = RouteMatch(comparison=comparison, path="/old/x")

    assert location(Redirect(prefix_rewrite="/new"), match=match) == "http://a.com/new?y=1"


@pytest.mark.parametrize(
    ("authority", "redirect", "expected"),
    [
        ("a.com:80", Redirect(scheme="https"), "https://a.com/"),
        ("a.com:80", Redirect(), "http://a.com:80/"),
        ("a.com:8080", Redirect(scheme="https"), "https://a.com:8080/"),
        ("a.com:443", Redirect(scheme="https"), "https://a.com:443/"),
        ("a.com:8080", Redirect(port=443), "http://a.com:443/"),
        ("[::1]:80", Redirect(scheme="https"), "https://[::1]/"),
        ("[::1]", Redirect(scheme="https"), "https://[::1]/"),
        ("", Redirect(scheme="https"), "https:///"),
        (":80", Redirect(scheme="https"), "https:///"),
    ],
)
def test_the_port_of_the_host_is_kept_unless_it_would_be_wrong(
    authority: str, redirect: Redirect, expected: str
):
    assert location(redirect, request(authority, "/")) == expected


def test_https_redirect_keeps_the_port_that_was_asked_for():
    sent = https_redirect(request("A.com:8080"))

    assert sent == SentRedirect(status=301, location="https://A.com:8080/old/x?y=1")


@pytest.mark.parametrize(
    ("proto", "expected"), [("http", True), ("https", False), ("HTTPS", True), (None, None)]
)
def test_x_forwarded_proto_decides_on_the_https_redirect(proto: str | None, expected: bool | None):
    assert requires_redirect(request(forwarded_proto=proto, is_tls=True)) is expected


def test_a_scheme_that_is_not_known_leads_to_no_known_place():
    without_scheme = request(scheme=None, forwarded_proto=None)

    assert location(Redirect(), without_scheme) is None
    assert location(Redirect(scheme="https"), without_scheme) == "https://a.com/old/x?y=1"
    assert (
        location(Redirect(scheme="https"), request("a:80", scheme=None, forwarded_proto=None))
        is None
    )
