import base64
import warnings
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from istiodoctor.model.certificates import (
    next_update,
    read_bundle,
    redact_bundle,
    redact_revocation_list,
)
from istiodoctor.model.credential import CertificateFacts, PemBundle, PemDefect
from istiodoctor.model.pem import BLOCKS_AT_MOST, BYTES_AT_MOST
from istiodoctor.model.x509_facts import facts_of
from tests.support.certificates import Authority, Issued
from tests.support.der import certificate_with, element

ROOT = Authority("Root")
INTERMEDIATE = Authority("Intermediate", ROOT)
ISSUED = INTERMEDIATE.issue("shop.example.com", "*.shop.example.com", "192.0.2.7", serial=0xABC)
LEAF, CHAIN, ABOVE = ISSUED.pem, ISSUED.chain_pem, ISSUED.intermediates_pem
LINES = LEAF.splitlines()
NO_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nREDACTED\n-----END CERTIFICATE-----\n"

SHAPES: dict[str, tuple[str, tuple[PemDefect, ...]]] = {
    "a clean chain": (CHAIN, ()),
    "no last line break": (CHAIN.rstrip(), ()),
    "CRLF line ends": (CHAIN.replace("\n", "\r\n"), ()),
    "comments between": (f"# leaf\nsubject=x\n{LEAF}issuer=y\n\n{ABOVE}", ()),
    "blanks at the end": (f"{CHAIN}\n\n  \n\t", ()),
    "blanks at line ends": (CHAIN.replace("\n", " \n"), ()),
    "a body in one line": (f"{LINES[0]}\n{''.join(LINES[1:-1])}\n{LINES[-1]}\n", ()),
    "the old label": (LEAF.replace(" CERT", " X509 CERT"), ()),
    "another kind of block": (f"{LEAF}-----BEGIN FOO-----\nQQ==\n-----END FOO-----\n", ()),
    "glued": (LEAF.rstrip() + ABOVE, (PemDefect.GLUED,)),
    "words behind END": (f"{LEAF.rstrip()} # mine\n{ABOVE}", (PemDefect.GLUED,)),
    "words behind the last END": (f"{LEAF.rstrip()} # mine", (PemDefect.GLUED,)),
    "a byte order mark": (f"\ufeff{CHAIN}", (PemDefect.BYTE_ORDER_MARK,)),
    "an indented BEGIN": (f"  {CHAIN}", (PemDefect.NOT_AT_LINE_START,)),
    "an indented END": (LEAF.replace("-----END", " -----END"), (PemDefect.NOT_AT_LINE_START,)),
    "words before BEGIN": (f"tls.crt: {LEAF}", (PemDefect.NOT_AT_LINE_START,)),
    "spaces for line breaks": (CHAIN.replace("\n", " "), (PemDefect.LINE_BREAKS_LOST,)),
    "written line breaks": (CHAIN.replace("\n", "\\n"), (PemDefect.LINE_BREAKS_LOST,)),
    "a body run into END": (LEAF.replace("\n-----END", "-----END"), (PemDefect.LINE_BREAKS_LOST,)),
    "CR line ends": (LEAF.replace("\n", "\r"), (PemDefect.LINE_BREAKS_LOST,)),
    "a cut intermediate": (LEAF + ABOVE[:300], (PemDefect.TRUNCATED,)),
    "a cut leaf": (f"{LEAF[:300]}\n{ABOVE}", (PemDefect.TRUNCATED,)),
    "a second block of junk": (LEAF + NO_CERTIFICATE, (PemDefect.UNPARSABLE,)),
    "a first block of junk": (NO_CERTIFICATE + ABOVE, (PemDefect.UNPARSABLE,)),
    "an empty block": (f"{LEAF}{LINES[0]}\n{LINES[-1]}\n", (PemDefect.UNPARSABLE,)),
    "a block that is not base64": (
        LEAF + ABOVE.replace(ABOVE.splitlines()[2], "!"),
        (PemDefect.UNPARSABLE,),
    ),
    "base64 twice": (base64.encodebytes(CHAIN.encode()).decode(), (PemDefect.DOUBLE_BASE64,)),
    "a key behind": (CHAIN + ISSUED.key_pem, (PemDefect.PRIVATE_KEY_INSIDE,)),
    "a key before": (ISSUED.key_pem + CHAIN, (PemDefect.PRIVATE_KEY_INSIDE,)),
    "only a key": (ISSUED.key_pem, (PemDefect.NO_CERTIFICATE, PemDefect.PRIVATE_KEY_INSIDE)),
    "words": ("hello", (PemDefect.NOT_PEM,)),
    "too many": (LEAF + ABOVE * BLOCKS_AT_MOST, (PemDefect.TOO_MANY,)),
    "too large": ("#" * (BYTES_AT_MOST + 1), (PemDefect.TOO_LARGE,)),
}
REFUSED_FIRST = {
    "glued",
    "words behind the last END",
    "an indented END",
    "words before BEGIN",
    "spaces for line breaks",
    "written line breaks",
    "a body run into END",
    "CR line ends",
    "a first block of junk",
    "base64 twice",
    "a key before",
    "only a key",
    "words",
}
"""Where Go 1.26, asked for the first block, gave none or one that is no certificate."""


