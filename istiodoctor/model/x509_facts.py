"""One X.509 certificate (RFC 5280), from DER to facts."""

import warnings
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import TypeVar, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from istiodoctor.model.credential import CertificateFacts
from istiodoctor.model.public_key import PublicKeyFacts, describe

_REMEMBERED = 8192
_UNKNOWN_KEY = PublicKeyFacts("", 0, "", "")

E = TypeVar("E", bound=x509.ExtensionType)
Extensions = Mapping[type[x509.ExtensionType], x509.ExtensionType]


def facts_of(encoded: bytes) -> CertificateFacts | None:
    """Return the facts of a DER certificate; None when not all of them can be read."""
    try:
        return _parsed(encoded)
    except Exception:  # a hostile certificate may break the parser in any way
        return None


def is_certificate(encoded: bytes) -> bool:
    """Return whether this is a certificate at all, with or without readable details."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            x509.load_der_x509_certificate(encoded)
    except Exception:  # as above
        return False
    return True


@lru_cache(maxsize=_REMEMBERED)
def _parsed(encoded: bytes) -> CertificateFacts:
    """Parse a certificate, remembering it: intermediates and wildcards come in many Secrets.

    What does not parse is not remembered, so no private key that gets in here is.
    """
    with warnings.catch_warnings():
        # The parser prints its own opinion about odd old certificates.
        warnings.simplefilter("ignore")
        return _facts(x509.load_der_x509_certificate(encoded), encoded)


def _facts(certificate: x509.Certificate, encoded: bytes) -> CertificateFacts:
    extensions = {type(each.value): each.value for each in certificate.extensions}
    names = _extension(extensions, x509.SubjectAlternativeName)
    constraints = _extension(extensions, x509.BasicConstraints)
    usages = _extension(extensions, x509.ExtendedKeyUsage)
    key = _public_key(certificate)
    return CertificateFacts(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        common_name=_common_name(certificate.subject),
        issuer_common_name=_common_name(certificate.issuer),
        serial=_hexadecimal(certificate.serial_number),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        dns_names=tuple(names.get_values_for_type(x509.DNSName)) if names else (),
        ip_addresses=_texts(names.get_values_for_type(x509.IPAddress)) if names else (),
        has_subject_alternative_names=names is not None,
        is_ca=bool(constraints and constraints.ca),
        is_self_issued=certificate.issuer == certificate.subject,
        key_algorithm=key.algorithm,
        key_bits=key.bits,
        curve=key.curve,
        fingerprint_sha256=sha256(encoded).hexdigest(),
        public_key_sha256=key.sha256,
        extended_key_usages=tuple(each.dotted_string for each in usages or ()),
        version=certificate.version.value + 1,
    )


def _extension(extensions: Extensions, kind: type[E]) -> E | None:
    return cast("E | None", extensions.get(kind))


def _common_name(name: x509.Name) -> str:
    values = (each.value for each in name.get_attributes_for_oid(NameOID.COMMON_NAME))
    return next((each for each in values if isinstance(each, str)), "")


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(str(each) for each in values)


def _hexadecimal(serial: int) -> str:
    """Return the serial as BoringSSL prints it: whole bytes, `0` alone for zero."""
    digits = f"{abs(serial):x}"
    padded = digits if len(digits) % 2 == 0 or serial == 0 else f"0{digits}"
    return f"-{padded}" if serial < 0 else padded


def _public_key(certificate: x509.Certificate) -> PublicKeyFacts:
    try:
        return describe(certificate.public_key())
    except (UnsupportedAlgorithm, ValueError):
        return _UNKNOWN_KEY
