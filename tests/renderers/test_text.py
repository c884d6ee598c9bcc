"""Escaping: what was read can neither steer a terminal nor deceive the eye."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from istiodoctor.renderers.text import ELLIPSIS, plain, visible

ANY_TEXT = st.text(st.characters(exclude_categories=()))
"""Every code point, lone surrogates too."""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain (text) with [brackets]", "plain (text) with [brackets]"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("\x9b2J\x7f\x00", r"\x9b2J\x7f\x00"),
        ("one\r\n  two\tthree\u2028four", "one two three four"),
        ("trailing ", "trailing "),
        ("no\xa0break", r"no\xa0break"),
        ("\u202egpj.exe\u2066", r"\u202egpj.exe\u2066"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("\ud800", r"\ud800"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("blank\u2800\u3164\ufe0f", r"blank\u2800\u3164\ufe0f"),
        ("bücher.例え", "bücher.例え"),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(text, shown):
    assert visible(text) == shown


def test_a_long_text_is_cut_and_says_so():
    assert visible("h" * 10_000, 80) == "h" * 79 + ELLIPSIS


@given(ANY_TEXT, st.integers(min_value=1, max_value=50))
def test_any_text_becomes_one_bounded_line_of_visible_characters(text, limit):
    shown = visible(text, limit)

    hidden = [one for one in shown if unicodedata.category(one)[0] == "C"]
    assert (hidden, len(shown) <= limit, visible(shown, limit)) == ([], True, shown)


def test_values_that_json_cannot_hold_become_text():
    deep: list[object] = []
    for _ in range(500):
        deep = [deep]
    value = {1: float("inf"), "a": (True, None, 1.5), "\ud800": "\udfff", "deep": deep}

    copy = plain(value)

    assert {key: copy[key] for key in ("1", "a", "\ufffd")} == {
        "1": "inf",
        "a": [True, None, 1.5],
        "\ufffd": "\ufffd",
    }
    assert len(json.dumps(copy["deep"])) < 200
