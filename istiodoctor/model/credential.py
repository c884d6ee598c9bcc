"""The public view of a Secret: certificates and facts about the key, never the key itself.

A private key is compared with its certificate where the Secret is decoded, and dropped there.
None of these types can hold one.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from istiodoctor.model.kind import CORE
from istiodoctor.model.metadata import Fields
from istiodoctor.model.ref import Ref


class PemDefect(StrEnum):
    """What is wrong with a value that should be PEM certificates (RFC 7468)."""

    NOT_PEM = "not-pem"
    """No BEGIN line at all."""
    GLUED = "glued"
    """An END line runs into what follows, mostly the next BEGIN line."""
    DOUBLE_BASE64 = "double-base64"
    """The value decodes once more, to PEM."""
    DER = "der"
    """Binary DER where PEM is wanted."""
    TRUNCATED = "truncated"
    """A BEGIN line without its END line."""
    UNPARSABLE = "unparsable"
    """A block whose content is no X.509 certificate."""
    UNREADABLE = "unreadable"
    """A certificate of which istiodoctor could not read all; Envoy may well take it."""
    NO_CERTIFICATE = "no-certificate"
    """There are PEM blocks, but none of them is a certificate."""
    BYTE_ORDER_MARK = "byte-order-mark"
    """A UTF-8 byte order mark hides the first BEGIN line from readers."""
    NOT_AT_LINE_START = "not-at-line-start"
    """A BEGIN or END line is indented or follows text, so readers do not see it."""
    LINE_BREAKS_LOST = "line-breaks-lost"
    """Spaces or a literal `\\n` stand where line breaks should be."""
    PRIVATE_KEY_INSIDE = "private-key-inside"
    """A private key stands among the certificates. Readers pass it over."""
    TOO_MANY = "too-many"
    """More blocks than istiodoctor reads; the others are not looked at. No reader minds."""
    TOO_LARGE = "too-large"
    """Longer than a Secret may be: not looked at."""


_HARMLESS = {
    PemDefect.UNREADABLE,
    PemDefect.PRIVATE_KEY_INSIDE,
    PemDefect.TOO_MANY,
    PemDefect.TOO_LARGE,
}


class CertificateFacts(Fields, frozen=True, kw_only=True):
    """One X.509 certificate (RFC 5280), as far as clients and Envoy judge it."""

    subject: str
    """RFC 4514 string."""
    issuer: str
    """RFC 4514 string."""
    common_name: str = ""
    issuer_common_name: str = ""
    serial: str
    """Lower-case hexadecimal, as Envoy's admin port prints it."""
    not_before: datetime
    not_after: datetime
    dns_names: tuple[str, ...] = ()
    """The dNSName entries of the subjectAltName extension, as written."""
    ip_addresses: tuple[str, ...] = ()
    has_subject_alternative_names: bool = True
    is_ca: bool = False
    """basicConstraints says CA."""
    is_self_issued: bool = False
    """Issuer and subject are equal."""
    key_algorithm: str = ""
    """`RSA`, `EC`, `Ed25519`, …"""
    key_bits: int = 0
    curve: str = ""
    """`P-256`, `P-384`, `P-521` or the curve's own name."""
    fingerprint_sha256: str
    """Lower-case hexadecimal SHA-256 of the DER encoding."""
    public_key_sha256: str
    """Lower-case hexadecimal SHA-256 of the SubjectPublicKeyInfo."""
    extended_key_usages: tuple[str, ...] = ()
    """Dotted object identifiers; empty when the extension is absent."""
    version: int = 3

    @property
    def lifetime(self) -> timedelta:
        """How long the certificate is valid in all."""
        return self.not_after - self.not_before


