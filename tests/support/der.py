"""DER (X.690) by hand, for certificates that no library would make."""

from cryptography.hazmat.primitives.serialization import Encoding

from istiodoctor.testing.certificates import Issued

_ALTERNATIVE_NAMES = bytes.fromhex("551d11")
_COUNTRY = bytes.fromhex("550406")
_VERSION, _SERIAL, _SUBJECT, _EXTENSIONS = 0, 1, 5, 7
"""Where these stand in a TBSCertificate (RFC 5280) of version 3."""


def element(tag: int, body: bytes) -> bytes:
    """Return one element."""
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length + body


def certificate_with(
    issued: Issued,
    *,
    version: bytes | None = b"\x02",
    serial: bytes = b"\x01",
    country: bytes | None = None,
    alternative_names: bytes | None = None,
    extensions: bytes | None = b"",
) -> bytes:
    """Return a certificate with parts of it replaced; its signature no longer fits.

    `version` and `extensions` may be None, to leave them out; `alternative_names` are the elements
    of the only extension that remains.
    """
    outer = issued.certificate.public_bytes(Encoding.DER)
    body, algorithm, signature = _elements(_body(outer))
    parts = _elements(_body(body))
    parts[_SERIAL] = element(0x02, serial)
    if country is not None:
        name = element(0x06, _COUNTRY) + element(0x13, country)
        parts[_SUBJECT] = element(0x30, element(0x31, element(0x30, name)))
    if alternative_names is not None:
        names = element(0x04, element(0x30, alternative_names))
        extension = element(0x30, element(0x06, _ALTERNATIVE_NAMES) + names)
        parts[_EXTENSIONS] = element(0xA3, element(0x30, extension))
    if extensions is None:
        parts[_EXTENSIONS] = b""
    parts[_VERSION] = b"" if version is None else element(0xA0, element(0x02, version))
    return element(0x30, element(0x30, b"".join(parts)) + algorithm + signature)


def _elements(body: bytes) -> list[bytes]:
    found = []
    while body:
        size = sum(_header(body))
        found.append(body[:size])
        body = body[size:]
    return found


def _body(encoded: bytes) -> bytes:
    start, length = _header(encoded)
    return encoded[start : start + length]


def _header(encoded: bytes) -> tuple[int, int]:
    """Return the size of an element's header and of its body."""
    short = encoded[1]
    if short < 0x80:
        return 2, short
    end = 2 + (short & 0x7F)
    return end, int.from_bytes(encoded[2:end])
