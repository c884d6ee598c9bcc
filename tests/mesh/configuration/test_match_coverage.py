"""Which match takes all that another one takes."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from istiodoctor.mesh.configuration.match_coverage import Coverage
from istiodoctor.mesh.configuration.route import (
    Comparison,
    HeaderMatcher,
    PathComparison,
    RouteMatch,
    StringMatcher,
)
from istiodoctor.mesh.configuration.route_match import takes_path

PREFIX, EXACT = PathComparison.PREFIX, PathComparison.EXACT
SEPARATED, REGEX = PathComparison.SEPARATED_PREFIX, PathComparison.REGEX
PATHS = ["/", *("/" + "".join(each) for size in (1, 2, 3) for each in product("aA/", repeat=size))]
PARTS = st.text(alphabet="aA/", max_size=3).map(lambda text: f"/{text}")
PATTERNS = st.text(alphabet="aA/.*?+|", max_size=4).map(lambda text: f"/{text}")


def path(comparison: PathComparison, text: str, **fields: Any) -> RouteMatch:
    return RouteMatch(comparison=comparison, path=text, **fields)


def header(name: str, value: str = "", comparison: Comparison = Comparison.EXACT) -> HeaderMatcher:
    matcher = StringMatcher(comparison=comparison, value=value) if value else None
    return HeaderMatcher(name=name, matcher=matcher)


ONE = header("x", "1")


def covers(wide: RouteMatch, narrow: RouteMatch) -> bool:
    coverage: Coverage[str] = Coverage()
    coverage.add(wide, "wide")
    return coverage.first(narrow) == "wide"


@pytest.mark.parametrize(
    ("wide", "narrow", "is_covered"),
    [
        (path(PREFIX, "/api"), path(PREFIX, "/api"), True),
        (path(PREFIX, "/api"), path(PREFIX, "/api/v2"), True),
        (path(PREFIX, "/api"), path(PREFIX, "/apiary"), True),
        (path(PREFIX, "/api/v2"), path(PREFIX, "/api"), False),
        (path(PREFIX, "/api"), path(EXACT, "/api"), True),
        (path(PREFIX, "/api"), path(REGEX, "/api/[0-9]+"), True),
        (path(PREFIX, "/api"), path(REGEX, "/api?/x"), False),
        (path(PREFIX, "/api"), path(REGEX, "/api/x|/b"), False),
        (path(SEPARATED, "/api"), path(SEPARATED, "/api/v2"), True),
        (path(SEPARATED, "/api"), path(SEPARATED, "/apiary"), False),
        (path(SEPARATED, "/api"), path(EXACT, "/api"), True),
        (path(SEPARATED, "/api"), path(PREFIX, "/api"), False),
        (path(REGEX, "/api/.*"), path(PREFIX, "/api/v2"), True),
        (path(REGEX, ".*"), path(SEPARATED, "/x"), True),
        (path(REGEX, "/[a-c]+"), path(REGEX, "/[a-c]+"), True),
        (path(REGEX, "/[a-c]+"), path(EXACT, "/abc"), True),
        (path(REGEX, "/(api|web)/.*"), path(PREFIX, "/api"), False),
        (path(REGEX, "/api("), path(REGEX, "/api("), False),
        (path(PREFIX, "/api", case_sensitive=False), path(PREFIX, "/API/v2"), True),
        (path(PREFIX, "/api"), path(PREFIX, "/api", case_sensitive=False), False),
        (path(PREFIX, "/"), path(PREFIX, "/a", headers=(ONE,)), True),
        (path(PREFIX, "/", headers=(ONE,)), path(PREFIX, "/a"), False),
        (path(PREFIX, "/", headers=(header("x"),)), path(EXACT, "/", headers=(ONE,)), True),
        (path(PREFIX, "/", metadata=("@request.auth.claims.a",)), path(PREFIX, "/"), False),
    ],
)
def test_a_match_takes_all_of_a_narrower_one(
    wide: RouteMatch, narrow: RouteMatch, *, is_covered: bool
):
    assert covers(wide, narrow) is is_covered


@st.composite
def matches(draw: st.DrawFn) -> RouteMatch:
    comparison = draw(st.sampled_from(PathComparison))
    text = draw(PATTERNS if comparison is REGEX else PARTS)
    return path(comparison, text, case_sensitive=draw(st.booleans()))


@given(wide=matches(), narrow=matches())
def test_what_is_covered_takes_no_path_that_the_other_does_not(
    wide: RouteMatch, narrow: RouteMatch
):
    if covers(wide, narrow):
        assert [each for each in PATHS if takes_path(narrow, each)] == [
            each for each in PATHS if takes_path(narrow, each) and takes_path(wide, each)
        ]


def test_the_first_of_many_is_found_by_its_conditions():
    coverage: Coverage[int] = Coverage()
    for number in range(100):
        coverage.add(path(PREFIX, "/", headers=(header("x", str(number)),)), number)

    both = (header("x", "42"), header("y", "1"))

    assert coverage.first(path(PREFIX, "/a", headers=both)) == 42
    assert coverage.first(path(PREFIX, "/a", headers=(header("y", "1"),))) is None
