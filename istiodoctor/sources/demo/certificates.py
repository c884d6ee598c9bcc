"""Certificates of the demo, made when it is opened: no key lies on any disk."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

WISH = "certificate"
"""The field of a Secret in `manifests/` that says which certificate it is to hold."""

_ROOT = x509.Name.from_rfc4514_string("CN=ISRG Root X1,O=Internet Security Research Group,C=US")
_INTERMEDIATE = x509.Name.from_rfc4514_string("CN=E7,O=Let's Encrypt,C=US")
_PARTNERS = x509.Name.from_rfc4514_string("CN=Clearing Partners Client CA,O=Infoedu,C=KR")
_YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class _Authority:
    """What signs: a name, a key and the certificate that goes with them."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate


class Certificates:
    """Fills the Secrets of the demo.

    The authorities carry the names of public ones, whose roots clients know by name. Nobody would
    accept their signatures, but nobody is asked to.
    """

    def __init__(self, now: datetime) -> None:
        """Make the authorities, long before and for long after `now` (UTC)."""
        root = _authority(_ROOT, None, now)
        self._intermediate = _authority(_INTERMEDIATE, root, now)
        self._partners = _authority(_PARTNERS, None, now)

    def filled(self, secret: Mapping[str, Any]) -> dict[str, Any]:
        """Return a Secret with what it wishes for as data, as the API server would give it."""
        wish = secret.get(WISH)
        if wish is None:
            return dict(secret)
        values = self._client_authority(wish) if "authority" in wish else self._pair(wish)
        data = {key: base64.b64encode(value).decode() for key, value in values.items()}
        return {**{key: each for key, each in secret.items() if key != WISH}, "data": data}

    def _client_authority(self, wish: Mapping[str, Any]) -> dict[str, bytes]:
        return {str(wish["authority"]): _pem(self._partners.certificate)}

    def _pair(self, wish: Mapping[str, Any]) -> dict[str, bytes]:
        """Return certificate and key: `chain: leaf` and `key: stranger` leave them faulty."""
        key = ec.generate_private_key(ec.SECP256R1())
        chain = [self._leaf(wish, key)]
        if wish.get("chain") != "leaf":
            chain.append(self._intermediate.certificate)
        if wish.get("key") == "stranger":
            key = ec.generate_private_key(ec.SECP256R1())
        return {
            "tls.crt": b"".join(map(_pem, chain)),
            "tls.key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        }

    def _leaf(self, wish: Mapping[str, Any], key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        names = [x509.DNSName(name) for name in wish["names"]]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wish["names"][0])])
        times = datetime.fromisoformat(wish["from"]), datetime.fromisoformat(wish["until"])
        builder = (
            _builder(subject, key, times, self._intermediate.name)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
            )
            .add_extension(_issued_by(self._intermediate.key), critical=False)
        )
        return builder.sign(self._intermediate.key, SHA256())


def _authority(name: x509.Name, parent: _Authority | None, now: datetime) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    signer = parent.key if parent else key
    times = now - 5 * _YEAR, now + 10 * _YEAR
    builder = (
        _builder(name, key, times, parent.name if parent else name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_SIGNING, critical=True)
        .add_extension(_issued_by(signer), critical=False)
    )
    return _Authority(name, key, builder.sign(signer, SHA256()))


def _builder(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    times: tuple[datetime, datetime],
    issuer: x509.Name,
) -> x509.CertificateBuilder:
    not_before, not_after = times
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _issued_by(key: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


_SIGNING = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
