"""Make what was read safe to show: it must not steer a terminal or deceive the eye."""

import math
import re
from collections.abc import Mapping
from typing import Any

LIMIT = 1_000
"""How many characters of one text are shown unless the place for it is smaller."""

ELLIPSIS = "…"

_MAXIMAL_DEPTH = 60
_FOLDED = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029][\s\x85]*")
# Printable by Unicode's classes, yet they show as nothing or change their neighbour.
_UNSEEN = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
_UNSEEN_RANGES = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_UNSEEN_PATTERN = re.compile(f"[{_UNSEEN}{_UNSEEN_RANGES}]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def visible(text: str, limit: int = LIMIT) -> str:
    r"""Return the text on one line, cut at the limit, with what cannot be seen spelled out.

    Line breaks become a space; controls, bidirectional marks, zero-width characters, unusual
    spaces and lone surrogates become `\x1b`, `\u202e` and the like. It is idempotent.
    """
    shown = text[: limit + 1]  # a huge text is not worth reading to its end
    if "\n" in shown or not _is_plain(shown):
        shown = _FOLDED.sub(" ", shown)
        shown = "".join(
            character if _is_plain(character) else spelled(character) for character in shown
        )
    if len(text) > limit or len(shown) > limit:
        return shown[: max(limit - len(ELLIPSIS), 0)] + ELLIPSIS
    return shown


def _is_plain(text: str) -> bool:
    """Whether every character is one that can be seen, or the ordinary space."""
    return text.isprintable() and (text.isascii() or not _UNSEEN_PATTERN.search(text))


def spelled(character: str) -> str:
    r"""Return the escape that names this character: `\x1b`, `\u202e`, `\U000e0001`."""
    number = ord(character)
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def is_visible(text: str) -> bool:
    """Whether the text can be shown as it stands: one line, nothing hidden in it."""
    return _is_plain(text)


def sound(text: str) -> str:
    """Return the text with lone surrogates replaced: the least that any encoding needs."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def plain(value: Any, depth: int = 0) -> Any:
    """Return a copy of a value that JSON and YAML can hold, whatever was in it.

    Mappings have text for keys, numbers are finite, and what is nested too deeply is cut.
    """
    match value:
        case None | bool() | int():
            return value
        case str():
            return sound(str(value))
        case float():
            return value if math.isfinite(value) else str(value)
        case _ if depth >= _MAXIMAL_DEPTH:
            return ELLIPSIS
        case Mapping():
            return {sound(str(key)): plain(item, depth + 1) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item, depth + 1) for item in value]
        case _:
            return sound(str(value))