class PemBundle(Fields, frozen=True, kw_only=True):
    """The certificates of one value, in order, and the defects that hide others."""

    certificates: tuple[CertificateFacts, ...] = ()
    defects: tuple[PemDefect, ...] = ()
    leaf_lost: bool = False
    """The first certificate is not among `certificates`: it could not be read."""

    @property
    def leaf(self) -> CertificateFacts | None:
        """The certificate that Envoy presents first."""
        return self.certificates[0] if self.certificates and not self.leaf_lost else None

    @property
    def is_malformed(self) -> bool:
        """Whether Envoy refuses the value, or reads less of it than stands there.

        False too where istiodoctor itself could not look: see `defects`.
        """
        return not _HARMLESS.issuperset(self.defects)


class KeyState(StrEnum):
    """What is known of a private key without having it."""

    ABSENT = "absent"
    USABLE = "usable"
    ENCRYPTED = "encrypted"
    NOT_PEM = "not-pem"
    UNPARSABLE = "unparsable"
    UNKNOWN = "unknown"
    """The value was redacted, or keys were not read."""


class PrivateKeyFacts(Fields, frozen=True, kw_only=True):
    """Facts about a private key; the key itself was dropped where they were found."""

    state: KeyState = KeyState.ABSENT
    algorithm: str = ""
    bits: int = 0
    curve: str = ""
    public_key_sha256: str = ""
    """Lower-case hexadecimal SHA-256 of the public half's SubjectPublicKeyInfo; empty when
    unknown."""


class KeyPair(Fields, frozen=True, kw_only=True):
    """A server certificate chain and the facts of its key, from one pair of Secret keys."""

    certificate_key: str
    """`tls.crt` or `cert`."""
    private_key_key: str
    """`tls.key` or `key`."""
    certificate_empty: bool = False
    private_key_empty: bool = False
    chain: PemBundle = PemBundle()
    private_key: PrivateKeyFacts = PrivateKeyFacts()

    @property
    def key_matches_leaf(self) -> bool | None:
        """Whether the key belongs to the first certificate; None when it cannot be told."""
        leaf = self.chain.leaf
        if not (leaf and leaf.public_key_sha256 and self.private_key.public_key_sha256):
            return None
        return leaf.public_key_sha256 == self.private_key.public_key_sha256


class Credential(Fields, frozen=True, kw_only=True):
    """What remains of a Secret: no value but public certificates."""

    namespace: str
    name: str
    type: str = ""
    keys: tuple[str, ...] = ()
    """The names of the Secret's keys, sorted."""
    empty_keys: tuple[str, ...] = ()
    """Those of them whose value is empty."""
    pairs: tuple[KeyPair, ...] = ()
    """The server pairs present, in istiod's order: `cert`/`key` first, then
    `tls.crt`/`tls.key`."""
    ca_key: str = ""
    """The key that holds client CAs: `cacert`, else `ca.crt`; empty when neither is there."""
    ca_bundle: PemBundle = PemBundle()
    revocation_list_key: str = ""
    """`crl` or `ca.crl`, whichever belongs to `ca_key`; empty when absent."""
    revocation_list_next_update: datetime | None = None
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)
    creation_timestamp: datetime | None = None
    updated_at: datetime | None = None
    """When `data` was last written, as its field managers tell; None when they are not there."""
    owners: tuple[str, ...] = ()
    """`Kind/name` of each owner reference."""
    managers: tuple[str, ...] = ()
    """Names of the field managers that own keys of `data`."""

    def __hash__(self) -> int:
        return hash((self.namespace, self.name))

    @property
    def ref(self) -> Ref:
        """The Secret's name in messages and reports."""
        return Ref(CORE, "Secret", self.namespace, self.name)

    @property
    def pair(self) -> KeyPair | None:
        """The pair that istiod serves: the first whose two keys exist and are not empty."""
        usable = (p for p in self.pairs if not (p.certificate_empty or p.private_key_empty))
        return next(usable, None)

    @property
    def leaf(self) -> CertificateFacts | None:
        """The certificate that clients would be shown first."""
        pair = self.pair
        return pair.chain.leaf if pair else None
