r"""Whether a regular expression of a route matches, in bounded time.

Envoy's are RE2: linear in time, without look-around and back references. Python's can take for
ever: where that cannot be ruled out, or where the two differ, the answer is "not known".
"""

import re
import warnings
from functools import lru_cache

LONGEST_PATTERN = 1_000
LONGEST_TEXT = 10_000
MOST_STEPS = 2_000_000
"""About a tenth of a second."""
COUNTED = 100
"""What a choice that is repeated by number counts for: it takes time even on a short text."""
_ONLY_PYTHON = re.compile(r"\(\?(?:[=!>]|<[=!]|P=|\()|[*+?}]\+|\[\[|\\[1-9Z]")
"""Constructs that RE2 refuses, or reads in another way."""
_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?P?<\w+>|\?[a-zA-Z-]*:)?|\)|\{\d*,?\d*\}\??|[*+?]\??|\||."
)


def full_match(pattern: str, text: str) -> bool | None:
    """Whether RE2 matches the whole text; None when that cannot be told here."""
    if len(pattern) > LONGEST_PATTERN or len(text) > LONGEST_TEXT:
        return None
    compiled, repetitions, is_nested = _prepared(pattern)
    if compiled is None:
        return None
    length = len(text) + 2
    steps = length**repetitions * len(pattern)
    if max(steps, 2**length if is_nested else 0) > MOST_STEPS:
        return None
    return compiled.fullmatch(text) is not None


@lru_cache(maxsize=1_000)
def _prepared(pattern: str) -> tuple[re.Pattern[str] | None, int, bool]:
    """Return the pattern, how many repetitions it has, and whether one lies within another."""
    if _ONLY_PYTHON.search(pattern):
        return None, 0, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Python means to change, RE2 reads differently
            return re.compile(pattern, re.ASCII), *_cost(pattern)
    except (re.error, Warning, RecursionError, OverflowError, MemoryError):
        return None, 0, False


def _cost(pattern: str) -> tuple[int, bool]:
    """Return the number of repetitions, and whether a repeated group holds a choice."""
    total, is_nested = 0, False
    has_choice = [False]
    """For the whole and each open group."""
    closed = False  # whether the group that ends right here holds a choice
    for token in _TOKEN.findall(pattern):
        if token.startswith("("):
            has_choice.append(False)
        elif token == ")" and len(has_choice) > 1:
            closed = has_choice.pop()
            has_choice[-1] = has_choice[-1] or closed
            continue
        elif token[0] in "*+?|{":
            has_choice[-1] = True
            if token[0] in "*+{":
                total += COUNTED if closed and token[0] == "{" else 1
                is_nested = is_nested or closed
        closed = False
    return total, is_nested
