"""From a Secret to its public view (a stub of the interface)."""

from typing import Any

from istiodoctor.model.credential import Credential


class StandIn(Exception):
    """The Secret's values only stand for others."""


def decode_secret(raw: dict[str, Any]) -> Credential:
    """Return the public view of a Secret."""
    raise NotImplementedError


def redact_secret(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the Secret with private values replaced."""
    raise NotImplementedError
