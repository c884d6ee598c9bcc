"""Public keys, and the hash by which a certificate and a private key are compared."""

from hashlib import sha256
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


class PublicKeyFacts(NamedTuple):
    """What can be said about a public key."""

    algorithm: str
    bits: int
    curve: str
    sha256: str
    """Lower-case hexadecimal SHA-256 of the SubjectPublicKeyInfo."""


def describe(key: PublicKeyTypes) -> PublicKeyFacts:
    """Return the facts about a public key."""
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    algorithm, bits, curve = _kind(key)
    return PublicKeyFacts(algorithm, bits, curve, sha256(encoded).hexdigest())


def _kind(key: PublicKeyTypes) -> tuple[str, int, str]:
    match key:
        case ec.EllipticCurvePublicKey():
            return "EC", key.key_size, _CURVES.get(key.curve.name, key.curve.name)
        case rsa.RSAPublicKey():
            return "RSA", key.key_size, ""
        case ed25519.Ed25519PublicKey():
            return "Ed25519", 256, ""
        case ed448.Ed448PublicKey():
            return "Ed448", 456, ""
        case dsa.DSAPublicKey():
            return "DSA", key.key_size, ""
        case _:
            return type(key).__name__.removesuffix("PublicKey"), 0, ""