def test_a_certificate_gives_what_clients_and_envoy_judge_it_by():
    leaf = read_bundle(CHAIN.encode()).leaf

    assert leaf == CertificateFacts(
        subject="CN=shop.example.com",
        issuer="CN=Intermediate",
        common_name="shop.example.com",
        issuer_common_name="Intermediate",
        serial="0abc",
        not_before=datetime(2026, 1, 1, tzinfo=UTC),
        not_after=datetime(2027, 1, 1, tzinfo=UTC),
        dns_names=("shop.example.com", "*.shop.example.com"),
        ip_addresses=("192.0.2.7",),
        key_algorithm="EC",
        key_bits=256,
        curve="P-256",
        signature_hash="sha256",
        fingerprint_sha256=_fingerprint(ISSUED),
        public_key_sha256=_public_key(ISSUED),
        authority_key_identifier=INTERMEDIATE.identifier.digest.hex(),
    )


def test_an_authority_says_that_it_is_one():
    authority = read_bundle(ROOT.pem.encode()).leaf

    assert authority is not None
    facts = (authority.is_ca, authority.is_self_issued, authority.subject_key_identifier)
    assert facts == (True, True, ROOT.identifier.digest.hex())
    assert not authority.has_subject_alternative_names


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("ec384", ("EC", 384, "P-384")),
        ("ec521", ("EC", 521, "P-521")),
        ("rsa", ("RSA", 2048, "")),
        ("rsa1024", ("RSA", 1024, "")),
        ("ed25519", ("Ed25519", 256, "")),
    ],
)
def test_the_public_key_is_named_by_algorithm_size_and_curve(
    kind: str, facts: tuple[str, int, str]
):
    leaf = read_bundle(ROOT.issue("a.example.com", key=kind).pem.encode()).leaf

    assert leaf is not None
    assert (leaf.key_algorithm, leaf.key_bits, leaf.curve) == facts


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_of_a_value_has_its_defects(shape: str):
    text, defects = SHAPES[shape]

    assert read_bundle(text.encode()).defects == defects


@pytest.mark.parametrize("shape", SHAPES)
def test_redaction_keeps_what_reading_a_value_tells(shape: str):
    value = SHAPES[shape][0].encode()

    redacted = redact_bundle(value)

    assert read_bundle(redacted) == read_bundle(value)
    assert redact_bundle(redacted) == redacted


@pytest.mark.parametrize("shape", sorted(SHAPES.keys() - {"too large"}))
def test_istiod_sees_the_first_block_as_go_does(shape: str):
    bundle = read_bundle(SHAPES[shape][0].encode())

    assert bundle.first_block_parses == (shape not in REFUSED_FIRST)


@pytest.mark.parametrize("shape", ["glued", "a byte order mark", "written line breaks"])
def test_certificates_of_a_defective_value_are_recovered(shape: str):
    assert read_bundle(SHAPES[shape][0].encode()).certificates == _certificates(CHAIN)


@pytest.mark.parametrize("shape", ["a cut leaf", "a first block of junk"])
def test_an_intermediate_does_not_pass_for_a_leaf_that_is_lost(shape: str):
    bundle = read_bundle(SHAPES[shape][0].encode())

    assert (bundle.leaf, bundle.certificates) == (None, _certificates(ABOVE))


def test_der_is_read_and_reported():
    encoded = ISSUED.certificate.public_bytes(Encoding.DER)

    assert read_bundle(encoded) == PemBundle(
        certificates=_certificates(LEAF), defects=(PemDefect.DER,), first_block_parses=False
    )
    assert redact_bundle(encoded) == encoded


def test_no_more_certificates_are_read_than_the_limit():
    assert len(read_bundle((LEAF * (BLOCKS_AT_MOST + 9)).encode()).certificates) == BLOCKS_AT_MOST


