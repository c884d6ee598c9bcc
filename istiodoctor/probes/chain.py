"""Whether a client would accept a chain: a verifier says yes or no, own rules say why not."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509 import verification
from cryptography.x509.verification import Criticality, ExtensionPolicy

from istiodoctor.model.credential import CertificateFacts
from istiodoctor.model.x509_facts import facts_of

MOST_CERTIFICATES = 20
STAND_IN_LABEL = "istiodoctor-probe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a client would say; None where nobody can tell."""

    verified: bool | None = None
    chain_is_trusted: bool | None = None
    reason: str = ""


class Trust:
    """The roots that clients are taken to trust, at one time."""

    def __init__(self, roots: Iterable[bytes], at: datetime) -> None:
        """Take roots in DER; those that do not parse are left out."""
        parsed = [each for each in map(_parsed, roots) if each is not None]
        # An empty store cannot be made: without roots nothing can be judged.
        self._store = verification.Store(parsed) if parsed else None
        self._at = at

    def judge(self, chain: tuple[bytes, ...], host: str) -> Verdict:
        """Return what a client that asks for this host would say of a chain as served."""
        if self._store is None:
            return Verdict(reason="no roots are known")
        parsed = [_parsed(each) for each in chain[:MOST_CERTIFICATES]]
        facts = facts_of(chain[0])
        leaf, rest = parsed[0], [each for each in parsed[1:] if each is not None]
        if leaf is None or facts is None:
            return Verdict(reason="the certificate cannot be read")
        trusted = self._trusts(leaf, rest, facts)
        if not host:
            return Verdict(chain_is_trusted=trusted, reason="no host was asked for")
        accepted = self._accepts(leaf, rest, host, self._at)
        reason = "" if accepted else _reason(facts, host, self._at, trusted=trusted)
        return Verdict(verified=accepted, chain_is_trusted=trusted, reason=reason)

    def _trusts(
        self, leaf: x509.Certificate, rest: list[x509.Certificate], facts: CertificateFacts
    ) -> bool | None:
        """Whether the chain holds on a day, and for a name, that the certificate itself gives."""
        names = [name.replace("*", STAND_IN_LABEL, 1) for name in facts.dns_names]
        days = [self._at] if facts.not_before <= self._at <= facts.not_after else []
        days.append(facts.not_before + facts.lifetime / 2)
        answers = [self._accepts(leaf, rest, name, day) for name in names[:1] for day in days]
        return True if True in answers else (False if False in answers else None)

    def _accepts(
        self, leaf: x509.Certificate, rest: list[x509.Certificate], host: str, at: datetime
    ) -> bool | None:
        assert self._store is not None
        try:
            verifier = (
                verification.PolicyBuilder()
                .store(self._store)
                .time(at.astimezone(UTC).replace(tzinfo=None))
                .extension_policies(ca_policy=_AUTHORITIES, ee_policy=_LEAVES)
                .build_server_verifier(x509.DNSName(host))
            )
        except ValueError:  # a name that it does not know how to compare: `a_b.example.com`
            return None
        try:
            verifier.verify(leaf, rest)
        except verification.VerificationError:
            return False
        except Exception:  # a hostile certificate may break it in any way
            return None
        return True


_AUTHORITIES = ExtensionPolicy.permit_all().require_present(
    x509.BasicConstraints, Criticality.AGNOSTIC, None
)
_LEAVES = ExtensionPolicy.permit_all().require_present(
    x509.SubjectAlternativeName, Criticality.AGNOSTIC, None
)


def _reason(facts: CertificateFacts, host: str, at: datetime, *, trusted: bool | None) -> str:
    if not at >= facts.not_before:
        return "it is not valid yet"
    if at > facts.not_after:
        return "it has expired"
    if trusted:
        return f"it is not for {host}"
    if facts.is_self_issued:
        return "it is signed by itself"
    return "its chain does not lead to a trusted root"


def _parsed(encoded: bytes) -> x509.Certificate | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return x509.load_der_x509_certificate(encoded)
    except Exception:  # a hostile certificate may break the parser in any way
        return None
