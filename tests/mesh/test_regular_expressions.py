import pytest

from istiodoctor.mesh.regular_expressions import full_match, refused_pattern, substituted


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a.*", "ab", True),
        ("a", "ab", False),
        ("^a$", "a", True),
        (".", "\n", False),
        ("(?s).", "\n", True),
        (r"\d", "²", False),
        ("(?i)A", "a", True),
        ("", "", True),
        ("a\x00", "a\x00", True),
        (".", "\ud800", True),
    ],
)
def test_the_whole_text_must_match(pattern: str, text: str, expected: bool):
    assert full_match(pattern, text) is expected


@pytest.mark.parametrize(
    "pattern", ["(", "[", "a**", "a++", "(?=a)", r"\1", r"\Z", "a{1001}", "(a{900}b{900}){900}"]
)
def test_what_re2_refuses_is_no_pattern(pattern: str):
    assert full_match(pattern, "a") is None
    assert refused_pattern(pattern)


def test_a_program_that_is_too_large_is_refused():
    assert "32768" in refused_pattern("((abcdefghij|klmnopqrstuvwxyz0123456789){999})")
    assert refused_pattern(".{1000}") == ""


@pytest.mark.parametrize(
    "pattern", ["(a|a)*b", "(a*)*b", "(a|b)*a(a|b){12}c", "(.*)(.*)(.*)(.*)(.*)x"]
)
def test_no_pattern_takes_for_ever(pattern: str):
    assert full_match(pattern, "a" * 10_000) is False


@pytest.mark.parametrize(
    ("pattern", "substitution", "text", "expected"),
    [
        ("a", "b", "aXa", "bXb"),
        ("(a)(b)?", r"[\1\2\0]", "aab", "[aa][abab]"),
        ("x*", "-", "baac", "-b-a-a-c-"),
        ("a*", "-", "baac", "-b-c-"),
        ("a", r"\\", "a", "\\"),
        ("a", r"\1", "a", "a"),
        ("a", r"q\xr", "a", "q"),
        ("a", "q\\", "a", "q"),
        ("é", "e", "né", "ne"),
        ("(", "", "a", None),
    ],
)
def test_rewriting_is_re2s(pattern: str, substitution: str, text: str, expected: str | None):
    assert substituted(pattern, substitution, text) == expected
