from typing import Any

import pytest

from istiodoctor.mesh.configuration.received_request import ReceivedRequest
from istiodoctor.mesh.configuration.route import (
    Comparison,
    HeaderMatcher,
    PathComparison,
    QueryParameterMatcher,
    RouteMatch,
    StringMatcher,
)
from istiodoctor.mesh.configuration.route_match import takes, takes_text

EXACT, PREFIX, REGEX = PathComparison.EXACT, PathComparison.PREFIX, PathComparison.REGEX
SEPARATED = PathComparison.SEPARATED_PREFIX


def request(path: str = "/", *headers: tuple[str, str], **fields: Any) -> ReceivedRequest:
    values = {"method": "GET", "authority": "a.com", "scheme": "https", "forwarded_proto": "https"}
    return ReceivedRequest(path=path, headers=headers, **values | fields)


def text(value: str, comparison: Comparison = Comparison.EXACT, **fields: bool) -> StringMatcher:
    return StringMatcher(comparison=comparison, value=value, **fields)


@pytest.mark.parametrize(
    ("comparison", "wanted", "path", "expected"),
    [
        (PREFIX, "/a", "/ab?c", True),
        (PREFIX, "/a?c", "/a?c", False),
        (PREFIX, "", "/", True),
        (EXACT, "/a", "/a?b", True),
        (EXACT, "/a", "/a/", False),
        (EXACT, "/A", "/a", False),
        (SEPARATED, "/a", "/a", True),
        (SEPARATED, "/a", "/a?b", True),
        (SEPARATED, "/a", "/a/b", True),
        (SEPARATED, "/a", "/ab", False),
        (REGEX, "/a", "/ab", False),
        (REGEX, "/a.", "/ab?c", True),
        (REGEX, "/(a|a)*", "/" + "a" * 8000 + "b", False),
        (REGEX, "/(?=a)", "/a", None),
    ],
)
def test_paths(comparison: PathComparison, wanted: str, path: str, expected: bool | None):
    match = RouteMatch(comparison=comparison, path=wanted)

    assert takes(match, request(path)) is expected


def test_case_is_ignored_on_request_but_by_no_regular_expression():
    for comparison, expected in ((PREFIX, True), (EXACT, True), (SEPARATED, True), (REGEX, False)):
        match = RouteMatch(comparison=comparison, path="/A", case_sensitive=False)

        assert takes(match, request("/a")) is expected


@pytest.mark.parametrize(
    ("matcher", "headers", "expected"),
    [
        (HeaderMatcher(name="x"), (), False),
        (HeaderMatcher(name="x"), (("x", ""),), True),
        (HeaderMatcher(name="x", invert=True), (), True),
        (HeaderMatcher(name="x", treats_missing_as_empty=True), (), True),
        (HeaderMatcher(name="X", matcher=text("1")), (("x", "1"),), True),
        (HeaderMatcher(name="x", matcher=text("1"), invert=True), (), False),
        (
            HeaderMatcher(name="x", matcher=text("1"), invert=True, treats_missing_as_empty=True),
            (),
            True,
        ),
        (HeaderMatcher(name="x", matcher=text("2")), (("x", "1"), ("x", "2")), True),
        (HeaderMatcher(name="x", matcher=text("1,2")), (("x", "1"), ("x", "2")), False),
        (HeaderMatcher(name="x", matcher=text("2"), invert=True), (("x", "1"), ("x", "2")), False),
        (HeaderMatcher(name=":method", matcher=text("GET")), (), True),
        (HeaderMatcher(name=":authority", matcher=text("a.com")), (), True),
        (HeaderMatcher(name=":scheme", matcher=text("http")), (), False),
        (HeaderMatcher(name="x-forwarded-for", matcher=text("1")), (), None),
        (HeaderMatcher(name="x-forwarded-for"), (), True),
        (HeaderMatcher(name="x", matcher=text("(", Comparison.REGEX)), (("x", "1"),), None),
    ],
)
def test_headers(
    matcher: HeaderMatcher, headers: tuple[tuple[str, str], ...], expected: bool | None
):
    assert takes(RouteMatch(headers=(matcher,)), request("/", *headers)) is expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [("?q=1", True), ("?q=2&q=1", False), ("?%71=1", False), ("?q=%31", False), ("", False)],
)
def test_query_parameters_are_compared_as_written(query: str, expected: bool):
    matcher = QueryParameterMatcher(name="q", matcher=text("1"))

    assert takes(RouteMatch(query_parameters=(matcher,)), request(f"/{query}")) is expected


def test_claims_are_not_known_unless_another_condition_fails():
    claims = ("@request.auth.claims.sub",)

    assert takes(RouteMatch(metadata=claims), request()) is None
    assert takes(RouteMatch(metadata=claims, path="/x"), request()) is False


def test_a_scheme_that_is_not_known_decides_nothing():
    matcher = HeaderMatcher(name=":scheme", matcher=text("http"))

    assert takes(RouteMatch(headers=(matcher,)), request(scheme=None)) is None


@pytest.mark.parametrize(
    ("matcher", "value", "expected"),
    [
        (text("B", Comparison.CONTAINS, ignore_case=True), "abc", True),
        (text("a", Comparison.PREFIX), "Ab", False),
        (text("C", Comparison.SUFFIX, ignore_case=True), "abc", True),
        (text("É", ignore_case=True), "é", False),
        (text(".", Comparison.REGEX), "é", False),
        (text("..", Comparison.REGEX), "é", True),
        (text("", Comparison.EXACT), "", True),
        (text(".*", Comparison.REGEX), "\udcff\ud800", True),
    ],
)
def test_texts_are_bytes_with_the_letters_of_ascii(
    matcher: StringMatcher, value: str, expected: bool
):
    assert takes_text(matcher, value) is expected
