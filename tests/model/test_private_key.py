import base64

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from istiodoctor.model.certificates import read_bundle
from istiodoctor.model.credential import KeyState, PrivateKeyFacts
from istiodoctor.model.pem import BYTES_AT_MOST, read_blocks
from istiodoctor.model.private_key import read_private_key
from istiodoctor.testing.certificates import Authority, key_pem, new_key

ISSUED = Authority("Root").issue("a.example.com")
KEY, OTHER = ISSUED.key_pem, key_pem(new_key())
OLD = key_pem(ISSUED.key, "traditional")
PARAMETERS = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
OPENSSH = ISSUED.key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()

STATES: dict[str, tuple[str, KeyState]] = {
    "PKCS#8": (KEY, KeyState.USABLE),
    "SEC1": (OLD, KeyState.USABLE),
    "CRLF line ends": (KEY.replace("\n", "\r\n"), KeyState.USABLE),
    "parameters before": (PARAMETERS + OLD, KeyState.USABLE),
    "a certificate before": (ISSUED.pem + KEY, KeyState.USABLE),
    "another key behind": (KEY + OTHER, KeyState.USABLE),
    "PKCS#8 under the old label": (KEY.replace("PRIVATE", "EC PRIVATE"), KeyState.USABLE),
    "PKCS#8 under another's label": (KEY.replace("PRIVATE", "RSA PRIVATE"), KeyState.UNPARSABLE),
    "SEC1 under the new label": (OLD.replace("EC PRIVATE", "PRIVATE"), KeyState.UNPARSABLE),
    "encrypted PKCS#8": (key_pem(ISSUED.key, password=b"x"), KeyState.ENCRYPTED),
    "encrypted SEC1": (key_pem(ISSUED.key, "traditional", b"x"), KeyState.ENCRYPTED),
    "cut": (KEY[:100], KeyState.UNPARSABLE),
    "glued parameters": (PARAMETERS.rstrip() + OLD, KeyState.UNPARSABLE),
    "words behind END": (f"{KEY.rstrip()}x", KeyState.UNPARSABLE),
    "a cut certificate before": (f"{ISSUED.pem[:200]}\n{KEY}", KeyState.UNPARSABLE),
    "a byte order mark": (f"\ufeff{KEY}", KeyState.NOT_PEM),
    "indented": (f"  {KEY}", KeyState.NOT_PEM),
    "OpenSSH's own format": (OPENSSH, KeyState.NOT_PEM),
    "a certificate": (ISSUED.pem, KeyState.NOT_PEM),
    "base64 twice": (base64.b64encode(KEY.encode()).decode(), KeyState.NOT_PEM),
    "words": ("hello", KeyState.NOT_PEM),
    "nothing": ("", KeyState.ABSENT),
    "too large": (KEY + "#" * BYTES_AT_MOST, KeyState.UNPARSABLE),
}


@pytest.mark.parametrize("shape", STATES)
def test_each_shape_of_a_key_has_its_state(shape: str):
    text, state = STATES[shape]

    assert read_private_key(text.encode()).state is state


@pytest.mark.parametrize("form", ["pkcs8", "traditional"])
@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("ec", ("EC", 256, "P-256")),
        ("ec384", ("EC", 384, "P-384")),
        ("rsa", ("RSA", 2048, "")),
        ("rsa1024", ("RSA", 1024, "")),
    ],
)
def test_a_key_and_its_certificate_agree(form: str, kind: str, facts: tuple[str, int, str]):
    issued = Authority("Root").issue("a.example.com", key=kind)
    leaf = read_bundle(issued.pem.encode()).leaf
    assert leaf is not None

    found = read_private_key(key_pem(issued.key, form).encode())

    algorithm, bits, curve = facts
    assert found == PrivateKeyFacts(
        state=KeyState.USABLE,
        algorithm=algorithm,
        bits=bits,
        curve=curve,
        public_key_sha256=leaf.public_key_sha256,
    )


def test_the_first_key_of_several_counts():
    assert read_private_key((OTHER + KEY).encode()) == read_private_key(OTHER.encode())
    assert read_private_key((OTHER + KEY).encode()) != read_private_key(KEY.encode())


def test_a_block_does_not_show_its_content():
    (block,) = read_blocks(KEY.encode())

    assert "content" not in repr(block)


@settings(deadline=None)
@given(at=st.integers(0, len(KEY) - 1), byte=st.integers(0, 255))
def test_a_damaged_key_never_breaks_the_reader(at: int, byte: int):
    value = KEY.encode()

    found = read_private_key(value[:at] + bytes([byte]) + value[at + 1 :])

    assert bool(found.public_key_sha256) is (found.state is KeyState.USABLE)
