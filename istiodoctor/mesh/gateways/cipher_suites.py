"""The cipher suites that Istio accepts for TLS 1.2 and below, and what Envoy makes of a list.

Source: istiod's pkg/config/security/security.go:322-390 (`ValidCipherSuites`,
`FilterCipherSuites`); BoringSSL's ssl/ssl_cipher.cc (`ssl_create_cipher_list`). What Envoy refuses
is held against the real one by a test.
"""

import re
from collections.abc import Sequence

ECDSA_CIPHERS = frozenset(
    {
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA",
    }
)
"""Usable with EC certificates only."""
RSA_CIPHERS = frozenset(
    {
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-RSA-AES256-SHA",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "AES128-SHA",
        "AES256-SHA",
        "DES-CBC3-SHA",
    }
)
"""Usable with RSA certificates only."""
KNOWN_CIPHERS = ECDSA_CIPHERS | RSA_CIPHERS
EVERY_SUITE = "ALL"
GROUPS = frozenset(
    {
        "kRSA", "kECDHE", "kEECDH", "kPSK", "aRSA", "aECDSA", "aPSK", "ECDHE", "EECDH", "ECDSA",
        "RSA", "PSK", "3DES", "AES128", "AES256", "AES", "AESGCM", "CHACHA20", "SHA", "SHA1",
        "SHA256", "SHA384", "HIGH", "FIPS", "SSLv3", "TLSv1", "TLSv1.2", "CMPALL",
    }
)  # fmt: skip
"""Names of BoringSSL for several suites."""
_OPERATORS = "+-!"
_EQUAL = re.compile(r"\[([^\[\]]+)\]")


def is_passed_on(name: str) -> bool:
    """Whether istiod sends a name: what begins with an operator is not looked at."""
    return name in ("", EVERY_SUITE) or not name[0].isalnum() or name in KNOWN_CIPHERS


def refused_suites(suites: Sequence[str]) -> str:
    """Return why Envoy refuses a list of suites as istiod sends it; empty where it takes it.

    Groups of suites other than ALL (`ECDHE`, `HIGH`) are not judged.
    """
    chosen: dict[str, None] = {}
    sent = [each for each in suites if each and is_passed_on(each)]
    for each in sent:
        names = _named(each)
        if names is None or not names <= KNOWN_CIPHERS:
            return "" if names is None or any(map(_may_be_a_group, names)) else _unknown(each)
        if each[0] in "-!":
            chosen = {name: None for name in chosen if name not in names}
        elif each[0] != "+":
            chosen |= dict.fromkeys(names)
    if sent and not chosen:
        return f"{', '.join(sent)} leaves no cipher suite"
    return ""


def _named(entry: str) -> frozenset[str] | None:
    """Return the suites that an entry names; None where it is of another kind (`@STRENGTH`)."""
    if equal := _EQUAL.fullmatch(entry):
        return frozenset(equal[1].split("|"))
    name = entry[1:] if entry[0] in _OPERATORS else entry
    if not name or not name[0].isalnum():
        return None
    return KNOWN_CIPHERS if name == EVERY_SUITE else frozenset({name})


def _may_be_a_group(name: str) -> bool:
    """Whether a name could be that of a group, or of several joined by a plus."""
    return "+" in name or any(each in GROUPS for each in name.split("+"))


def _unknown(entry: str) -> str:
    return f"{entry} names no cipher suite that Envoy knows"
