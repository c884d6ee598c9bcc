"""Whose certificates a server asks clients for: the names in its CertificateRequest.

RFC 8446 §4.3.2 and §4.2.4, RFC 5246 §7.4.4.
"""

from cryptography import x509

HEADER = 4
"""The type and the length of a handshake message."""
CERTIFICATE_AUTHORITIES = 47
MOST_NAMES = 100
LONGEST_NAME = 2000
_SEQUENCE, _BIT_STRING, _ATTRIBUTES = 0x30, 0x03, 0xA0
_VERSION_0 = b"\x02\x01\x00"
_ED25519 = bytes.fromhex("300506032b6570")
_PUBLIC_KEY = bytes.fromhex("302a300506032b6570032100") + bytes(32)
"""Some key: a request has one, and nobody looks at it."""


class _ShortError(Exception):
    """A length says more than there is."""


def acceptable_client_cas(message: bytes) -> tuple[str, ...]:
    """Return the subjects (RFC 4514) of the authorities whose certificates are asked for.

    Empty where the server names none, and where what it says cannot be read.
    """
    try:
        names = _names(message[HEADER:])
        return tuple(_written(each) for each in names[:MOST_NAMES] if len(each) <= LONGEST_NAME)
    except Exception:  # a hostile server may say anything
        return ()


def _names(body: bytes) -> list[bytes]:
    context, rest = _taken(body, 1)
    if context:  # TLS 1.2: the types of certificates come first, and there is always one
        _, rest = _taken(rest, 2)
        return _each(_taken(rest, 2)[0])
    extensions, _ = _taken(rest, 2)
    while extensions:
        kind, extensions = int.from_bytes(extensions[:2]), extensions[2:]
        content, extensions = _taken(extensions, 2)
        if kind == CERTIFICATE_AUTHORITIES:
            return _each(_taken(content, 2)[0])
    return []


def _each(names: bytes) -> list[bytes]:
    found = []
    while names:
        name, names = _taken(names, 2)
        found.append(name)
    return found


def _taken(data: bytes, size: int) -> tuple[bytes, bytes]:
    """Return what a length of so many bytes stands before, and what is behind it."""
    end = size + int.from_bytes(data[:size])
    if len(data) < end or len(data) < size:
        raise _ShortError
    return data[size:end], data[end:]


def _written(name: bytes) -> str:
    """Return an encoded name in RFC 4514.

    `cryptography` reads no names by themselves, so it is put into a request for a certificate.
    """
    inner = _VERSION_0 + name + _PUBLIC_KEY + bytes((_ATTRIBUTES, 0))
    signature = bytes((_BIT_STRING, 65, 0)) + bytes(64)
    request = _encoded(_encoded(inner) + _ED25519 + signature)
    return x509.load_der_x509_csr(request).subject.rfc4514_string()


def _encoded(content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((_SEQUENCE, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((_SEQUENCE, 0x80 | len(length))) + length + content
