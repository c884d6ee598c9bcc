"""Certificate chains that lack an intermediate, and chains that end in no trusted root."""

import re
from collections.abc import Mapping
from enum import StrEnum

from istiodoctor.mesh.certificates.coverage import ServedCertificate, served_certificates
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.credential import CertificateFacts
from istiodoctor.model.kind import Kind

PUBLIC_ORGANISATIONS = frozenset(
    {
        "amazon",
        "buypass as-983163327",
        "certainly",
        "cloudflare, inc.",
        "comodo ca limited",
        "digicert inc",
        "digicert, inc.",
        "entrust, inc.",
        "geotrust inc.",
        "globalsign nv-sa",
        "godaddy.com, inc.",
        "google trust services",
        "google trust services llc",
        "identrust",
        "internet security research group",
        "let's encrypt",
        "microsoft corporation",
        "sectigo limited",
        "ssl corporation",
        "ssl corp",
        "starfield technologies, inc.",
        "thawte, inc.",
        "zerossl",
    }
)
"""Names by which public CAs sign. Their roots sign no server certificates (CA/Browser Forum)."""
_ORGANISATION = re.compile(r"(?:^|[,+])O=((?:\\.|[^,+\\])*)")
_LIKELY = re.compile(r"\b(intermediate|issuing|sub-?\s?ca|subordinate)\b", re.IGNORECASE)


class Knowledge(StrEnum):
    """How it is known that a certificate was issued by an intermediate CA."""

    IN_CA_VALUE = "in-ca-value"
    """It stands among the CAs of the same Secret, and is no root."""
    IN_OTHER_CHAIN = "in-other-chain"
    """Another Secret's chain holds it, and it is no root."""
    PUBLIC = "public"
    """It belongs to a public CA."""
    LIKELY = "likely"
    """Its name says so, or it is not among the roots that the user trusts."""


@question(Kind.SECRET)
def _intermediates(mesh: Mesh) -> Mapping[str, CertificateFacts]:
    """Return the intermediates in the chains of all Secrets that were read, by subject."""
    return {
        each.subject: each
        for _, credential in sorted(mesh.snapshot.credentials.items())
        for pair in credential.pairs
        for each in pair.chain.certificates[1:]
        if each.is_ca and not each.is_self_issued
    }


@question
def missing_intermediates(mesh: Mesh) -> tuple[tuple[ServedCertificate, Knowledge], ...]:
    """Return the chains that lack the intermediate that issued the leaf, and how that is known."""
    return tuple(
        (served, knowledge)
        for served in served_certificates(mesh)
        if not _has_issuer(served) and (knowledge := _knowledge(mesh, served))
    )


def _knowledge(mesh: Mesh, served: ServedCertificate) -> Knowledge | None:
    return intermediate(mesh, served.leaf, served.credential.ca_bundle.certificates)


def intermediate(
    mesh: Mesh, leaf: CertificateFacts, ca_certificates: tuple[CertificateFacts, ...]
) -> Knowledge | None:
    """Return how it is known that a certificate was issued by an intermediate, if it is."""
    trusted = mesh.facts.trusted_subjects
    if leaf.is_self_issued or leaf.issuer in trusted:
        return None
    for each in ca_certificates:
        if each.subject == leaf.issuer:
            return None if each.is_self_issued else Knowledge.IN_CA_VALUE
    if leaf.issuer in _intermediates(mesh):
        return Knowledge.IN_OTHER_CHAIN
    if organisation(leaf.issuer) in PUBLIC_ORGANISATIONS | _trusted_organisations(mesh):
        return Knowledge.PUBLIC
    likely = bool(mesh.facts.trust_anchors) or bool(_LIKELY.search(leaf.issuer_common_name))
    return Knowledge.LIKELY if likely else None


@question
def _trusted_organisations(mesh: Mesh) -> frozenset[str]:
    found = map(organisation, mesh.facts.trusted_subjects)
    return frozenset(filter(None, found))


@question
def untrusted_certificates(mesh: Mesh) -> tuple[ServedCertificate, ...]:
    """Return the served certificates whose chain ends in no root that clients trust.

    Where an intermediate is wanting, that is the fault, and they are left out.
    """
    incomplete = {served for served, _ in missing_intermediates(mesh)}
    return tuple(
        served
        for served in served_certificates(mesh)
        if served not in incomplete and is_trusted(mesh, served) is False
    )


def is_trusted(mesh: Mesh, served: ServedCertificate) -> bool | None:
    """Whether a chain reaches a trust anchor by its names; None when no anchors are known.

    A self-signed certificate that nobody declared to trust is not trusted either way.
    """
    top = _top(served)
    if {top.fingerprint_sha256, served.leaf.fingerprint_sha256} & mesh.facts.trust_anchors:
        return True
    trusted = mesh.facts.trusted_subjects
    if not trusted:
        return False if served.leaf.is_self_issued else None
    return top.issuer in trusted


def organisation(name: str) -> str:
    """Return the organisation of an RFC 4514 name, lower case; empty without one."""
    found = _ORGANISATION.search(name)
    return re.sub(r"\\(.)", r"\1", found[1]).lower() if found else ""


def _has_issuer(served: ServedCertificate) -> bool:
    chain = served.pair.chain.certificates
    return any(each.subject == served.leaf.issuer for each in chain if each is not served.leaf)


def _top(served: ServedCertificate) -> CertificateFacts:
    """Return the last certificate that the chain leads to."""
    by_subject = {each.subject: each for each in reversed(served.pair.chain.certificates)}
    top, seen = served.leaf, {served.leaf.subject}
    while (above := by_subject.get(top.issuer)) and above.subject not in seen:
        top = above
        seen.add(top.subject)
    return top
