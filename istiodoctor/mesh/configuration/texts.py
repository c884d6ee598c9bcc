"""Case conversion as Envoy does it: ASCII letters only."""

import string

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def ascii_lower(text: str) -> str:
    """Return a text with A to Z in lower case and all else as it is (`absl::AsciiStrToLower`)."""
    return text.lower() if text.isascii() else text.translate(_LOWER)
