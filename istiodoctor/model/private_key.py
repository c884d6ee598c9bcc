"""Facts about a private key. The key is parsed here and dropped here.

Nothing that this module raises, returns or remembers holds a byte of it, so it has no cache.
"""

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from istiodoctor.model.credential import KeyState, PemDefect, PrivateKeyFacts
from istiodoctor.model.pem import BYTES_AT_MOST, Block, read_blocks, wrapped
from istiodoctor.model.public_key import PublicKeyFacts, describe

_ENCRYPTED = "ENCRYPTED PRIVATE KEY"
_LABELS = {"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY", _ENCRYPTED}
_ALGORITHMS = {"RSA PRIVATE KEY": "RSA", "EC PRIVATE KEY": "EC", "DSA PRIVATE KEY": "DSA"}
_UNSEEN = {
    PemDefect.BYTE_ORDER_MARK,
    PemDefect.NOT_AT_LINE_START,
    PemDefect.LINE_BREAKS_LOST,
}
"""Flaws that make readers pass a block over as if it were text."""


def read_private_key(value: bytes) -> PrivateKeyFacts:
    """Return the facts about the key that Envoy takes: the first private key block."""
    if not value:
        return PrivateKeyFacts()
    if len(value) > BYTES_AT_MOST:
        return PrivateKeyFacts(state=KeyState.UNPARSABLE)
    for block in read_blocks(value):
        if block.flaws & _UNSEEN:
            continue
        if block.flaws:
            return PrivateKeyFacts(state=KeyState.UNPARSABLE)
        if block.label in _LABELS:
            return _facts(block)
    return PrivateKeyFacts(state=KeyState.NOT_PEM)


def _facts(block: Block) -> PrivateKeyFacts:
    if block.encrypted or block.label == _ENCRYPTED:
        return PrivateKeyFacts(state=KeyState.ENCRYPTED)
    content = block.content or b""
    public = _public_half(content, block.label)
    if public is None and block.label in _ALGORITHMS:
        # BoringSSL takes PKCS#8 under an old label too, when the algorithm is the label's.
        public = _public_half(content, "PRIVATE KEY")
        public = public if public and public.algorithm == _ALGORITHMS[block.label] else None
    if public is None:
        return PrivateKeyFacts(state=KeyState.UNPARSABLE)
    return PrivateKeyFacts(
        state=KeyState.USABLE,
        algorithm=public.algorithm,
        bits=public.bits,
        curve=public.curve,
        public_key_sha256=public.sha256,
    )


def _public_half(content: bytes, label: str) -> PublicKeyFacts | None:
    name = label.encode()
    pem = b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (name, wrapped(content), name)
    try:
        key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
        return describe(key.public_key())
    except Exception:  # whatever a hostile key makes the parser say may quote it
        return None
