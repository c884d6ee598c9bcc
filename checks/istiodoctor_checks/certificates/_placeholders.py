"""Certificates that are no real ones yet."""

from istiodoctor.model.credential import CertificateFacts

TEMPORARY = "cert-manager.local"
STAGING = ("(STAGING)", "Fake LE ")


def is_temporary(leaf: CertificateFacts) -> bool:
    """Whether cert-manager made it to fill the Secret until the real one is issued."""
    return TEMPORARY in (leaf.issuer_common_name, leaf.common_name)


def is_staging(leaf: CertificateFacts) -> bool:
    """Whether it comes from Let's Encrypt's staging environment."""
    return any(mark in leaf.issuer for mark in STAGING)


def is_placeholder(leaf: CertificateFacts) -> bool:
    """Whether it is one of the two, which are found by checks of their own."""
    return is_temporary(leaf) or is_staging(leaf)
