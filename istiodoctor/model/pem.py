"""PEM blocks (RFC 7468), read as Envoy and istiod read them, with what they stumble over."""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from istiodoctor.model.credential import PemDefect

BLOCKS_AT_MOST = 64
"""How many blocks of one value are looked at."""
BYTES_AT_MOST = 1 << 20
"""The longest value that is looked at: what Kubernetes lets a whole Secret hold."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_MARKER = re.compile(rb"-----(BEGIN|END) ([A-Za-z0-9][A-Za-z0-9 ]{0,40})-----")
_REST_OF_LINE = re.compile(rb"[ \t\r\f\v\0]*(?:\n|\Z)")
_SPACE = b" \t\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of a value. It may hold a private key: it lives no longer than its reader."""

    label: str
    content: bytes | None = field(default=None, repr=False)
    """DER; None when the body is cut off, has header lines or is not base64."""
    encrypted: bool = False
    """Header lines (RFC 1421) say that the private key is encrypted."""
    flaws: frozenset[PemDefect] = frozenset()
    gap: bytes = b""
    """The shape of what stands between this block and the one before, without its words."""
    opening: bytes = b"\n"
    """What separates the BEGIN line from the body."""
    closing: bytes = b"\n"
    """What separates the body from the END line."""
    runs_on: bool = False
    """Something stands behind the END line."""

    @property
    def is_private_key(self) -> bool:
        """Whether the label announces a private key, of whatever format."""
        return self.label.endswith("PRIVATE KEY")

    def rendered(self, label: str, body: bytes) -> bytes:
        """Return a block with another label and body, but with this one's gap and flaws."""
        name = label.encode()
        opened = self.gap + b"-----BEGIN " + name + b"-----" + self.opening
        if PemDefect.TRUNCATED in self.flaws:
            return opened if self.opening == b"\n" else opened + b"#"
        return opened + body + self.closing + b"-----END " + name + b"-----"


def read_blocks(value: bytes) -> Iterator[Block]:
    """Yield every block of a value, at most one more than the limit, in order."""
    position = count = 0
    ended = None
    markers = _MARKER.finditer(value)
    marker = next(markers, None)
    while marker and count <= BLOCKS_AT_MOST:
        begin, marker = marker, next(markers, None)
        if begin[1] == b"END":
            continue
        end = None
        if marker and marker[1] == b"END" and marker[2] == begin[2]:
            end, marker = marker, next(markers, None)
        glued = ended is not None and ended.end() == begin.start()
        yield _block(value, position, begin, end, glued=glued)
        position, ended = (end or begin).end(), end
        count += 1


def wrapped(content: bytes) -> bytes:
    """Return base64 in lines of 64 characters, without the last line's break."""
    text = binascii.b2a_base64(content, newline=False)
    return b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))


def _block(
    value: bytes,
    position: int,
    begin: re.Match[bytes],
    end: re.Match[bytes] | None,
    *,
    glued: bool,
) -> Block:
    flaws = set(_flaws(value, begin, end, glued=glued))
    body = value[begin.end() : end.start()] if end else b""
    content = None
    encrypted = begin[2].endswith(b"PRIVATE KEY") and b"ENCRYPTED" in body
    if end:
        content = _decoded(body, escaped=PemDefect.LINE_BREAKS_LOST in flaws)
        if content is None and not encrypted:
            flaws.add(PemDefect.UNPARSABLE)
    return Block(
        label=begin[2].decode(),
        content=content,
        encrypted=encrypted,
        flaws=frozenset(flaws),
        gap=_gap(value, position, begin.start()),
        opening=b"\n" if _ends_line(value, begin) else b" ",
        closing=_closing(value, end),
        runs_on=bool(end and not _ends_line(value, end)),
    )


def _flaws(
    value: bytes, begin: re.Match[bytes], end: re.Match[bytes] | None, *, glued: bool
) -> Iterator[PemDefect]:
    before_end = value[end.start() - 1 : end.start()] if end else b"\n"
    lost = not _ends_line(value, begin) or before_end not in (b"\n", b" ", b"\t")
    if lost:
        yield PemDefect.LINE_BREAKS_LOST
    elif before_end != b"\n":
        yield PemDefect.NOT_AT_LINE_START
    if not _starts_line(value, begin):
        if glued:
            yield PemDefect.GLUED
        elif value[: begin.start()] == BYTE_ORDER_MARK:
            yield PemDefect.BYTE_ORDER_MARK
        elif not lost:
            yield PemDefect.NOT_AT_LINE_START
    if end is None:
        yield PemDefect.TRUNCATED
    elif not lost and not _ends_line(value, end):
        yield PemDefect.GLUED


def _starts_line(value: bytes, marker: re.Match[bytes]) -> bool:
    return value[marker.start() - 1 : marker.start()] in (b"", b"\n")


def _ends_line(value: bytes, marker: re.Match[bytes]) -> bool:
    return _REST_OF_LINE.match(value, marker.end()) is not None


def _gap(value: bytes, start: int, stop: int) -> bytes:
    """Return the shape of a gap: `#` for words behind an END line, and how the next one starts."""
    if start == stop:
        return b""
    if start == 0 and value[:stop] == BYTE_ORDER_MARK:
        return BYTE_ORDER_MARK
    words = b"" if start == 0 or _REST_OF_LINE.match(value, start, stop) else b"#"
    line_break = b"\n" if value.find(b"\n", start, stop) >= 0 else b""
    return words + line_break + (b"" if value[stop - 1 : stop] == b"\n" else b" ")


def _closing(value: bytes, end: re.Match[bytes] | None) -> bytes:
    before = value[end.start() - 1 : end.start()] if end else b"\n"
    return {b"\n": b"\n", b" ": b"\n ", b"\t": b"\n "}.get(before, b"")


def _decoded(body: bytes, *, escaped: bool) -> bytes | None:
    if escaped:
        body = body.replace(b"\\n", b"").replace(b"\\r", b"")
    try:
        return binascii.a2b_base64(body.translate(None, _SPACE), strict_mode=True)
    except binascii.Error:
        return None
