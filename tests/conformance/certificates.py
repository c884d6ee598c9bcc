"""Certificates and keys, made when they are needed and never stored.

A Secret in a recorded scenario has no data and the annotation `oracle/certificate: NS/NAME`:
the common name of the certificate that belongs there.
"""

import base64
import datetime
import functools

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.conformance.truth import Json

MARK = "oracle/certificate"
NAMES = ("*.example.com", "*.a.example.com", "example.com", "*.test")

Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def secret(namespace: str, name: str) -> Json:
    """Return the Secret of a certificate, as it is stored."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": {MARK: f"{namespace}/{name}"},
        },
    }


def _issued(common_name: str, issuer: Pair | None = None) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=300))
    )
    if issuer:
        names = x509.SubjectAlternativeName([x509.DNSName(name) for name in NAMES])
        builder = builder.add_extension(names, critical=False)
    else:
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        builder = builder.add_extension(constraints, critical=True)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


@functools.cache
def _authority() -> Pair:
    return _issued("conformance-ca")


def authority() -> bytes:
    """Return the issuer's certificate, PEM."""
    return _authority()[0].public_bytes(serialization.Encoding.PEM)


@functools.cache
def leaf(common_name: str) -> tuple[bytes, bytes]:
    """Return certificate and key of a common name, PEM: the same all through one process."""
    certificate, key = _issued(common_name, _authority())
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


@functools.cache
def _data(common_name: str) -> dict[str, str]:
    certificate, key = leaf(common_name)
    data = {"tls.crt": certificate, "tls.key": key, "ca.crt": authority()}
    return {name: base64.b64encode(value).decode() for name, value in data.items()}


def filled(objects: list[Json]) -> list[Json]:
    """Return the objects with the data of their Secrets."""
    return [_filled(each) for each in objects]


def _filled(document: Json) -> Json:
    common_name = (document["metadata"].get("annotations") or {}).get(MARK)
    return {**document, "data": _data(common_name)} if common_name else document
