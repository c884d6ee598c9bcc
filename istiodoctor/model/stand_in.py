"""Placeholder values: templates, references to vaults, redactions.

Such a value says nothing about the Secret in the cluster, so it is unread and never malformed.
"""

import re


class StandIn(Exception):
    """The Secret's values are placeholders. Its text names their style, never a value."""


_LONGEST = 4096
"""Longer values are searched no further than this."""
SHORT = 200
"""Only values up to this length can be stand-ins by their letters alone."""
_MARKS = ("<", "{{", "{%", "${", "[", "*", "...", "…")
"""What a long value must hold to be looked at closely. PEM and base64 hold none of it."""
_STYLES = (
    ("encrypted by SOPS", r"ENC\[[A-Za-z0-9_]+,"),
    ("a placeholder of argocd-vault-plugin", r"<path:[^<>]+>"),
    ("a template expression", r"\{\{.*?\}\}|\{%.*?%\}"),
    ("a variable that is still to be filled in", r"\$\{[^{}]*\}|\A\s*\$\(?\w+\)?\s*\Z"),
    (
        "a reference to a secret store",
        r"\A\s*(?:ref\+\w+://|op://|vault:[\w./-]+#|projects/[\w-]+/secrets/)",
    ),
    (
        "redacted",
        r"(?i:\A\W*(?:redacted|removed|hidden|masked|omitted|sanitized|scrubbed|suppressed"
        r"|sensitive|confidential)\W*\Z)|\A\s*\*{3,}|\A\s*\+{4,}\s*\Z|\A\s*[xX]{3,}\s*\Z"
        r"|\A\d+ bytes\Z",
    ),
    ("a placeholder", r"\A\s*<[^<>]*>\s*\Z|\A\s*\[[^\[\]]*\]\s*\Z"),
    ("abbreviated", r"(?:\.\.\.|…)\s*(?:-----END [A-Z ]+-----\s*)?\Z"),
)
_PATTERNS = tuple((style, re.compile(pattern, re.DOTALL)) for style, pattern in _STYLES)


def style_of(value: str) -> str:
    """Return what kind of stand-in a value is; empty for a value that is itself."""
    text = value if len(value) <= _LONGEST else value[:_LONGEST]
    if len(text) > SHORT and not any(mark in text for mark in _MARKS):
        return ""
    return next((style for style, pattern in _PATTERNS if pattern.search(text)), "")
