"""A request as a client sends it: Host and SNI, path and headers."""

from typing import Any

import pytest

from istiodoctor.mesh.configuration.listener import HttpOptions
from istiodoctor.mesh.configuration.received_request import ReceivedRequest, received
from istiodoctor.mesh.configuration.request import MOST_HEADER, Request, first_page
from istiodoctor.mesh.requests.redirection import to_https

HOST = "shop.example.com"


@pytest.mark.parametrize(
    ("url", "authority", "server_name"),
    [
        # Each as curl 7.88 sends it.
        ("https://shop.example.com/", "shop.example.com", HOST),
        ("https://Shop.EXAMPLE.com/", "Shop.EXAMPLE.com", HOST),
        ("https://Shop.example.com./", "Shop.example.com.", HOST),
        ("https://shop.example.com:443/", "shop.example.com", HOST),
        ("https://shop.example.com:0443/", "shop.example.com", HOST),
        ("https://Shop.example.com:8443/", "Shop.example.com:8443", HOST),
        ("https://shop.example.com.:80/", "shop.example.com.:80", HOST),
        ("https://me:secret@shop.example.com/", "shop.example.com", HOST),
        ("https://192.0.2.1/", "192.0.2.1", ""),
        ("https://[2001:DB8::1]/", "[2001:DB8::1]", ""),
        ("https://[2001:db8::1]:8443/", "[2001:db8::1]:8443", ""),
        ("https://shop-1/", "shop-1", "shop-1"),
    ],
)
def test_host_is_sent_as_written_and_the_sni_in_lower_case_without_dot(
    url: str, authority: str, server_name: str
):
    request = Request.of_url(url)

    assert (request.authority, request.server_name) == (authority, server_name)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://Shop.Example.com:8443/", HOST),
        ("https://shop.example.com./", "shop.example.com."),
        ("https://[2001:DB8::1]:8443/", "2001:db8::1"),
    ],
)
def test_virtual_hosts_are_chosen_without_case_and_port_but_with_the_dot(url: str, name: str):
    assert Request.of_url(url).virtual_host == name


@pytest.mark.parametrize("header", ["Host", "host", ":authority"])
def test_a_header_replaces_the_host_but_not_the_sni(header: str):
    request = Request.of_url(f"https://{HOST}/", headers=[(header, "Other.example.com:8443")])

    assert request.authority == "Other.example.com:8443"
    assert request.virtual_host == "other.example.com"
    assert request.server_name == request.served_name == HOST


@pytest.mark.parametrize(
    ("given", "sent"), [("Other.Example.com", "other.example.com"), ("", ""), ("a.b.", "a.b.")]
)
def test_the_sni_that_is_given_replaces_that_of_the_url(given: str, sent: str):
    request = Request.of_url(f"https://{HOST}/", server_name=given)

    assert (request.server_name, request.authority) == (sent, HOST)


@pytest.mark.parametrize(
    ("url", "path", "query"),
    [
        (f"http://{HOST}", "/", None),
        (f"http://{HOST}/?", "/", ""),
        (f"http://{HOST}?a=b", "/", "a=b"),
        (
            f"http://{HOST}/a/../%2e%2E//b\\c;d/./?x=/../y?z#top",
            "/a/../%2e%2E//b\\c;d/./",
            "x=/../y?z",
        ),
        (f"http://{HOST}/%61%c3%bc/ü", "/%61%c3%bc/ü", None),
    ],
)
def test_the_path_is_as_written(url: str, path: str, query: str | None):
    request = Request.of_url(url)

    assert (request.path, request.query) == (path, query)
    assert Request.of_url(request.url) == request


def test_envoy_resolves_dots_before_it_matches_or_redirects():
    request = Request.of_url(f"http://{HOST}/a/../b/./c?x=1")

    seen = received(request, HttpOptions(), is_tls=False)
    assert isinstance(seen, ReceivedRequest)
    assert seen.path == "/b/c?x=1"
    assert to_https(request).location == f"https://{HOST}/b/c?x=1"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"headers": [("a b", "")]}, "'a b' is no name of a header"),
        ({"headers": [("", "")]}, "'' is no name of a header"),
        ({"headers": [(":method", "POST")]}, "':method' is no name of a header"),
        ({"headers": [("a", "b\r\nc: d")]}, "the header a has control characters"),
        ({"headers": [("a", "b" * (MOST_HEADER + 1))]}, "or more than 8000 others"),
        ({"server_name": "a b"}, "'a b' is no SNI"),
        ({"server_name": "*.example.com"}, r"'\*.example.com' is no SNI"),
        ({"workload": "istio-system"}, "a workload is named NAMESPACE/NAME, not 'istio-system'"),
        ({"method": "GET /"}, "'GET /' is no method"),
    ],
)
def test_what_no_client_sends_is_refused(more: dict[str, Any], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        Request.of_url(f"https://{HOST}/", **more)


@pytest.mark.parametrize("url", ["https://a..b/", "https://.a/", "https://[a]/", "https://ü/"])
def test_what_is_no_host_is_refused(url: str):
    with pytest.raises(ValueError, match=r"host|URL"):
        Request.of_url(url)


def test_a_redirect_keeps_the_way_within_a_host_and_gives_up_the_sni():
    asked = Request.of_url(
        "https://Shop.example.com./a/b", server_name="x.example.com", workload="istio-system/gw"
    )

    within = asked.redirected("c", 302)
    outside = asked.redirected("https://other.example.com/", 302)

    assert (within.url, within.sni, within.workload) == (
        "https://Shop.example.com./a/c",
        None,
        "istio-system/gw",
    )
    assert (outside.server_name, outside.workload) == ("other.example.com", "")


@pytest.mark.parametrize("host", ["shop.example.com", "192.0.2.1", "a_b"])
@pytest.mark.parametrize(("scheme", "port"), [("https", 443), ("http", 8080)])
def test_the_first_page_of_a_host_is_the_request_of_its_url(scheme, host, port):
    assert first_page(scheme, host, port) == Request.of_url(f"{scheme}://{host}:{port}/")


@pytest.mark.parametrize("host", ["*.example.com", "a b", "", "x/y", "x:1", "SHOP.example.com"])
def test_what_is_no_host_of_a_url_has_no_first_page(host):
    assert first_page("https", host, 443) is None
