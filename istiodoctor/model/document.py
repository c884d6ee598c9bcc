"""Objects as they were read, opaque and redacted: what bundles, diffs and patches work on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """One object as JSON bytes, without private values. Checks never see it."""

    json: bytes
