"""Redaction of free text: log lines, conditions, events, and what servers and programs say."""

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
_NAMED_SECRET = re.compile(
    r"(token|secret|passwd|passphrase|pwd|(?:access|private|secret|account)[_-]?key)"
    r"(?P<separator>[\"'\\]{0,3}\s{0,4}[:=]\s{0,4}[\"'\\]{0,3})(?P<value>[^\s\"'\\,;&]+)",
    re.IGNORECASE | re.ASCII,
)
_ORDINARY_WORD = re.compile(r"(?:[A-Za-z][a-z]{0,20}|[A-Z]{2,6}|\d{1,5})[.:)]{0,2}", re.ASCII)
_BASIC = re.compile(
    r"\b([Bb]asic|BASIC)\s{1,4}"
    r"(?=[A-Za-z0-9+/_-]{0,200}(?:[0-9=]|[a-z][A-Z]))[A-Za-z0-9+/_-]{8,}={0,2}",
    re.ASCII,
)
_USER = re.compile(r"([a-z][a-z0-9+.-]{0,20}://)[^\s/\"'<>?#]+@", re.IGNORECASE | re.ASCII)
_HEXADECIMAL = re.compile(
    r"(?P<digest>sha-?\d{1,3}\W{1,3})?(?:[0-9A-Fa-f]{2}:?){23,}[0-9A-Fa-f]{2}",
    re.IGNORECASE | re.ASCII,
)
"""192 bits and more: no serial number, SHA-1 or trace is as long; a digest that says so stays."""


def redact(text: str, *, keeps_queries: bool = False) -> str:
    """Return the text without query strings, header credentials, cookies, PEM blocks and tokens.

    So it is with what is called a token, secret or password, with users and passwords in URLs and
    with long hexadecimal numbers, as keys are written.

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
    if len(text) >= _SHORTEST_HEXADECIMAL:
        text = _HEXADECIMAL.sub(_without_hexadecimal, text)
    if "://" in text and "@" in text:
        text = _USER.sub(rf"\1{REDACTED}@", text)
    lower = text.lower()
    for hints, cut in _CUTS:
        if any(hint in lower for hint in hints):
            text = cut(text)
    if "?" not in text or keeps_queries:
        return text
    text = _REQUEST_QUERY.sub(rf"\1{REDACTED}", text)
    return _TOKEN_WITH_QUESTION.sub(_without_query, text)


def redact_words(text: str, *, keeps_queries: bool = False) -> str:
    """Return a message without secrets; one that is a single word, such as a reason, stays."""
    if text.isalpha() and len(text) <= _LONGEST_WORD:
        return text
    return redact(text, keeps_queries=keeps_queries)


def redact_query(url: str) -> str:
    """Return a URL without what follows its `?` or `#`: a client may put a token there."""
    place, fragment, _ = url.partition("#")
    path, question, query = place.partition("?")
    end = f"#{REDACTED}" if fragment else ""
    return f"{path}{question}{REDACTED if query else ''}{end}"


def redact_parameters(url: str) -> str:
    """Return a URL without the values of its query that are long, or called secret.

    For a Location that is compared with what a proxy sends.
    """
    path, question, query = url.partition("?")
    return f"{path}{question}{'&'.join(map(_parameter, query.split('&')))}" if query else url


def _parameter(text: str) -> str:
    name, equals, value = text.partition("=")
    is_secret = len(value) > _LONGEST_VALUE or _SECRET_PARAMETER.search(name)
    if len(name) > _LONGEST_WORD or (not equals and len(name) > _LONGEST_VALUE):
        return REDACTED
    return f"{name}={REDACTED}" if value and is_secret else text


_LONGEST_WORD = 64
_LONGEST_VALUE = 12
_SHORTEST_HEXADECIMAL = 48
_SECRET_PARAMETER = re.compile(
    r"token|secret|pass|pwd|key|code|sig|auth|session|credential|jwt|otp|pin|state|nonce",
    re.IGNORECASE,
)


def _without_hexadecimal(found: re.Match[str]) -> str:
    return found[0] if found["digest"] else REDACTED


def _cut_named(text: str) -> str:
    return _NAMED_SECRET.sub(_without_named, text)


def _without_named(found: re.Match[str]) -> str:
    """Cut a value; a word that goes on with a sentence ("secret: not found") is none."""
    separator = found["separator"]
    goes_on = separator[-1].isspace() or found["value"].rstrip(":").isdigit()  # istiod counts so
    if ":" in separator and goes_on and _ORDINARY_WORD.fullmatch(found["value"]):
        return found[0]
    return f"{found[1]}{found['separator']}{REDACTED}"


def _cut_basic(text: str) -> str:
    return _BASIC.sub(rf"\1 {REDACTED}", text)


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
    (("basic",), _cut_basic),
    (_SETTING_HINTS, _cut_setting),
    (("token", "secret", "passwd", "passphrase", "pwd", "key"), _cut_named),
)
