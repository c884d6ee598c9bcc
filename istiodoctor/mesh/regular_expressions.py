r"""Regular expressions as Envoy uses them: RE2, in time linear in pattern and text.

Source: Envoy's source/common/common/regex.cc (`CompiledGoogleReMatcher`): the whole text must
match; bytes are compared, not characters (measured with Envoy 1.40: `.` takes one byte of a
letter that has two in UTF-8). The greatest size of a program is Istio's, set in the bootstrap
(`re2.max_program_size.error_level`, pkg/bootstrap/config.go:398).
"""

import re
from functools import lru_cache
from typing import Any

import re2

MOST_PROGRAM = 32_768
"""Instructions of a compiled pattern; Envoy refuses one with more."""
_ESCAPE = re.compile(rb"\\(.?)", re.DOTALL)


def wire_bytes(text: str) -> bytes:
    """Return a text as it goes over the wire, whatever is in it."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def full_match(pattern: str, text: str) -> bool | None:
    """Whether a pattern takes the whole text; None where Envoy refuses the pattern."""
    compiled = _compiled(pattern)
    return None if isinstance(compiled, str) else bool(compiled.fullmatch(wire_bytes(text)))


def found_in(pattern: str, text: str) -> bool | None:
    """Whether a pattern takes some part of a text; None where it is none."""
    compiled = _compiled(pattern)
    return None if isinstance(compiled, str) else bool(compiled.search(wire_bytes(text)))


def refused_pattern(pattern: str) -> str:
    """Return why Envoy refuses a pattern, in RE2's words; empty where it takes it."""
    compiled = _compiled(pattern)
    return compiled if isinstance(compiled, str) else ""


def substituted(pattern: str, substitution: str, text: str) -> str | None:
    r"""Return a text with everything a pattern takes rewritten (`RE2::GlobalReplace`).

    `\0` to `\9` stand for groups, `\\` for a backslash. A group that the pattern does not have
    leaves the text as it is; any other escape ends what is written for a match. None where Envoy
    refuses the pattern.
    """
    compiled = _compiled(pattern)
    if isinstance(compiled, str):
        return None
    template = wire_bytes(substitution)
    if any(each.isdigit() and int(each) > compiled.groups for each in _ESCAPE.findall(template)):
        return text
    return _replaced(compiled, template, wire_bytes(text)).decode("utf-8", "surrogateescape")


def _replaced(compiled: Any, template: bytes, text: bytes) -> bytes:
    written: list[bytes] = []
    at, last_end = 0, -1
    while at <= len(text) and (match := compiled.search(text, at)):
        start, end = match.start(), match.end()
        written.append(text[at:start])
        if start == end == last_end:  # no empty match right behind another one
            written.append(text[start : start + 1])
            at = start + 1
            continue
        written.append(_expanded(template, match))
        at = last_end = end
    return b"".join((*written, text[at:]))


def _expanded(template: bytes, match: Any) -> bytes:
    """Return what is written for one match, up to an escape that there is not."""
    written: list[bytes] = []
    at = 0
    for escape in _ESCAPE.finditer(template):
        written.append(template[at : escape.start()])
        if escape[1] == b"\\":
            written.append(escape[1])
        elif escape[1].isdigit():
            written.append(match.group(int(escape[1])) or b"")
        else:
            return b"".join(written)
        at = escape.end()
    return b"".join((*written, template[at:]))


@lru_cache(maxsize=128)
def _compiled(pattern: str) -> Any:
    """Return the compiled pattern, or why there is none."""
    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1
    try:
        compiled = re2.compile(wire_bytes(pattern), options)
    except re2.error as error:
        words = error.args[0] if error.args else ""
        return words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    if compiled.programsize > MOST_PROGRAM:
        return f"its program has {compiled.programsize} instructions, more than {MOST_PROGRAM}"
    return compiled
