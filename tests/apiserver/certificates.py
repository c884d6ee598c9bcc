"""The cluster's certificate authority, made anew for every server."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
_LIFETIME = timedelta(days=1)


class Authority:
    """Signs the server's certificate and those of its clients."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("test-cluster-ca", ())
        public = self._key.public_key()
        identifier = x509.SubjectKeyIdentifier.from_public_key(public)
        self._authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
            identifier
        )
        builder = _builder(self._name, self._name, public)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        builder = builder.add_extension(_SIGNING, True).add_extension(identifier, False)
        self.certificate = _pem(builder.sign(self._key, hashes.SHA256()))

    def server(self) -> tuple[bytes, bytes]:
        """The server's certificate and key, for every name of the loopback."""
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in _NAMES]
        names += [x509.IPAddress(ip_address(text)) for text in ("127.0.0.1", "::1")]
        alternative = x509.SubjectAlternativeName(names)
        return self._leaf("kube-apiserver", (), ExtendedKeyUsageOID.SERVER_AUTH, alternative)

    def client(self, name: str, groups: Iterable[str]) -> tuple[bytes, bytes]:
        """A user's certificate and key: the common name is the user, organizations are groups."""
        return self._leaf(name, groups, ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def _leaf(
        self,
        name: str,
        groups: Iterable[str],
        usage: x509.ObjectIdentifier,
        alternative: x509.SubjectAlternativeName | None,
    ) -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(name, groups), self._name, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
        builder = builder.add_extension(self._authority, False)
        if alternative:
            builder = builder.add_extension(alternative, False)
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return _pem(builder.sign(self._key, hashes.SHA256())), plain


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


def _name(common: str, organizations: Iterable[str]) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _LIFETIME)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
