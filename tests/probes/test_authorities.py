"""The names in a server's request for a client certificate, whatever is sent as one."""

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as some

from istiodoctor.probes.authorities import MOST_NAMES, acceptable_client_cas


def name(common: str, organisation: str = "Shop, Inc.") -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def sized(content: bytes, size: int) -> bytes:
    return len(content).to_bytes(size) + content


def listed(*names: x509.Name) -> bytes:
    return sized(b"".join(sized(each.public_bytes(), 2) for each in names), 2)


def message(body: bytes) -> bytes:
    return b"\x0d" + sized(body, 3)


def newest(*extensions: bytes) -> bytes:
    return message(b"\x00" + sized(b"".join(extensions), 2))


def extension(kind: int, content: bytes) -> bytes:
    return kind.to_bytes(2) + sized(content, 2)


def older(*names: x509.Name) -> bytes:
    return message(sized(b"\x01\x40", 1) + sized(b"\x04\x03", 2) + listed(*names))


NAMES = (name("Clients"), name("Pärtners", "x" * 300))
WRITTEN = tuple(each.rfc4514_string() for each in NAMES)


def test_names_are_read_as_certificates_write_them():
    signatures = extension(13, sized(b"\x04\x03", 2))

    assert acceptable_client_cas(newest(signatures, extension(47, listed(*NAMES)))) == WRITTEN
    assert acceptable_client_cas(older(*NAMES)) == WRITTEN


def test_a_server_may_name_nobody():
    assert acceptable_client_cas(newest(extension(13, sized(b"\x04\x03", 2)))) == ()
    assert acceptable_client_cas(older()) == ()


@pytest.mark.parametrize("whole", [older(*NAMES), newest(extension(47, listed(*NAMES)))])
def test_of_what_ends_too_early_nothing_is_believed(whole: bytes):
    for size in range(len(whole)):
        assert acceptable_client_cas(whole[:size]) == ()


def test_of_many_names_the_first_are_kept():
    many = [name(str(number)) for number in range(MOST_NAMES + 5)]

    assert len(acceptable_client_cas(older(*many))) == MOST_NAMES


@given(some.binary(max_size=300))
def test_whatever_is_sent_breaks_nothing(body: bytes):
    assert isinstance(acceptable_client_cas(message(body)), tuple)
