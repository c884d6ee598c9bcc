"""Redaction of log lines: applied to every line that is read."""

import re
from collections.abc import Callable

REDACTED = "[redacted]"

_TOKEN_WITH_QUESTION = re.compile(r'(?<![^\s"])[^\s"?]*\?[^\s"]+')
_REQUEST_QUERY = re.compile(r'("[\w-]{1,40} [^\s?]*\?)\S+(?= (?:HTTP/|-"))')
_PEM = re.compile(r"-----BEGIN .*?(?:-----END [A-Z0-9 ]{0,60}-----|\Z)", re.DOTALL)
_ENCODED_PEM = re.compile(r"LS0tLS1CRUdJTi[A-Za-z0-9+/]*={0,2}")
_ENCODED_DER = re.compile(r"M[A-Za-z0-9+/]{47,}={0,2}")  # DER is a SEQUENCE: 0x30 makes an M
_ONE_LINE_OF_PEM = re.compile(r"\s*[A-Za-z0-9+/]{16,}={0,2}\s*\Z", re.ASCII)
_JSON_WEB_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,4}")
_BEARER = re.compile(
    r"\b(bearer)\b(?:[ _-]?token)?[\"'\\]{0,3}\s{0,4}[:=]?\s{0,4}[\"'\\]{0,3}[^\s\"',;]+",
    re.IGNORECASE | re.ASCII,
)
_HEADER = re.compile(
    r"(?<!/)((?:proxy-)?authorization|(?:set-)?cookie|x-auth-token|x-amz-security-token)"
    r"([\"'\\]{0,3}\s{0,4}[:=,]\s{0,4})[^\r\n]+",
    re.IGNORECASE | re.ASCII,
)
_SETTING = re.compile(
    r"((?:access|id|refresh|session)[_-]token|client[_-]secret|(?:x-)?api[_-]?key|passw(?:or)?d)"
    r"([\"'\\]{0,3}\s{0,4}[:=]\s{0,4}[\"'\\]{0,3})[^\s\"'\\,;&]+",
    re.IGNORECASE | re.ASCII,
)


def redact(text: str) -> str:
    """Return the text without query strings, header credentials, cookies, PEM blocks and tokens.

    Each is replaced by `[redacted]`, also a block or token whose end was cut off with the line.
    Takes time linear in the text; redacting twice changes nothing.
    """
    if " " not in text and _ONE_LINE_OF_PEM.match(text):
        return REDACTED
    if "-----BEGIN " in text:
        text = _PEM.sub(REDACTED, text)
    if "LS0tLS1" in text:
        text = _ENCODED_PEM.sub(REDACTED, text)
    if "M" in text:
        text = _ENCODED_DER.sub(REDACTED, text)
    if "eyJ" in text:
        text = _JSON_WEB_TOKEN.sub(REDACTED, text)
    lower = text.lower()
    for hints, cut in _CUTS:
        if any(hint in lower for hint in hints):
            text = cut(text)
    if "?" not in text:
        return text
    text = _REQUEST_QUERY.sub(rf"\1{REDACTED}", text)
    return _TOKEN_WITH_QUESTION.sub(_without_query, text)


def _without_query(found: re.Match[str]) -> str:
    """Cut a word at the question mark that begins a query: after a path, or before a `=`."""
    token = found[0]
    first, slash = token.find("?"), token.find("/")
    if "=" in token[first:]:
        return f"{token[:first]}?{REDACTED}"
    after_path = token.find("?", slash + 1) if slash >= 0 else -1
    if after_path < 0 or after_path == len(token) - 1:
        return token
    return f"{token[:after_path]}?{REDACTED}"


def _cut_bearer(text: str) -> str:
    return _BEARER.sub(rf"\1 {REDACTED}", text)


def _cut_header(text: str) -> str:
    """Cut a header's value up to the end of the line: a cookie may hold any quote or separator."""
    return _HEADER.sub(rf"\1\2{REDACTED}", text)


def _cut_setting(text: str) -> str:
    return _SETTING.sub(rf"\1\2{REDACTED}", text)


_SETTING_HINTS = ("_token", "-token", "_secret", "-secret", "apikey", "_key", "-key", "passw")
_CUTS: tuple[tuple[tuple[str, ...], Callable[[str], str]], ...] = (
    (("authorization", "cookie", "x-auth-token", "x-amz-security-token"), _cut_header),
    (("bearer",), _cut_bearer),
    (_SETTING_HINTS, _cut_setting),
)
