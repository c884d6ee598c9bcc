"""Values that should be PEM certificates: the facts of each, and what hides the others."""

import binascii
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from cryptography import x509

from istiodoctor.model.credential import CertificateFacts, PemBundle, PemDefect
from istiodoctor.model.pem import (
    BLOCKS_AT_MOST,
    BYTES_AT_MOST,
    Block,
    read_blocks,
    wrapped,
)
from istiodoctor.model.x509_facts import facts_of, is_certificate

_LABELS = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
_REVOCATION_LIST = "X509 CRL"
_REDACTED = "REDACTED"
_REDACTED_KEY = "REDACTED KEY"
"""Stands for a private key's block; the usual label would alarm every scanner for leaked keys."""
_NOT_PEM = b"istiodoctor: not-pem"
_TOO_LARGE = b"istiodoctor: too-large"


def read_bundle(value: bytes) -> PemBundle:
    """Return the facts of every certificate in a value, and its defects."""
    if not value:
        return PemBundle()
    if _is_too_large(value):
        return PemBundle(defects=(PemDefect.TOO_LARGE,))
    blocks = list(read_blocks(value))
    return _bundle(blocks) if blocks else _bundle_without_blocks(value)


def redact_bundle(value: bytes) -> bytes:
    """Return the value with nothing but its certificates and the shape of its defects.

    Reading the result gives the same bundle as reading the value.
    """
    if not value:
        return b""
    if _is_too_large(value):
        return _TOO_LARGE
    if rendered := _rendered(value):
        return rendered
    if facts_of(value):
        return value
    inner = _decoded_once_more(value)
    return binascii.b2a_base64(_rendered(inner)) if inner else _NOT_PEM


def next_update(value: bytes) -> datetime | None:
    """Return when the first revocation list of a value ends; None when that cannot be told."""
    found = _revocation_list(value)
    # A list that revokes nothing is empty, and so false.
    return found.next_update_utc if found is not None else None


def redact_revocation_list(value: bytes) -> bytes:
    """Return the first revocation list of a value and nothing else; empty when there is none."""
    found = _first_revocation_block(value)
    if found is None or _revocation_list(value) is None:
        return b""
    return found.rendered(_REVOCATION_LIST, wrapped(found.content or b"")).lstrip() + b"\n"


def _is_too_large(value: bytes) -> bool:
    return value == _TOO_LARGE or len(value) > BYTES_AT_MOST


def _bundle(blocks: list[Block]) -> PemBundle:
    read = blocks[:BLOCKS_AT_MOST]
    found = [_facts(block) for block in read if block.label in _LABELS]
    certificates = tuple(facts for facts in found if facts)
    return PemBundle(
        certificates=certificates,
        defects=_ordered(_defects(blocks, found)),
        leaf_lost=bool(found) and found[0] is None,
    )


def _bundle_without_blocks(value: bytes) -> PemBundle:
    if facts := facts_of(value):
        return PemBundle(certificates=(facts,), defects=(PemDefect.DER,))
    inner = _decoded_once_more(value)
    if inner is None:
        return PemBundle(defects=(PemDefect.NOT_PEM,))
    bundle = _bundle(list(read_blocks(inner)))
    return PemBundle(
        certificates=bundle.certificates,
        defects=_ordered({*bundle.defects, PemDefect.DOUBLE_BASE64}),
        leaf_lost=bundle.leaf_lost,
    )


def _defects(
    blocks: list[Block], certificates: list[CertificateFacts | None]
) -> Iterator[PemDefect]:
    for block in blocks[:BLOCKS_AT_MOST]:
        yield from block.flaws
        if block.is_private_key or block.label == _REDACTED_KEY:
            yield PemDefect.PRIVATE_KEY_INSIDE
        if block.label in _LABELS and block.content is not None and not _facts(block):
            known = is_certificate(block.content)
            yield PemDefect.UNREADABLE if known else PemDefect.UNPARSABLE
    if not certificates:
        yield PemDefect.NO_CERTIFICATE
    if len(blocks) > BLOCKS_AT_MOST:
        yield PemDefect.TOO_MANY


def _ordered(defects: Iterator[PemDefect] | set[PemDefect]) -> tuple[PemDefect, ...]:
    found = set(defects)
    return tuple(each for each in PemDefect if each in found)


def _facts(block: Block) -> CertificateFacts | None:
    return facts_of(block.content) if block.content else None


def _rendered(value: bytes) -> bytes:
    parts = []
    last = None
    for last in islice(read_blocks(value), BLOCKS_AT_MOST + 1):
        parts.append(last.rendered(*_redacted(last)))
    if last is None:
        return b""
    return b"".join(parts) + (b"#\n" if last.runs_on else b"\n")


def _redacted(block: Block) -> tuple[str, bytes]:
    """Return a block's label and body with nothing in it but a certificate."""
    if block.label in _LABELS:
        if block.content and (facts_of(block.content) or is_certificate(block.content)):
            return block.label, wrapped(block.content)
        return block.label, _stub(block)
    is_key = block.is_private_key or block.label == _REDACTED_KEY
    return _REDACTED_KEY if is_key else _REDACTED, _stub(block)


def _stub(block: Block) -> bytes:
    """Return a body without content, as readable or unreadable as the block's own."""
    return b"!" if block.content is None and not block.encrypted else b"REDACTED"


def _decoded_once_more(value: bytes) -> bytes | None:
    try:
        inner = binascii.a2b_base64(value.translate(None, b" \t\r\n"), strict_mode=True)
    except binascii.Error:
        return None
    return inner if next(read_blocks(inner), None) else None


def _first_revocation_block(value: bytes) -> Block | None:
    if len(value) > BYTES_AT_MOST:
        return None
    blocks = (each for each in read_blocks(value) if each.label == _REVOCATION_LIST)
    return next((each for each in blocks if not each.flaws), None)


def _revocation_list(value: bytes) -> x509.CertificateRevocationList | None:
    block = _first_revocation_block(value)
    if block is None:
        return None
    try:
        found = x509.load_der_x509_crl(block.content or b"")
        _ = found.next_update_utc
    except Exception:  # a hostile list may break the parser in any way
        return None
    return found