def test_redaction_drops_words_and_keeps_the_glue():
    value = f"password: hunter2\n{LEAF.rstrip()}{ABOVE}and more"

    redacted = redact_bundle(value.encode()).decode()

    assert redacted == f"\n{LEAF.rstrip()}{ABOVE}"


ODD: dict[str, tuple[bytes, tuple[PemDefect, ...]]] = {
    "version 1": (certificate_with(ISSUED, version=None, extensions=None), ()),
    "a negative serial": (certificate_with(ISSUED, serial=b"\x80\x01"), ()),
    "serial zero": (certificate_with(ISSUED, serial=b"\x00"), ()),
    "a country of three letters": (certificate_with(ISSUED, country=b"DEU"), ()),
    "an umlaut in a DNS name": (
        certificate_with(ISSUED, alternative_names=element(0x82, "bücher.de".encode())),
        (),
    ),
    "an address of five bytes": (
        certificate_with(ISSUED, alternative_names=element(0x87, b"12345")),
        (PemDefect.UNREADABLE,),
    ),
    "an X.400 address": (
        certificate_with(ISSUED, alternative_names=element(0xA3, b"x")),
        (PemDefect.UNREADABLE,),
    ),
    "version 4": (certificate_with(ISSUED, version=b"\x03"), (PemDefect.UNPARSABLE,)),
    "bytes behind the certificate": (
        certificate_with(ISSUED) + b"more",
        (PemDefect.UNPARSABLE,),
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_certificates_are_read_or_reported_without_a_word(name: str):
    encoded, defects = ODD[name]
    value = pem_of(encoded)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bundle = read_bundle(value)

    assert bundle.defects == defects
    assert read_bundle(redact_bundle(value)) == bundle


def test_a_version_1_certificate_has_no_alternative_names():
    facts = facts_of(ODD["version 1"][0])

    assert facts is not None
    assert (facts.version, facts.has_subject_alternative_names) == (1, False)


def test_serials_are_whole_bytes_with_their_sign():
    serials = [facts_of(ODD[name][0]) for name in ("a negative serial", "serial zero")]

    assert [each and each.serial for each in serials] == ["-7fff", "0"]


DER = ISSUED.certificate.public_bytes(Encoding.DER)


@settings(deadline=None)
@given(at=st.integers(0, len(DER) - 1), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_certificate_never_breaks_the_reader(at: int, byte: int, cut: bool):
    damaged = DER[:at] if cut else DER[:at] + bytes([byte]) + DER[at + 1 :]
    value = pem_of(damaged)

    bundle = read_bundle(value)

    assert bool(bundle.certificates) is not bool(bundle.defects)
    assert read_bundle(redact_bundle(value)) == bundle


PIECES = ["-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----", "\n", " ", "\r\n", "\\n"]
PIECES += ["-----", "text", "-----BEGIN RSA PRIVATE KEY-----", "\ufeff", "\t", "#", "QUJD", LEAF]
PIECES += ["-----END RSA PRIVATE KEY-----", "\n".join(LINES[1:-1]), "ENCRYPTED: x\n", "", "\r"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_redaction_keeps_the_reading_of_any_mixture(text: str):
    value = text.encode()

    redacted = redact_bundle(value)

    assert read_bundle(redacted) == read_bundle(value)


@pytest.mark.parametrize("other", ["", "junk", CHAIN, "-----BEGIN X509 CRL-----\nQQ==\n"])
def test_no_revocation_list_is_no_date(other: str):
    assert next_update(other.encode()) is None
    assert redact_revocation_list(other.encode()) == b""


@pytest.mark.parametrize("before", ["", "# revoked\n", " \n", ROOT.pem])
def test_the_first_revocation_list_says_when_it_ends(before: str):
    ends = datetime(2026, 3, 4, tzinfo=UTC)
    revoked = ROOT.revoke(7, next_update=ends)
    value = (before + revoked + ROOT.revoke(8)).encode()

    assert next_update(value) == ends
    assert redact_revocation_list(value).decode() == revoked


def _certificates(pem: str) -> tuple[CertificateFacts, ...]:
    return read_bundle(pem.encode()).certificates


def pem_of(encoded: bytes) -> bytes:
    body = base64.encodebytes(encoded)
    return b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"


def _fingerprint(issued: Issued) -> str:
    return issued.certificate.fingerprint(SHA256()).hex()


def _public_key(issued: Issued) -> str:
    public = issued.certificate.public_key()
    encoded = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(encoded).hexdigest()
