"""CAs, certificates and Secrets for tests, made at run time: no key lies on disk."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

NOT_BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
NOT_AFTER = datetime(2027, 1, 1, tzinfo=UTC)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

LAYOUTS: Mapping[str, tuple[str, str, str]] = {
    "tls": ("tls.crt", "tls.key", "ca.crt"),
    "generic": ("cert", "key", "cacert"),
}
"""The keys of a Secret: of the certificate, of the private key, of client CAs."""


def new_key(kind: str = "ec") -> PrivateKey:
    """Make a key: `ec` (P-256), `ec384`, `ec521`, `ed25519`, `rsa` (2048 bits) or `rsa4096`.

    RSA keys are slow to make: one of each size serves the whole run.
    """
    match kind:
        case "ec":
            return ec.generate_private_key(ec.SECP256R1())
        case "ec384":
            return ec.generate_private_key(ec.SECP384R1())
        case "ec521":
            return ec.generate_private_key(ec.SECP521R1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "rsa":
            return _rsa(2048)
        case _ if kind.startswith("rsa"):
            return _rsa(int(kind.removeprefix("rsa")))
        case _:
            raise ValueError(f"no such kind of key: {kind}")


def key_pem(key: PrivateKey, form: str = "pkcs8", password: bytes | None = None) -> str:
    """Return a key as PEM: `pkcs8`, or `traditional` (PKCS#1, SEC1)."""
    formats = {"pkcs8": PrivateFormat.PKCS8, "traditional": PrivateFormat.TraditionalOpenSSL}
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, formats[form], encryption).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate with its key and the chain above it."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)
    intermediates_pem: str = ""
    """What a client needs beside the certificate and does not have: no root."""
    root_pem: str = ""

    @property
    def pem(self) -> str:
        """The certificate alone."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def chain_pem(self) -> str:
        """The certificate, then its intermediates."""
        return self.pem + self.intermediates_pem

    @property
    def key_pem(self) -> str:
        """The private key as PKCS#8."""
        return key_pem(self.key)

    def secret(
        self, namespace: str, name: str, layout: str = "tls", *, with_authority: bool = False
    ) -> dict[str, Any]:
        """Return a Secret that serves this certificate; `layout` is `tls` or `generic`."""
        certificate, private_key, authority = LAYOUTS[layout]
        values = {certificate: self.chain_pem, private_key: self.key_pem}
        if with_authority:
            values[authority] = self.root_pem
        kind = "kubernetes.io/tls" if layout == "tls" else "Opaque"
        return secret(namespace, name, values, type=kind)


def secret(
    namespace: str, name: str, values: Mapping[str, str | bytes], *, type: str = "Opaque"
) -> dict[str, Any]:
    """Return a Secret with these values, as the API server would give it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": namespace, "name": name},
        "type": type,
        "data": {key: encoded(value) for key, value in values.items()},
    }


def encoded(value: str | bytes) -> str:
    """Return a value as it stands in a Secret's `data`."""
    plain = value.encode() if isinstance(value, str) else value
    return base64.b64encode(plain).decode()


class Authority:
    """A certificate authority: a root, or an intermediate when it has a parent."""

    def __init__(
        self,
        common_name: str,
        parent: "Authority | None" = None,
        *,
        key: str = "ec",
        not_before: datetime = NOT_BEFORE - timedelta(days=365),
        not_after: datetime = NOT_AFTER + timedelta(days=3650),
    ) -> None:
        self.parent = parent
        self.key = new_key(key)
        self.name = _name(common_name)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
        self.identifier = identifier
        builder = (
            _builder(self.name, parent.name if parent else self.name, not_before, not_after)
            .public_key(self.key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_SIGNING, critical=True)
            .add_extension(identifier, critical=False)
        )
        if parent:
            builder = builder.add_extension(parent.authority_key_identifier, critical=False)
        self.certificate = _sign(builder, parent.key if parent else self.key)

    @property
    def pem(self) -> str:
        """The authority's own certificate."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def chain_pem(self) -> str:
        """This certificate and those above it, without the root; empty for a root."""
        return self.pem + self.parent.chain_pem if self.parent else ""

    @property
    def root_pem(self) -> str:
        """The certificate at the top."""
        return self.parent.root_pem if self.parent else self.pem

    @property
    def authority_key_identifier(self) -> x509.AuthorityKeyIdentifier:
        """How certificates of this authority name its key."""
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self.identifier)

    def issue(
        self,
        *names: str,
        not_before: datetime = NOT_BEFORE,
        not_after: datetime = NOT_AFTER,
        key: str | PrivateKey = "ec",
        common_name: str | None = None,
        without_san: bool = False,
        serial: int | None = None,
    ) -> Issued:
        """Issue a certificate for hosts and IP addresses; `key` is a kind of key, or a key."""
        private = new_key(key) if isinstance(key, str) else key
        subject = _name(common_name if common_name is not None else (names or ("",))[0])
        builder = (
            _builder(subject, self.name, not_before, not_after, serial)
            .public_key(private.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(self.authority_key_identifier, critical=False)
        )
        if names and not without_san:
            alternative = x509.SubjectAlternativeName([_general(name) for name in names])
            builder = builder.add_extension(alternative, critical=False)
        return Issued(
            certificate=_sign(builder, self.key),
            key=private,
            intermediates_pem=self.chain_pem,
            root_pem=self.root_pem,
        )

    def revoke(self, *serials: int, next_update: datetime = NOT_AFTER) -> str:
        """Return a revocation list as PEM."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        builder = builder.last_update(NOT_BEFORE).next_update(next_update)
        for serial in serials:
            entry = x509.RevokedCertificateBuilder().serial_number(serial)
            builder = builder.add_revoked_certificate(entry.revocation_date(NOT_BEFORE).build())
        signed = builder.sign(self.key, _hash(self.key))
        return signed.public_bytes(Encoding.PEM).decode()


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


@lru_cache
def _rsa(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    not_before: datetime,
    not_after: datetime,
    serial: int | None = None,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )


def _sign(builder: x509.CertificateBuilder, key: PrivateKey) -> x509.Certificate:
    return builder.sign(key, _hash(key))


def _hash(key: PrivateKey) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def _name(common_name: str) -> x509.Name:
    if not common_name:
        return x509.Name([])
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
